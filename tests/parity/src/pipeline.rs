//! The whole pipeline from injected noise.

use anyhow::{Result, ensure};
use ndarray::{Array3, Array4, Array5};
use pickup_core::{Cancel, Graph};
use pickup_engine::{Prompts, denoise};
use pickup_families::{Conditioning, ModelCanvas};
use serde::Deserialize;

use crate::component::frames;
use crate::variation::EvenLevels;
use crate::{Model, Run, Variation};

/// One run that diffusers made, and its inputs.
pub struct Case {
    name: String,
    settings: Settings,
    canvas: ModelCanvas,
    noise: Array5<f32>,
    expected: Array4<f32>,
}

#[derive(Deserialize)]
struct Settings {
    steps: usize,
    guidance: f32,
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
        let video: Array4<u8> = model.golden(&at("video.npy"))?;
        let mask: Array3<u8> = model.golden(&at("mask.npy"))?;
        let references: Array4<u8> = model.golden(&at("references.npy"))?;
        let signed = |value: u8| f32::from(value) / 255.0 * 2.0 - 1.0;
        let canvas = ModelCanvas {
            frames: video.mapv(signed),
            mask: mask.mapv(f32::from),
            references: references.outer_iter().map(|picture| picture.mapv(signed)).collect(),
        };
        Ok(Self {
            name: format!("{} {}", model.subject.family, run.name),
            settings: model.golden_json(&at("case.json"))?,
            canvas,
            noise: model.golden(&at("noise.npy"))?,
            expected: model.golden(&at("frames.npy"))?,
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
        let prompts = self.prompts(model, variation)?;
        let mut manifest = model.package.manifest().clone();
        variation.vary_sampler(&mut manifest.sampler);
        let mut sampler = pickup_families::sampler(&manifest, self.settings.steps)?;
        let noise = self.noise.clone();
        let Model { family, transformer, .. } = &mut *model;
        let mut even = EvenLevels(&mut *transformer);
        let transformer: &mut dyn Graph = match variation {
            Variation::LevelsEven => &mut even,
            _ => even.0,
        };
        let (cancel, mut progress) = (Cancel::new(), |_: usize, _: usize| ());
        let latent = denoise(
            family.as_ref(),
            transformer,
            sampler.as_mut(),
            noise,
            &conditioning,
            &prompts,
            &cancel,
            &mut progress,
        )?;
        let latent = model.family.finish(latent, &conditioning);
        Ok(frames(model, &latent, 2)?.mapv(|value| (value * 0.5 + 0.5).clamp(0.0, 1.0)))
    }

    fn prompts(&self, model: &mut Model, variation: Variation) -> Result<Prompts> {
        let guided = variation != Variation::GuidanceDropped;
        let negative = if guided { Some(model.embed(&self.settings.negative)?) } else { None };
        let guidance = if guided { self.settings.guidance } else { 1.0 };
        let prompt = if variation == Variation::PromptDropped { "" } else { &self.settings.prompt };
        Ok(Prompts { positive: model.embed(prompt)?, negative, guidance })
    }
}

fn condition(model: &mut Model, canvas: &ModelCanvas) -> Result<Conditioning> {
    // The family is asked while the VAE of the same model is lent out, so it is made once more.
    let family = pickup_families::family(model.package.manifest())?;
    let mut vae = model.vae(2);
    Ok(family.condition(canvas, &mut |frames| vae.encode(frames, &Cancel::new()))?)
}
