//! One run of the model: canvas in, frames out.

use ndarray::{Array3, Array5, Axis, s};
use pickup_core::{Cancel, Error, Phase, Result};
use pickup_families::vae::{Decoder, Encoder};
use pickup_families::{Conditioning, Family, ModelCanvas, Purpose};
use pickup_package::Package;
use pickup_samplers::{Levels, Noise, Stream};

use crate::denoise::{Prompts, Walk, denoise};
use crate::graphs::{self, Graphs};
use crate::join::{self, Anchor, Echo};
use crate::plan::{Part, Pass};
use crate::progress::Tracker;
use crate::stage::{Given, Stage};

/// Pixels that the VAE takes through one run: one latent frame of Wan at 480×272, for which the decoder of Wan's
/// full VAE held about 3 GB on a processor. Small pictures go several frames at a time.
const VAE_PIXELS: usize = 4 * 480 * 272;
/// Most latent frames of one run of the VAE; each run is a point at which progress is seen.
const VAE_MOST: usize = 8;

/// What all passes of a job share.
pub(crate) struct Work<'a> {
    pub package: &'a Package,
    pub family: &'a dyn Family,
    pub graphs: &'a mut Graphs,
    pub prompts: &'a Prompts,
    pub references: &'a [Array3<f32>],
    /// The noise levels of every pass.
    pub levels: &'a Levels,
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
        let canvas = stage.canvas(&given, pass.spacing, self.references.to_vec());
        let conditioning = self.encode(&canvas, tracker)?;
        let noises = Noises::new(self.seed, pass, self.package.manifest().latent.temporal);
        let noise = noises.walked(self.family.latent_shape(&canvas), conditioning.references);
        drop(canvas);
        let latent = self.denoise(noise, &noises, &conditioning, tracker)?;
        let mut frames = self.decode(&latent, &noises, pass.parts.len(), tracker)?;
        tracker.enter(Phase::Join);
        let (anchors, parts) = settled(pass, given);
        let echoes = join::correct(&mut frames, anchors, pass.spacing)?;
        parts.iter().try_for_each(|(part, given)| join::correct_part(&mut frames[*part], given))?;
        Ok(Made { frames, echoes })
    }

    fn encode(&mut self, canvas: &ModelCanvas, tracker: &mut Tracker<'_>) -> Result<Conditioning> {
        let chunk = self.chunk(canvas.frames.dim().1 * canvas.frames.dim().2);
        let temporal = self.package.manifest().latent.temporal;
        let Self { graphs, cancel, family, .. } = self;
        let (mut runs, all) = (0, family.encodings(canvas));
        family.condition(canvas, &mut |frames| {
            let (first, next) = (graphs.enc_first.as_mut(), graphs::lent(&mut graphs.enc_next));
            let latent = Encoder { first, next, temporal, chunk }.encode(frames, cancel);
            runs += 1;
            tracker.step(runs, all);
            latent
        })
    }

    fn denoise(
        &mut self,
        noise: Array5<f32>,
        noises: &Noises,
        conditioning: &Conditioning,
        tracker: &mut Tracker<'_>,
    ) -> Result<Array5<f32>> {
        let spec = &self.package.manifest().sampler;
        let mut sampler = pickup_families::sampler(spec, self.levels, conditioning)?;
        tracker.enter(Phase::Denoise);
        let Self { family, prompts, cancel, .. } = *self;
        let latent = denoise(
            &Walk { family, conditioning, prompts, cancel },
            self.graphs.transformer.as_mut(),
            sampler.as_mut(),
            noise,
            &mut |purpose, count, shape| noises.drawn(purpose, count, shape),
            &mut |done, steps| tracker.step(done, steps),
        )?;
        Ok(family.finish(latent, conditioning))
    }

    fn decode(
        &mut self,
        latent: &Array5<f32>,
        noises: &Noises,
        count: usize,
        tracker: &mut Tracker<'_>,
    ) -> Result<Vec<Array3<f32>>> {
        tracker.enter(Phase::Decode);
        let spatial = self.package.manifest().latent.spatial;
        let pixels = latent.len_of(Axis(3)) * latent.len_of(Axis(4)) * spatial * spatial;
        let chunk = self.chunk(pixels);
        let Graphs { dec_first, dec_next, .. } = &mut *self.graphs;
        let (first, next) = (dec_first.as_mut(), graphs::lent(dec_next));
        let (_, channels, latents, height, width) = latent.dim();
        let mut draw = |purpose, count, shape| noises.drawn(purpose, count, shape);
        self.family.bind_decoder(first, [1, channels, latents, height, width], &mut draw)?;
        let mut frames = Vec::with_capacity(count);
        let mut keep = |_: usize, some: ndarray::Array4<f32>| {
            frames.extend(some.outer_iter().map(|frame| frame.to_owned()));
            tracker.step(frames.len().min(count), count);
            Ok(())
        };
        Decoder { first, next, chunk }.decode(latent.view(), &mut keep, self.cancel)?;
        self.graphs.dec_first.unbind();
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
}

/// The noises that a seed means for one pass.
struct Noises {
    seed: u64,
    /// The pass's first latent frame on the canvas, in its own latent frames.
    first: usize,
    spacing: usize,
}

impl Noises {
    fn new(seed: u64, pass: &Pass, temporal: usize) -> Self {
        let first = pass.parts.iter().find_map(|part| part.frame()).unwrap_or(0);
        Self { seed, first: first / (pass.spacing * temporal), spacing: pass.spacing }
    }

    /// The noise that is walked, of which the first `references` frames are not of the clip. A window at the
    /// timeline's rate gets what the whole canvas would have there, coarse passes and references have
    /// their own.
    fn walked(&self, shape: [usize; 5], references: usize) -> Array5<f32> {
        let (stream, first) = match self.spacing {
            1 => (Stream::Clip, self.first),
            // Levels of different spacing must not share noise: canvases end far below 2^16 frames.
            spacing => (Stream::Coarse, (spacing << 16) + self.first),
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

    /// The noise that a family asks for besides. Each count of each pass has its own: a canvas has fewer than
    /// 2^12 latent frames and a walk fewer than 2^10 steps.
    fn drawn(&self, purpose: Purpose, count: usize, shape: [usize; 5]) -> Array5<f32> {
        let stream = match purpose {
            Purpose::Encoding => Stream::Encoding,
            Purpose::Step => Stream::Step,
            Purpose::Decoding => Stream::Decoding,
        };
        let place = (((self.spacing << 10) + count) << 12) + self.first;
        Noise::new(self.seed, stream).latent(shape, place as i32)
    }
}

/// The frames of `pass` whose look is settled, known ones and those that an earlier pass delivered, and beside
/// them those of which a part is.
fn settled(pass: &Pass, given: Vec<Option<Given>>) -> (Vec<Anchor>, Vec<(usize, Given)>) {
    let (mut anchors, mut parts) = (Vec::new(), Vec::new());
    for (index, (given, part)) in given.into_iter().zip(&pass.parts).enumerate() {
        match (*part, given) {
            (Part::Known(_), Some(given)) => anchors.push(Anchor { part: index, truth: given.picture }),
            (Part::Guide(frame), Some(given)) if !pass.delivers.contains(&frame) => {
                anchors.push(Anchor { part: index, truth: given.picture });
            }
            (_, Some(given)) if given.known.is_some() => parts.push((index, given)),
            _ => {}
        }
    }
    (anchors, parts)
}
