//! From a plan and the footage to the one request that is sent.

use pickup_core::{Canvas, Error, FrameRate, Job, PlateId, Request, Result, Settings};
use pickup_takes::{PlateBuffer, Store};

use crate::clips::Plates;
use crate::params::Values;
use crate::references;
use crate::span::Plan;

/// What a canvas needs besides frames.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    /// The timeline's rate.
    pub rate: FrameRate,
    /// Width and height for a canvas without known frames.
    pub size: Option<(u32, u32)>,
}

/// Puts the known frames and references into the store and builds the request.
///
/// # Errors
/// Of kind input if frames differ in size or there is no size, of kind storage if plates cannot be written.
pub fn build(
    values: &Values,
    plan: &Plan,
    footage: &mut dyn Plates,
    timeline: Timeline,
    store: &Store,
) -> Result<Request> {
    let mut size = None;
    let mut known = |frames: &[i64], footage: &mut dyn Plates| -> Result<Vec<PlateId>> {
        frames
            .iter()
            .map(|frame| {
                let plate = footage.plate(*frame)?;
                agree(&mut size, &plate, *frame)?;
                store.put_plate(&plate.image())
            })
            .collect()
    };
    let before = known(&plan.before, footage)?;
    let after = known(&plan.after, footage)?;
    let size = size.or(timeline.size).ok_or_else(no_size)?;
    let unknown = usize::try_from(plan.span.count()).unwrap_or(0);
    let mut request = Request::new(Canvas::around(size, timeline.rate, before, unknown, after));
    request.job = if plan.job == Job::Generate { Job::Generate } else { request.job };
    request.references = references::gather(store, &values.references)?;
    request.prompt = values.prompt.clone();
    request.negative_prompt = Some(values.negative_prompt.clone()).filter(|text| !text.trim().is_empty());
    request.model = values.model.clone();
    request.settings = Settings {
        steps: values.steps,
        guidance: values.guidance,
        seed: values.seed,
        quality: values.quality,
    };
    request.check()?;
    Ok(request)
}

fn agree(size: &mut Option<(u32, u32)>, plate: &PlateBuffer, frame: i64) -> Result<()> {
    let (width, height) = *size.get_or_insert((plate.width, plate.height));
    if (width, height) != (plate.width, plate.height) {
        return Err(Error::input(format!(
            "expected all known frames at {width}×{height}, got {}×{} for frame {frame}.",
            plate.width, plate.height
        ))
        .hint("Bring both shots to one size before Pickup."));
    }
    Ok(())
}

fn no_size() -> Error {
    Error::input("the host does not say how large the picture is.")
        .hint("Set the project's size, or use Pickup on a clip.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::History;
    use crate::params::OnRender;
    use crate::span::{FrameSpan, JobChoice, settle};
    use half::f16;
    use pickup_core::{Quality, Slot};

    fn values() -> Values {
        Values {
            prompt: "a boat".into(),
            negative_prompt: " ".into(),
            model: "starter".into(),
            job: JobChoice::Auto,
            span: Some(FrameSpan { first: 2, last: 4 }),
            context_frames: 2,
            references: vec![],
            quality: Quality::Draft,
            steps: Some(4),
            guidance: None,
            seed: 9,
            on_render: OnRender::UseTake,
        }
    }

    fn shown(sizes: &[(i64, u32)]) -> History {
        let mut history = History::default();
        for (frame, width) in sizes {
            let pixels = vec![f16::from_f32(*frame as f32 / 10.0); *width as usize * 16 * 4];
            history.show(*frame, PlateBuffer { width: *width, height: 16, pixels }, 64);
        }
        history
    }

    #[test]
    fn a_fill_is_known_unknown_known_with_everything_the_user_set() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(folder.path())).unwrap();
        let mut footage = shown(&[(0, 32), (1, 32), (5, 32), (6, 32)]);
        let plan = settle(&values().wish(), &mut footage, 0).unwrap();
        let timeline = Timeline { rate: FrameRate::new(25, 1).unwrap(), size: None };
        let request = build(&values(), &plan, &mut footage, timeline, &store).unwrap();
        let known: Vec<bool> =
            request.canvas.slots.iter().map(|slot| matches!(slot, Slot::Known(_))).collect();
        assert_eq!(known, [true, true, false, false, false, true, true]);
        assert_eq!((request.canvas.width, request.canvas.height), (32, 16));
        assert_eq!((request.settings.seed, request.settings.steps), (9, Some(4)));
        assert_eq!(request.negative_prompt, None, "blank means the package's default");
        assert_eq!(request.job, Job::Fill);
    }

    #[test]
    fn frames_of_two_sizes_are_refused_and_a_generator_needs_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(folder.path())).unwrap();
        let timeline = Timeline { rate: FrameRate::new(25, 1).unwrap(), size: None };
        let mut footage = shown(&[(0, 32), (1, 32), (5, 48)]);
        let plan = settle(&values().wish(), &mut footage, 0).unwrap();
        let error = build(&values(), &plan, &mut footage, timeline, &store).unwrap_err();
        assert!(error.message.contains("48×16"), "{error}");

        let plan =
            Plan { job: Job::Generate, span: FrameSpan { first: 0, last: 3 }, before: vec![], after: vec![] };
        assert!(build(&values(), &plan, &mut footage, timeline, &store).is_err());
        let timeline = Timeline { size: Some((64, 48)), ..timeline };
        let request = build(&values(), &plan, &mut footage, timeline, &store).unwrap();
        assert_eq!((request.job, request.canvas.unknown_count()), (Job::Generate, 4));
    }
}
