//! The whole pipeline from injected noise.

use anyhow::{Result, ensure};
use ndarray::{Array3, Array4, Array5};
use pickup_core::Cancel;
use pickup_engine::{Prompts, Walk, denoise};
use pickup_families::{Conditioning, ModelCanvas};
use pickup_samplers::{Guidance, Levels};
use serde::Deserialize;

use crate::component::frames;
use crate::{Model, golden};

/// Something that is done otherwise than diffusers does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variation {
    /// Nothing: our pipeline as it is.
    None,
    /// Known and unknown change places.
    MaskInverted,
    /// The negative prompt is left out.
    GuidanceDropped,
    /// References come in the opposite order.
    ReferencesReversed,
    /// A sampler of the first order.
    FirstOrder,
}

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
    /// Names of all cases: a gap filled in 20 steps with one reference and half known frames; a shot
    /// extended in 8 steps with two references.
    pub const ALL: [&str; 2] = ["fill", "extend"];

    /// Reads the case called `name`.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn read(name: &str) -> Result<Self> {
        let at = |file: &str| format!("pipeline/{name}/{file}");
        let video: Array4<u8> = golden::array(&at("video.npy"))?;
        let mask: Array3<u8> = golden::array(&at("mask.npy"))?;
        let references: Array4<u8> = golden::array(&at("references.npy"))?;
        let signed = |value: u8| f32::from(value) / 255.0 * 2.0 - 1.0;
        let canvas = ModelCanvas {
            frames: video.mapv(signed),
            mask: mask.mapv(f32::from),
            references: references.outer_iter().map(|picture| picture.mapv(signed)).collect(),
            rate: 16.0,
        };
        Ok(Self {
            name: name.to_owned(),
            settings: golden::json(&at("case.json"))?,
            canvas,
            noise: golden::array(&at("noise.npy"))?,
            expected: golden::array(&at("frames.npy"))?,
        })
    }

    /// What the case is, in words.
    pub fn title(&self) -> String {
        let (steps, guidance) = (self.settings.steps, self.settings.guidance);
        format!("{}, {steps} steps, guidance {guidance}", self.name)
    }

    /// How many references the case has.
    pub fn references(&self) -> usize {
        self.canvas.references.len()
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
        let canvas = self.canvas(variation);
        let conditioning = condition(model, &canvas)?;
        let prompts = self.prompts(model, variation)?;
        let mut manifest = model.package.manifest().clone();
        if variation == Variation::FirstOrder {
            manifest.sampler.order = 1;
        }
        let levels = Levels::Shifted { steps: self.settings.steps, shift: manifest.sampler.shift };
        let mut sampler = pickup_families::sampler(&manifest.sampler, &levels, &conditioning)?;
        let noise = self.noise.clone();
        let Model { family, transformer, .. } = &mut *model;
        let family = family.as_ref();
        let walk = Walk { family, conditioning: &conditioning, prompts: &prompts, cancel: &Cancel::new() };
        let mut none = |_, _, shape: [usize; 5]| Array5::zeros(shape);
        let latent =
            denoise(&walk, transformer, sampler.as_mut(), noise, &mut none, &mut |_: usize, _: usize| ())?;
        let latent = model.family.finish(latent, &conditioning);
        Ok(frames(model, &latent, 2)?.mapv(|value| (value * 0.5 + 0.5).clamp(0.0, 1.0)))
    }

    fn canvas(&self, variation: Variation) -> ModelCanvas {
        let mut canvas = self.canvas.clone();
        match variation {
            Variation::MaskInverted => canvas.mask.mapv_inplace(|mask| 1.0 - mask),
            Variation::ReferencesReversed => canvas.references.reverse(),
            Variation::None | Variation::GuidanceDropped | Variation::FirstOrder => {}
        }
        canvas
    }

    fn prompts(&self, model: &mut Model, variation: Variation) -> Result<Prompts> {
        let guided = variation != Variation::GuidanceDropped;
        let negative = if guided { Some(model.embed(&self.settings.negative)?) } else { None };
        let guidance = if guided { self.settings.guidance } else { 1.0 };
        let guidance = Guidance::of(guidance);
        Ok(Prompts { positive: model.embed(&self.settings.prompt)?, negative, guidance })
    }
}

fn condition(model: &mut Model, canvas: &ModelCanvas) -> Result<Conditioning> {
    // The family is asked while the VAE of the same model is lent out, so it is made once more.
    let family = pickup_families::family(model.package.manifest())?;
    let mut vae = model.vae(2);
    Ok(family.condition(canvas, &mut |frames| vae.encode(frames, &Cancel::new()))?)
}
