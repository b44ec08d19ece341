//! What a user asks for, complete in one value.

use serde::{Deserialize, Serialize};

use crate::{Canvas, PlateId, Result, Slot, TakeId};

/// What the editor calls the job. The engine only sees which part of the canvas is known; the name
/// is kept for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Job {
    /// The frames between two stretches of picture.
    Fill,
    /// The frames after a shot.
    ExtendAfter,
    /// The frames before a shot.
    ExtendBefore,
    /// Frames from text and references alone.
    Generate,
    /// Frames inside of a shot, made anew between their own ends.
    Retake,
    /// Frames that lead from a shot's end to its beginning.
    Loop,
    /// What lies around a picture that is smaller than the canvas.
    Outpaint,
    /// What lies behind a region of a picture.
    Remove,
}

impl Job {
    /// The job that a canvas of whole frames amounts to, as far as it can be told from it: a retake and a loop
    /// look like a fill.
    pub fn of(canvas: &Canvas) -> Self {
        let known = |slot: Option<&Slot>| slot.is_some_and(Slot::is_known);
        match (known(canvas.slots.first()), known(canvas.slots.last())) {
            (true, true) => Self::Fill,
            (true, false) => Self::ExtendAfter,
            (false, true) => Self::ExtendBefore,
            (false, false) => Self::Generate,
        }
    }

    /// The name an editor reads.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Fill => "Fill gap",
            Self::ExtendAfter => "Extend after",
            Self::ExtendBefore => "Extend before",
            Self::Generate => "Generate",
            Self::Retake => "Retake span",
            Self::Loop => "Loop",
            Self::Outpaint => "Outpaint",
            Self::Remove => "Remove region",
        }
    }
}

/// How much time a take is worth; a package says what each means in steps and guidance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Few steps, to see where it goes.
    Draft,
    /// What the package's makers recommend.
    #[default]
    Final,
}

/// What steers a generation besides pictures. `None` means the package's preset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Number of denoising steps, 1 to 200.
    pub steps: Option<u32>,
    /// Classifier-free guidance scale, 1 to 30; 1 leaves guidance out.
    pub guidance: Option<f32>,
    /// Seed of the noise. The same seed gives the same noise on every machine.
    pub seed: u64,
    /// Which preset fills what is `None`.
    pub quality: Quality,
    /// Sides at which the model works, 0.1 to 4 times those that it is best at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f32>,
}

/// One complete job: nothing outside this value decides what the frames look like, except the
/// model package that [`Request::model`] names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Format of this value; [`Request::VERSION`].
    pub version: u32,
    /// What the editor calls it.
    pub job: Job,
    /// What is known and what is to be made.
    pub canvas: Canvas,
    /// Pictures of what should be seen, in order of weight.
    pub references: Vec<PlateId>,
    /// What should be seen.
    pub prompt: String,
    /// What should not be seen. `None` means the package's default.
    pub negative_prompt: Option<String>,
    /// Name of the model package.
    pub model: String,
    /// Steps, guidance, seed.
    pub settings: Settings,
}

impl Request {
    /// The format that this version writes and reads.
    pub const VERSION: u32 = 1;

    /// A request for `canvas` with nothing else decided.
    pub fn new(canvas: Canvas) -> Self {
        Self {
            version: Self::VERSION,
            job: Job::of(&canvas),
            canvas,
            references: Vec::new(),
            prompt: String::new(),
            negative_prompt: None,
            model: "starter".to_owned(),
            settings: Settings::default(),
        }
    }

    /// Whether the request can be run at all.
    ///
    /// # Errors
    /// With what was expected and what came.
    pub fn check(&self) -> Result<()> {
        use crate::Error;
        if self.version != Self::VERSION {
            return Err(Error::usage(format!(
                "expected a request of version {}, got {}.",
                Self::VERSION,
                self.version
            ))
            .hint("Install the same version of the plugin and the worker."));
        }
        if let Some(steps) = self.settings.steps.filter(|steps| !(1..=200).contains(steps)) {
            return Err(Error::usage(format!("expected 1 to 200 steps, got {steps}."))
                .hint("Leave the steps to the quality, or set a number in that range."));
        }
        if let Some(scale) = self.settings.scale.filter(|scale| !(0.1..=4.0).contains(scale)) {
            return Err(Error::usage(format!("expected a scale between 0.1 and 4, got {scale}."))
                .hint("Leave the scale to the quality, or set a number in that range."));
        }
        if let Some(guidance) = self.settings.guidance.filter(|guidance| !(1.0..=30.0).contains(guidance)) {
            return Err(Error::usage(format!("expected guidance between 1 and 30, got {guidance}."))
                .hint("Leave the guidance to the quality, or set a number in that range."));
        }
        self.canvas.check()
    }

