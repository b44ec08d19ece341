//! How a request will be done: at what size, in which windows, with how many steps.

mod align;
pub(crate) mod memory;
mod range;
mod size;
mod windows;

pub use memory::{Load, Loads, Room};
pub(crate) use range::LEAST_CONTEXT;
pub use size::model_size;
pub use windows::{Part, Pass, Rule, schedule};

use pickup_core::{Quality, Request, Result, Slot};
use pickup_package::Manifest;
use pickup_samplers::{Guidance, Levels};

use crate::abilities;

/// How a request will be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Width at which the model works, in pixels.
    pub width: u32,
    /// Height at which the model works, in pixels.
    pub height: u32,
    /// Width and height at which a Final of the same works, in pixels: where that is larger its noise is shared.
    pub final_size: (u32, u32),
    /// What the model makes in each run, in order.
    pub passes: Vec<Pass>,
    /// Denoising steps of each pass.
    pub steps: u32,
    /// The noise levels of those steps.
    pub levels: Levels,
    /// How the steps are guided.
    pub guidance: Guidance,
    /// What should not be seen.
    pub negative_prompt: String,
    /// What the longest pass gives each component.
    pub loads: Loads,
    /// Latent values that go through the transformer, all steps and passes together: what the time
    /// of a run is proportional to, roughly.
    pub work: f64,
}

impl Plan {
    /// Plans `request` for the model that `manifest` describes. Time is never resampled: the model
    /// makes frame for frame what the timeline asks for, whatever its own rate.
    ///
    /// # Errors
    /// If the model cannot do it: no size fits, or it cannot be conditioned on what is known.
    pub fn new(request: &Request, manifest: &Manifest) -> Result<Self> {
        let canvas = &request.canvas;
        let known: Vec<bool> = canvas.slots.iter().map(Slot::is_known).collect();
        let (lead, alone) = (abilities::lead(manifest), usize::from(manifest.held.is_some()));
        let rule = Rule { lead, alone, ..Rule::of(&manifest.limits)? };
        let passes = schedule(&known, &rule);
        abilities::check(request, &passes, manifest)?;
        let continues = canvas.slots.iter().any(|slot| *slot != Slot::Unknown);
        let preset = manifest.presets.of(request.settings.quality, continues);
        let scale = request.settings.scale.unwrap_or(preset.scale);
        let size = |scale| model_size(canvas.width, canvas.height, scale, &manifest.limits);
        let (width, height) = size(scale)?;
        let final_size = size(manifest.presets.of(Quality::Final, continues).scale)?;
        let steps = request.settings.steps.unwrap_or(preset.steps);
        let guidance = Guidance {
            scale: request.settings.guidance.unwrap_or(preset.guidance),
            rescale: preset.guidance_rescale,
            interval: preset.guidance_interval.unwrap_or([0.0, 1.0]),
        };
        let default_negative = || manifest.guidance_default_negative.clone();
        let mut plan = Self {
            width,
            height,
            final_size,
            passes,
            steps,
            levels: pickup_families::levels(&manifest.sampler, preset, steps as usize),
            guidance,
            negative_prompt: request.negative_prompt.clone().unwrap_or_else(default_negative),
            loads: Loads::default(),
            work: 0.0,
        };
        let references = request.references.len();
        plan.work = plan.passes.iter().map(|pass| plan.pass_work(pass, references, manifest)).sum();
        plan.loads = memory::loads(&plan, (canvas.width, canvas.height), references, manifest);
        Ok(plan)
    }

    /// The size whose noise is shared, where that is not this plan's own.
    pub fn shared_noise(&self) -> Option<(u32, u32)> {
        let (width, height) = self.final_size;
        let smaller = self.width <= width && self.height <= height;
        Some(self.final_size).filter(|_| smaller && (self.width, self.height) != (width, height))
    }

    /// Height and width of the latent of a Final, `spatial` pixels of which are one of its numbers.
    pub fn noise_grid(&self, spatial: usize) -> [usize; 2] {
        let (width, height) = self.final_size;
        [height, width].map(|side| side as usize / spatial)
    }

    /// Whether the transformer runs twice in any step.
    pub fn is_guided(&self) -> bool {
        self.guidance.is_used(self.steps as usize)
    }

    /// What the text encoder is to read: the prompt, and the negative one where there is guidance.
    pub fn texts<'a>(&'a self, request: &'a Request) -> Vec<&'a str> {
        let negative = self.is_guided().then_some(self.negative_prompt.as_str());
        std::iter::once(request.prompt.as_str()).chain(negative).collect()
    }

    /// Frames of each pass.
    pub fn windows(&self) -> Vec<u32> {
        self.passes.iter().map(|pass| pass.parts.len() as u32).collect()
    }

    /// Latent values that go through the transformer in one pass.
    pub fn pass_work(&self, pass: &Pass, references: usize, manifest: &Manifest) -> f64 {
        let steps = self.steps as usize;
        let guided = (0..steps).filter(|&step| self.guidance.is_guided(step, steps)).count();
        self.latents(pass, references, manifest) as f64 * (steps + guided) as f64
    }

    /// Positions of the latent grid in one pass, references and frames held beside the clip included.
    fn latents(&self, pass: &Pass, references: usize, manifest: &Manifest) -> usize {
        let latent = &manifest.latent;
        let beside = if manifest.held.is_some() { held_beside(pass) } else { 0 };
        let frames = pass.parts.len().div_ceil(latent.temporal) + references + beside;
        frames * (self.width as usize / latent.spatial) * (self.height as usize / latent.spatial)
    }
}

/// Latent frames that a model holds beside the clip: two for each run of known frames after the first, one for
/// a single frame.
fn held_beside(pass: &Pass) -> usize {
    let given = |part: &Part| matches!(part, Part::Known(_) | Part::Guide(_));
    let runs = pass.parts.chunk_by(|a, b| given(a) == given(b));
    let later = runs.skip(1).filter(|run| run.first().is_some_and(given));
    later.map(|run| run.len().min(2)).sum()
}
