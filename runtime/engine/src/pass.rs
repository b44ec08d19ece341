//! One run of the model: canvas in, frames out.

use ndarray::{Array3, Array5};
use pickup_core::{Error, MemoryPlan, Phase, Result};
use pickup_families::vae::tiles::Tiles;
use pickup_families::vae::{Decoder, Encoder};
use pickup_families::{Conditioning, Family, ModelCanvas};
use pickup_package::{LatentSpec, Manifest};
use pickup_samplers::Levels;

use crate::denoise::{Prompts, Walk, denoise};
use crate::graphs::{Graphs, Opener};
use crate::join::{self, Anchor, Echo};
use crate::noise::Noises;
use crate::plan::memory::chunk;
use crate::plan::{Part, Pass};
use crate::progress::Tracker;
use crate::stage::{Given, Stage};

/// What all passes of a job share.
pub(crate) struct Work<'a> {
    pub opener: Opener<'a>,
    pub family: &'a dyn Family,
    pub graphs: &'a mut Graphs,
    /// What is open when.
    pub memory: &'a MemoryPlan,
    pub prompts: &'a Prompts,
    pub references: &'a [Array3<f32>],
    /// The noise levels of every pass.
    pub levels: &'a Levels,
    pub seed: u64,
    /// Height and width of the latent grid whose noise a smaller one shares.
    pub noise_grid: [usize; 2],
}

/// What a pass made.
pub(crate) struct Made {
    /// One frame for each part, `(h, w, 3)` in about −1..1: those that were given as they were given,
    /// the others matched to them. Frames of the surplus come too.
    pub frames: Vec<Array3<f32>>,
    /// What the model made of the frames that were given.
    pub echoes: Vec<Echo>,
}

impl<'a> Work<'a> {
    /// The frames of `pass`.
    ///
    /// # Errors
    /// If a run fails or is cancelled, or the graphs do not fit each other.
    pub fn run(&mut self, pass: &Pass, stage: &Stage<'_>, tracker: &mut Tracker<'_>) -> Result<Made> {
        let given = stage.given(pass)?;
        let canvas = stage.canvas(&given, pass.spacing, self.references.to_vec());
        let conditioning = self.encode(&canvas, tracker)?;
        let noises = Noises::new(self.seed, pass, self.manifest().latent.temporal, self.noise_grid);
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
        let temporal = self.manifest().latent.temporal;
        let chunk = chunk(canvas.frames.dim().1 * canvas.frames.dim().2, temporal);
        let Self { graphs, opener, family, .. } = self;
        let (mut runs, all) = (0, family.encodings(canvas));
        let conditioning = family.condition(canvas, &mut |frames| {
            let network = tracker.loading(Phase::Encode, || graphs.encoder(*opener))?;
            let mut encoder = Encoder { graphs: network.stepped(), temporal, chunk };
            let latent = encoder.encode(frames, opener.cancel);
            runs += 1;
            tracker.step(runs, all);
            latent
        });
        self.end_phase(tracker);
        conditioning
    }

    fn end_phase(&mut self, tracker: &mut Tracker<'_>) {
        if !self.memory.is_small() {
            self.opener.source.give_back();
        }
        tracker.note_idle();
        if self.memory.in_turn {
            self.graphs.close();
            self.opener.source.give_back();
        }
    }

    fn manifest(&self) -> &'a Manifest {
        self.opener.package.manifest()
    }

    fn denoise(
        &mut self,
        noise: Array5<f32>,
        noises: &Noises,
        conditioning: &Conditioning,
        tracker: &mut Tracker<'_>,
    ) -> Result<Array5<f32>> {
        let spec = &self.manifest().sampler;
        let mut sampler = pickup_families::sampler(spec, self.levels, conditioning)?;
        let Self { family, prompts, opener, .. } = *self;
        let transformer = tracker.loading(Phase::Denoise, || self.graphs.transformer(opener))?;
        let latent = denoise(
            &Walk { family, conditioning, prompts, cancel: opener.cancel },
            transformer,
            sampler.as_mut(),
            noise,
            &mut |purpose, count, shape| noises.drawn(purpose, count, shape),
            &mut |done, steps| tracker.step(done, steps),
        )?;
        self.end_phase(tracker);
        Ok(family.finish(latent, conditioning))
    }

    fn decode(
        &mut self,
        latent: &Array5<f32>,
        noises: &Noises,
        count: usize,
        tracker: &mut Tracker<'_>,
    ) -> Result<Vec<Array3<f32>>> {
        let (_, channels, latents, height, width) = latent.dim();
        let LatentSpec { spatial, temporal, .. } = self.manifest().latent;
        let tiles = self.memory.tile.map(|side| Tiles::of(side as usize / spatial));
        let side = |latents: usize| tiles.map_or(latents, |tiles| latents.min(tiles.side())) * spatial;
        let chunk = chunk(side(height) * side(width), temporal);
        let mut draw = |purpose, count, shape| noises.drawn(purpose, count, shape);
        let inputs = self.family.decoder_inputs([1, channels, latents, height, width], &mut draw);
        let inputs = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        let opener = self.opener;
        let graphs = tracker.loading(Phase::Decode, || self.graphs.decoder(opener))?;
        let (mid, last) = graphs.stages();
        let mut frames = Vec::with_capacity(count);
        let shared = std::cell::RefCell::new(&mut *tracker);
        let mut keep = |_: usize, some: ndarray::Array4<f32>| {
            frames.extend(some.outer_iter().map(|frame| frame.to_owned()));
            if tiles.is_none() {
                shared.borrow_mut().step(frames.len().min(count), count);
            }
            Ok(())
        };
        let mut on_tile = |done, all| shared.borrow_mut().step(done, all);
        Decoder { mid, last, inputs, chunk, tiles }.decode(
            latent.view(),
            &mut keep,
            &mut on_tile,
            opener.cancel,
        )?;
        self.end_phase(tracker);
        if frames.len() != count {
            return Err(Error::model(format!("the VAE should give {count} frames, got {}.", frames.len())));
        }
        Ok(frames)
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