    /// Stable hash of this value together with `settled`, whatever the engine resolved (model hash,
    /// steps, guidance …). It is the take's id.
    ///
    /// Fields are hashed in the order they are declared, as JSON; a change of either changes every
    /// id, so it goes with a change of [`Request::VERSION`].
    ///
    /// # Errors
    /// If `settled` cannot be written as JSON.
    pub fn take_id(&self, settled: &impl Serialize) -> Result<TakeId> {
        serde_json::to_vec(&(self, settled))
            .map(|bytes| TakeId::of(&bytes))
            .map_err(|error| crate::Error::usage(format!("the request cannot be written as JSON: {error}.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FrameRate;

    fn request() -> Request {
        let rate = FrameRate::new(24000, 1001).unwrap();
        let plate = PlateId::of(b"plate");
        Request::new(Canvas::around((640, 360), rate, [plate; 3], 5, [plate; 2]))
    }

    #[test]
    fn job_follows_from_what_is_known() {
        let plate = PlateId::of(b"plate");
        let job = |before: usize, after: usize| {
            let rate = FrameRate::new(25, 1).unwrap();
            Request::new(Canvas::around((64, 64), rate, vec![plate; before], 3, vec![plate; after])).job
        };
        assert_eq!(
            [job(1, 1), job(1, 0), job(0, 1), job(0, 0)],
            [Job::Fill, Job::ExtendAfter, Job::ExtendBefore, Job::Generate]
        );
    }

    #[test]
    fn id_is_stable_and_notices_every_field() {
        let base = request();
        let id = base.take_id(&"model").unwrap();
        assert_eq!(
            id.short(),
            GOLDEN_ID,
            "a changed id orphans every take in every project: raise Request::VERSION with it"
        );
        let round: Request = serde_json::from_str(&serde_json::to_string(&base).unwrap()).unwrap();
        assert_eq!(round.take_id(&"model").unwrap(), id);
        let mut others = vec![];
        let mut changed = |change: &dyn Fn(&mut Request)| {
            let mut other = request();
            change(&mut other);
            others.push(other.take_id(&"model").unwrap());
        };
        changed(&|r| r.prompt.push('x'));
        changed(&|r| r.negative_prompt = Some(String::new()));
        changed(&|r| r.settings.seed = 1);
        changed(&|r| r.settings.guidance = Some(2.0));
        changed(&|r| r.canvas.rate = FrameRate::new(24, 1).unwrap());
        changed(&|r| r.canvas.slots.swap(2, 3));
        changed(&|r| r.canvas.slots[0] = Slot::Partial(PlateId::of(b"plate")));
        changed(&|r| r.job = Job::Retake);
        changed(&|r| r.references.push(PlateId::of(b"r")));
        others.push(base.take_id(&"other model").unwrap());
        others.push(id);
        let count = others.len();
        others.sort();
        others.dedup();
        assert_eq!(others.len(), count);
    }

    /// First digits of the id that version 1 gave this request on the day the format was fixed.
    const GOLDEN_ID: &str = "28c96060";

    #[test]
    fn refuses_settings_out_of_range() {
        let with = |steps, guidance| {
            let mut request = request();
            request.settings.steps = steps;
            request.settings.guidance = guidance;
            request.check()
        };
        assert!(with(Some(8), Some(3.0)).is_ok());
        assert!(with(Some(0), None).is_err());
        assert!(with(Some(201), None).is_err());
        assert!(with(None, Some(0.5)).is_err());
        assert!(with(None, Some(f32::NAN)).is_err());
    }
}
