//! One run of the model: canvas in, frames out.

use ndarray::{Array3, Array5, Axis, s};
use pickup_core::{Cancel, Error, Phase, Result};
use pickup_families::vae::{Decoder, Encoder};
use pickup_families::{Conditioning, Family, ModelCanvas};
use pickup_package::Package;
use pickup_samplers::{Noise, Stream};

use crate::denoise::{Prompts, denoise};
use crate::graphs::Graphs;
use crate::join::{self, Anchor, Echo};
use crate::plan::{Part, Pass};
use crate::progress::Tracker;
use crate::stage::Stage;

/// Pixels that the VAE takes through one run: one latent frame of Wan at 832×480. Small pictures go
/// several frames at a time.
const VAE_PIXELS: usize = 4 * 832 * 480;
/// Most latent frames of one run of the VAE; each run is a point at which progress is seen.
const VAE_MOST: usize = 8;

/// What all passes of a job share.
pub(crate) struct Work<'a> {
    pub package: &'a Package,
    pub family: &'a dyn Family,
    pub graphs: &'a mut Graphs,
    pub prompts: &'a Prompts,
    pub references: &'a [Array3<f32>],
    pub steps: u32,
    pub seed: u64,
    pub cancel: &'a Cancel,
}

/// What a pass made.
pub(crate) struct Made {
    /// One frame for each part, `(h, w, 3)` in about −1..1: those that were given as they were given,
    /// the others matched to them. Frames of the surplus come too.
    pub frames: Vec<Array3<f32>>,
    /// What the model made of the frames that were given.
    pub echoes: Vec<Echo>,
}

impl Work<'_> {
    /// The frames of `pass`.
    ///
    /// # Errors
    /// If a run fails or is cancelled, or the graphs do not fit each other.
    pub fn run(&mut self, pass: &Pass, stage: &Stage<'_>, tracker: &mut Tracker<'_>) -> Result<Made> {
        let given = stage.given(pass)?;
        let canvas = stage.canvas(&given, self.references.to_vec());
        let conditioning = self.encode(&canvas, tracker)?;
        let noise = self.noise(pass, self.family.latent_shape(&canvas));
        drop(canvas);
        let latent = self.denoise(noise, &conditioning, tracker)?;
        let mut frames = self.decode(&latent, pass.parts.len(), tracker)?;
        tracker.enter(Phase::Join);
        let echoes = join::correct(&mut frames, anchors(pass, given), pass.spacing)?;
        Ok(Made { frames, echoes })
    }

    fn encode(&mut self, canvas: &ModelCanvas, tracker: &mut Tracker<'_>) -> Result<Conditioning> {
        let chunk = self.chunk(canvas.frames.dim().1 * canvas.frames.dim().2);
        let temporal = self.package.manifest().latent.temporal;
        let Self { graphs, cancel, family, .. } = self;
        let (mut runs, all) = (0, family.encodings(canvas));
        family.condition(canvas, &mut |frames| {
            let (first, next) = (graphs.enc_first.as_mut(), graphs.enc_next.as_mut());
            let latent = Encoder { first, next, temporal, chunk }.encode(frames, cancel);
            runs += 1;
            tracker.step(runs, all);
            latent
        })
    }

    fn denoise(
        &mut self,
        noise: Array5<f32>,
        conditioning: &Conditioning,
        tracker: &mut Tracker<'_>,
    ) -> Result<Array5<f32>> {
        let mut sampler = pickup_families::sampler(self.package.manifest(), self.steps as usize)?;
        tracker.enter(Phase::Denoise);
        let latent = denoise(
            self.family,
            self.graphs.transformer.as_mut(),
            sampler.as_mut(),
            noise,
            conditioning,
            self.prompts,
            self.cancel,
            &mut |done, steps| tracker.step(done, steps),
        )?;
        Ok(self.family.finish(latent, conditioning))
    }

    fn decode(
        &mut self,
        latent: &Array5<f32>,
        count: usize,
        tracker: &mut Tracker<'_>,
    ) -> Result<Vec<Array3<f32>>> {
        tracker.enter(Phase::Decode);
        let spatial = self.package.manifest().latent.spatial;
        let pixels = latent.len_of(Axis(3)) * latent.len_of(Axis(4)) * spatial * spatial;
        let chunk = self.chunk(pixels);
        let (first, next) = (self.graphs.dec_first.as_mut(), self.graphs.dec_next.as_mut());
        let mut frames = Vec::with_capacity(count);
        let mut keep = |_: usize, some: ndarray::Array4<f32>| {
            frames.extend(some.outer_iter().map(|frame| frame.to_owned()));
            tracker.step(frames.len().min(count), count);
            Ok(())
        };
        Decoder { first, next, chunk }.decode(latent.view(), &mut keep, self.cancel)?;
        if frames.len() != count {
            return Err(Error::model(format!("the VAE should give {count} frames, got {}.", frames.len())));
        }
        Ok(frames)
    }

    /// Latent frames per run of the VAE, for pictures of `pixels`.
    fn chunk(&self, pixels: usize) -> usize {
        let per_latent = self.package.manifest().latent.temporal * pixels.max(1);
        (VAE_PIXELS / per_latent).clamp(1, VAE_MOST)
    }

    /// The noise that this seed means for `pass`: a window at the timeline's rate gets what the whole
    /// canvas would have there, coarse passes and references have their own.
    fn noise(&self, pass: &Pass, shape: [usize; 5]) -> Array5<f32> {
        let temporal = self.package.manifest().latent.temporal;
        let references = self.references.len();
        let first = pass.parts.iter().find_map(|part| part.frame()).unwrap_or(0);
        let (stream, first) = match pass.spacing {
            1 => (Stream::Clip, first / temporal),
            // Levels of different spacing must not share noise: canvases end far below 2^16 frames.
            spacing => (Stream::Coarse, (spacing << 16) + first / (spacing * temporal)),
        };
        let [batch, channels, frames, height, width] = shape;
        let part = |frames| [batch, channels, frames, height, width];
        let own = Noise::new(self.seed, Stream::Reference).latent(part(references), 0);
        let clip = Noise::new(self.seed, stream).latent(part(frames - references), first as i32);
        let mut noise = Array5::zeros(shape);
        noise.slice_mut(s![.., .., ..references, .., ..]).assign(&own);
        noise.slice_mut(s![.., .., references.., .., ..]).assign(&clip);
        noise
    }
}

/// The frames of `pass` whose look is settled: known ones, and those that an earlier pass delivered.
fn anchors(pass: &Pass, given: Vec<Option<Array3<f32>>>) -> Vec<Anchor> {
    let settled = |part: &Part| match *part {
        Part::Known(_) => true,
        Part::Guide(frame) => !pass.delivers.contains(&frame),
        Part::Make(_) | Part::Surplus => false,
    };
    let given = given.into_iter().zip(&pass.parts).enumerate();
    given
        .filter(|(_, (_, part))| settled(part))
        .filter_map(|(part, (truth, _))| Some(Anchor { part, truth: truth? }))
        .collect()
}
