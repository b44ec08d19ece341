//! The whole pipeline from injected noise.

use anyhow::{Result, ensure};
use ndarray::{Array3, Array4, Array5, s};
use pickup_core::{Cancel, Graph};
use pickup_engine::{Prompts, Walk, denoise};
use pickup_families::{Conditioning, ModelCanvas};
use pickup_package::Preset;
use pickup_samplers::Guidance;
use serde::Deserialize;

use crate::component::frames;
use crate::noise::Injected;
use crate::variation::EvenLevels;
use crate::{Model, Run, Variation};

/// One run that diffusers made, and its inputs.
pub struct Case {
    name: String,
    settings: Settings,
    canvas: ModelCanvas,
    noise: Array5<f32>,
    injected: Injected,
    expected: Array4<f32>,
}

#[derive(Deserialize)]
struct Settings {
    steps: u32,
    guidance: f32,
    #[serde(default)]
    guidance_rescale: f32,
    /// Noise levels, where they are listed.
    #[serde(default)]
    sigmas: Option<Vec<f64>>,
    /// Frames per second, where they are an input.
    #[serde(default)]
    rate: Option<f64>,
    /// First frame, the one after the last, and strength, of frames that are not held firmly.
    #[serde(default)]
    strengths: Vec<(usize, usize, f32)>,
    prompt: String,
    negative: String,
}

impl Case {
    /// Reads the golden values of `run` of `model`.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn read(model: &Model, run: &Run) -> Result<Self> {
        let at = |file: &str| format!("pipeline/{}/{file}", run.name);
        let settings: Settings = model.golden_json(&at("case.json"))?;
        Ok(Self {
            name: format!("{} {}", model.subject.family, run.name),
            canvas: canvas(model, &settings, run.name)?,
            noise: model.golden(&at("noise.npy"))?,
            injected: Injected::read(model, run.name)?,
            expected: model.golden(&at("frames.npy"))?,
            settings,
        })
    }

    /// What the case is, in words.
    pub fn title(&self) -> String {
        let (steps, guidance) = (self.settings.steps, self.settings.guidance);
        format!("{}, {steps} steps, guidance {guidance}", self.name)
    }

    /// Runs our pipeline with `variation` and compares the frames with diffusers': the peak
    /// signal-to-noise ratio in dB, for values in 0..1.
    ///
    /// # Errors
    /// If a run fails, or the frames have another shape.
    pub fn psnr(&self, model: &mut Model, variation: Variation) -> Result<f64> {
        let found = self.frames(model, variation)?;
        ensure!(
            found.dim() == self.expected.dim(),
            "expected {:?}, got {:?}",
            self.expected.dim(),
            found.dim()
        );
        let square = |(&a, &b): (&f32, &f32)| (f64::from(a) - f64::from(b)).powi(2);
        let mean = found.iter().zip(&self.expected).map(square).sum::<f64>() / found.len() as f64;
        Ok(-10.0 * mean.log10())
    }

    /// Our frames `(t, h, w, 3)` in 0..1.
    fn frames(&self, model: &mut Model, variation: Variation) -> Result<Array4<f32>> {
        let mut canvas = self.canvas.clone();
        variation.vary_canvas(&mut canvas);
        let conditioning = condition(model, &canvas)?;
        let latent = self.latent(model, &conditioning, variation)?;
        let mut draw = |purpose, _, shape| self.injected.draw(purpose, 0, shape, variation);
        let found = frames(model, &latent, 2, &mut draw)?;
        Ok(found.mapv(|value| (value * 0.5 + 0.5).clamp(0.0, 1.0)))
    }

    fn latent(
        &self,
        model: &mut Model,
        conditioning: &Conditioning,
        variation: Variation,
    ) -> Result<Array5<f32>> {
        let prompts = self.prompts(model, variation)?;
        let mut spec = model.package.manifest().sampler.clone();
        variation.vary_sampler(&mut spec);
        let levels = pickup_families::levels(&spec, &self.preset(variation), self.settings.steps as usize);
        let mut sampler = pickup_families::sampler(&spec, &levels, conditioning)?;
        let Model { family, transformer, .. } = model;
        let mut even = EvenLevels(&mut *transformer);
        let transformer: &mut dyn Graph = match variation {
            Variation::LevelsEven => &mut even,
            _ => even.0,
        };
        let family = family.as_ref();
        let walk = Walk { family, conditioning, prompts: &prompts, cancel: &Cancel::new() };
        let mut draw = |purpose, count, shape| self.injected.draw(purpose, count, shape, variation);
        let mut quiet = |_: usize, _: usize| ();
        let noise = self.noise.clone();
        let latent = denoise(&walk, transformer, sampler.as_mut(), noise, &mut draw, &mut quiet)?;
        Ok(family.finish(latent, conditioning))
    }

    fn preset(&self, variation: Variation) -> Preset {
        let Settings { steps, guidance, guidance_rescale, ref sigmas, .. } = self.settings;
        let sigmas = sigmas.clone().filter(|_| variation != Variation::LevelsUnlisted);
        Preset { steps, guidance, scale: 1.0, guidance_rescale, guidance_interval: None, sigmas }
    }

    fn prompts(&self, model: &mut Model, variation: Variation) -> Result<Prompts> {
        let guided = variation != Variation::GuidanceDropped;
        let negative = if guided { Some(model.embed(&self.settings.negative)?) } else { None };
        let rescaled = variation != Variation::RescaleDropped;
        let guidance = Guidance {
            rescale: if rescaled { self.settings.guidance_rescale } else { 0.0 },
            ..Guidance::of(if guided { self.settings.guidance } else { 1.0 })
        };
        let prompt = if variation == Variation::PromptDropped { "" } else { &self.settings.prompt };
        Ok(Prompts { positive: model.embed(prompt)?, negative, guidance })
    }
}

/// What is known in the run called `name`.
fn canvas(model: &Model, settings: &Settings, name: &str) -> Result<ModelCanvas> {
    let at = |file: &str| format!("pipeline/{name}/{file}");
    let video: Array4<u8> = model.golden(&at("video.npy"))?;
    let mask: Array3<u8> = model.golden(&at("mask.npy"))?;
    let references: Array4<u8> = model.golden(&at("references.npy"))?;
    let signed = |value: u8| f32::from(value) / 255.0 * 2.0 - 1.0;
    let mut mask = mask.mapv(f32::from);
    for &(start, stop, strength) in &settings.strengths {
        mask.slice_mut(s![start..stop, .., ..]).fill(1.0 - strength);
    }
    Ok(ModelCanvas {
        frames: video.mapv(signed),
        mask,
        references: references.outer_iter().map(|picture| picture.mapv(signed)).collect(),
        rate: settings.rate.unwrap_or_else(|| model.package.manifest().frame_rate.native.as_f64()),
    })
}

fn condition(model: &mut Model, canvas: &ModelCanvas) -> Result<Conditioning> {
    // The family is asked while the VAE of the same model is lent out, so it is made once more.
    let family = pickup_families::family(model.package.manifest())?;
    let mut encoder = model.encoder(2);
    Ok(family.condition(canvas, &mut |frames| encoder.encode(frames, &Cancel::new()))?)
}
