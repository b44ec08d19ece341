//! How much memory a plan takes, and what is open when.
//!
//! A network holds its weights, and more for each number that it is given; how much is measured with the package
//! (`memory` in its manifest). What the engine holds besides is pictures, which are counted here.

use pickup_core::{Error, MemoryPlan, PhaseBytes, Result};
use pickup_families::vae::tiles::Tiles;
use pickup_package::{Demand, Demands, Dtype, Manifest};

use super::{Part, Pass, Plan};

/// Pixels that the VAE takes through one run: one latent frame of Wan at 480×272, for which the decoder of Wan's
/// full VAE held about 3 GB on a processor. Small pictures go several frames at a time.
const VAE_PIXELS: usize = 4 * 480 * 272;
/// Most latent frames of one run of the VAE; each run is a point at which progress is seen.
const VAE_MOST: usize = 8;
/// Share of the room that a model which stays open between jobs may take. The host has its frames there, too. Opening a
/// large component again costs a second on a processor, where its weights are mapped, and several on a GPU.
const STAYS: f64 = 0.25;
/// The same in bytes, where nobody knows the room, as of a GPU that is not NVIDIA's.
const STAYS_UNKNOWN: u64 = 6_000_000_000;
/// Frames that are brought to the timeline's size at once.
pub(crate) const BATCH: usize = 8;

/// What a process grows by with its first job, in bytes: threads and their stacks, code that is read in, and what the C
/// library keeps. Measured under Linux on tiny models.
const GROWS: u64 = 5_000_000;

/// Bytes of a pixel of three 32-bit floats.
const FLOATS: f64 = 12.0;
/// Bytes of a pixel of four half floats, as the store has it.
const HALVES: f64 = 8.0;

/// Latent frames per run of the VAE, for pictures of `pixels`.
pub(crate) fn chunk(pixels: usize, temporal: usize) -> usize {
    (VAE_PIXELS / (temporal * pixels.max(1))).clamp(1, VAE_MOST)
}

/// What a process may hold.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes that it holds without any model.
    pub own: u64,
    /// Bytes that it may hold in all, where that is known.
    pub most: Option<u64>,
    /// Whether it is a GPU's. Pictures are always in the machine's memory, of which there is enough beside a GPU.
    pub gpu: bool,
}

/// What a component is given: how many of the numbers that its [`Demand`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Positions of the latent, or pixels of the frames of one run.
    pub each: f64,
    /// Pixels of a frame, for a VAE in steps.
    pub kept: f64,
}

impl Load {
    /// The most that a component of this `demand` holds.
    fn bytes(self, demand: &Demand) -> f64 {
        let running = demand.resident as f64 + demand.each * self.each + demand.kept * self.kept;
        running.max(demand.least as f64)
    }
}

/// What the longest pass of a plan gives each component, and the pictures beside.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loads {
    /// The VAE's encoder.
    pub encoder: Load,
    /// The transformer.
    pub transformer: Load,
    /// The VAE's decoder.
    pub decoder: Load,
    /// Bytes of pictures in each phase.
    pub pictures: PhaseBytes,
}

/// The loads of `plan`, for a canvas of `size` pixels on the timeline.
pub(super) fn loads(plan: &Plan, size: (u32, u32), references: usize, manifest: &Manifest) -> Loads {
    let most = |of: &dyn Fn(&Pass) -> usize| plan.passes.iter().map(of).max().unwrap_or(0);
    let frames = most(&|pass| pass.parts.len());
    let given = most(&|pass| pass.parts.iter().filter(|part| is_given(part)).count());
    let pixels = plan.width as usize * plan.height as usize;
    let encoded = if manifest.control.is_some() { frames } else { given };
    Loads {
        encoder: if encoded + references > 0 {
            run(encoded.max(1), pixels, manifest)
        } else {
            Load::default()
        },
        transformer: Load { each: most(&|pass| plan.latents(pass, references, manifest)) as f64, kept: 0.0 },
        decoder: run(frames, pixels, manifest),
        pictures: Pictures { frames, given, references, pixels, timeline: size, manifest }.bytes(),
    }
}

fn is_given(part: &Part) -> bool {
    matches!(part, Part::Known(_) | Part::Guide(_))
}

/// What a run of the VAE is given, of a clip of `frames` of `pixels`.
fn run(frames: usize, pixels: usize, manifest: &Manifest) -> Load {
    let temporal = manifest.latent.temporal;
    let at_once = match manifest.graphs.is_stepped() {
        false => frames,
        true => (temporal * chunk(pixels, temporal)).min(frames.saturating_sub(1)).max(1),
    };
    let kept = if manifest.graphs.is_stepped() { pixels as f64 } else { 0.0 };
    Load { each: (at_once * pixels) as f64, kept }
}

/// The pictures of a pass.
struct Pictures<'a> {
    frames: usize,
    given: usize,
    references: usize,
    /// Of a frame as the model sees it.
    pixels: usize,
    timeline: (u32, u32),
    manifest: &'a Manifest,
}

impl Pictures<'_> {
    fn bytes(&self) -> PhaseBytes {
        let pixels = self.pixels as f64;
        let timeline = f64::from(self.timeline.0) * f64::from(self.timeline.1);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let clip = self.frames as f64 * pixels * FLOATS;
        let given = (self.given + self.references) as f64 * pixels * FLOATS;
        // A plate, its floats, the same clipped, and one being resized.
        let reading = threads.min(self.given) as f64 * timeline * (HALVES + 4.0 * FLOATS);
        // Frames and mask; known and unknown part of them where those are encoded apart.
        let parts = if self.manifest.control.is_some() { 2.0 } else { 0.0 };
        let canvas = clip * (4.0 / 3.0 + parts) + given;
        // Frames of a batch as they are stored, and for each thread one in floats and one being resized; the plates
        // whose detail is carried over.
        let plates = self.given.min(2) as f64 * timeline * FLOATS;
        let joining = timeline * (BATCH as f64 * HALVES + threads as f64 * 2.0 * FLOATS) + plates;
        PhaseBytes {
            text: 0,
            encode: (given + reading.max(canvas)) as u64,
            denoise: given as u64,
            decode: (given + clip) as u64,
            join: (2.0 * clip + given + joining) as u64,
        }
    }
}

/// What is open when, so that it fits into `room`. The text encoder is opened only if the plan `reads` a prompt that is
/// not in the cache.
///
/// # Errors
/// If it does not fit at all.
pub(crate) fn settle(plan: &Plan, manifest: &Manifest, room: Room, reads: bool) -> Result<MemoryPlan> {
    let sum = Sum { plan, manifest, demands: &demands(manifest, room.gpu), room, reads };
    let together = sum.plan(false, None);
    let stays = room.most.map_or(STAYS_UNKNOWN, |most| (STAYS * most as f64) as u64);
    if together.peak() <= stays {
        return Ok(together);
    }
    let most = room.most.unwrap_or(u64::MAX);
    let whole = sum.plan(true, None);
    if whole.peak() <= most {
        return Ok(whole);
    }
    let spatial = manifest.latent.spatial;
    let longest = plan.width.max(plan.height) as usize / spatial;
    let tiled = (Tiles::LEAST..longest).rev().map(|side| sum.plan(true, Some(side * spatial)));
    let mut fits = tiled.filter(|tiled| tiled.peak() <= most);
    fits.next().ok_or_else(|| too_little(plan, &sum.plan(true, Some(Tiles::LEAST * spatial)), most))
}

/// One component after another, whatever the room, for measuring them apart.
pub(crate) fn in_turn(plan: &Plan, manifest: &Manifest, room: Room) -> MemoryPlan {
    let demands = demands(manifest, room.gpu);
    Sum { plan, manifest, demands: &demands, room, reads: true }.plan(true, None)
}

fn too_little(plan: &Plan, least: &MemoryPlan, most: u64) -> Error {
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    let mut hint = "Ask for fewer frames, close other programs, or choose a smaller model.".to_owned();
    if !least.measured {
        hint += " What is needed is a guess: `pickup models measure` finds it out.";
    }
    Error::memory(format!(
        "not enough memory for {}×{}×{}: about {:.1} GB needed, {:.1} GB free.",
        plan.width,
        plan.height,
        plan.windows().into_iter().max().unwrap_or(0),
        gigabytes(least.peak()),
        gigabytes(most)
    ))
    .hint(hint)
}

/// Adds up what is held in each phase.
struct Sum<'a> {
    plan: &'a Plan,
    manifest: &'a Manifest,
    demands: &'a Demands,
    room: Room,
    reads: bool,
}

impl Sum<'_> {
    fn plan(&self, in_turn: bool, tile: Option<usize>) -> MemoryPlan {
        let Loads { encoder, transformer, decoder, pictures } = self.plan.loads;
        let pictures = if self.room.gpu { PhaseBytes::default() } else { pictures };
        let decoder = match tile {
            Some(side) => {
                let pixels = side.min(self.plan.width as usize) * side.min(self.plan.height as usize);
                run(self.plan.windows().into_iter().max().unwrap_or(1) as usize, pixels, self.manifest)
            }
            None => decoder,
        };
        let encode = if encoder == Load::default() { 0.0 } else { encoder.bytes(&self.demands.vae_encoder) };
        let denoise = transformer.bytes(&self.demands.transformer);
        let decode = decoder.bytes(&self.demands.vae_decoder);
        let text = if self.reads { self.demands.text_encoder.resident } else { 0 };
        let waiting = |demand: &Demand| if in_turn { 0.0 } else { demand.idle as f64 };
        let Demands { vae_encoder, transformer: denoiser, vae_decoder, .. } = self.demands;
        let waits =
            [if encode > 0.0 { waiting(vae_encoder) } else { 0.0 }, waiting(denoiser), waiting(vae_decoder)];
        // Beside a component wait those that came before it; after the first pass, all others.
        let several = self.plan.passes.len() > 1;
        let beside = |index: usize| -> f64 {
            let others =
                waits.iter().enumerate().filter(|(other, _)| *other < index || several && *other != index);
            others.map(|(_, bytes)| bytes).sum()
        };
        let own = self.room.own + GROWS;
        MemoryPlan {
            in_turn,
            tile: tile.map(|side| side as u32),
            phases: PhaseBytes {
                text: self.room.own + text,
                encode: own + pictures.encode + (beside(0) + encode) as u64,
                denoise: own + pictures.denoise + (beside(1) + denoise) as u64,
                decode: own + pictures.decode + (beside(2) + decode) as u64,
                join: own + pictures.join + beside(3) as u64,
            },
            measured: measured(self.manifest, self.room.gpu).is_some(),
        }
    }
}

/// What the components of a model hold: as measured, or guessed from their size.
fn demands(manifest: &Manifest, gpu: bool) -> Demands {
    measured(manifest, gpu).cloned().unwrap_or_else(|| guessed(manifest, gpu))
}

fn measured(manifest: &Manifest, gpu: bool) -> Option<&Demands> {
    if gpu { manifest.gpu_memory.as_ref() } else { manifest.memory.as_ref() }
}

/// What known models hold in half precision, in bytes.
struct Known {
    /// The transformer of Wan2.1-VACE-1.3B, for each token.
    token: f64,
    /// The VAE of the same, per pixel through all runs: its caches.
    kept: f64,
    /// And per pixel of a run.
    pixel: f64,
    /// The VAE of LTX-Video 0.9.5, which takes whole clips, per pixel and frame.
    whole: f64,
}

/// Counted from the layers: a token is the widest feed-forward layer (8,960 numbers) and about eight states of 1,536; the
/// caches of the VAE are 1.89 GB at 832×480, and a run of four frames takes about as much again; LTX-Video's VAE holds five
/// states of 128 numbers for each 4×4 pixels of its last layers.
const ON_PROCESSOR: Known = Known { token: 42_500.0, kept: 4_730.0, pixel: 4_730.0 / 4.0, whole: 80.0 };
/// Measured on an H100 by `pickup models measure`: three times as much. LTX-Video's VAE was not, and is taken to be like Wan's.
const ON_GPU: Known = Known { token: 150_000.0, kept: 29_000.0, pixel: 0.0, whole: 240.0 };

/// Weights of the same models, in numbers.
const TRANSFORMER_WEIGHTS: f64 = 2.15e9;
const VAE_WEIGHTS: f64 = 0.127e9;
const WHOLE_VAE_WEIGHTS: f64 = 1.25e9;

/// Demands scaled from models that are known, which may be off by a factor of two.
fn guessed(manifest: &Manifest, gpu: bool) -> Demands {
    let known = if gpu { ON_GPU } else { ON_PROCESSOR };
    let graphs = &manifest.graphs;
    let of = |graph: &str| folder_bytes(manifest, graph);
    let (transformer, vae) = (of(&graphs.transformer), of(&graphs.vae_dec_first));
    // A token is a square of latents, as wide as the step in which sides can grow.
    let patch = f64::from(manifest.limits.size_multiple) / manifest.latent.spatial as f64;
    let token = activation(known.token, transformer, TRANSFORMER_WEIGHTS, manifest);
    let weights = |bytes: u64| Demand { resident: bytes, idle: bytes, ..Demand::default() };
    let half = match graphs.is_stepped() {
        true => Demand {
            each: activation(known.pixel, vae, VAE_WEIGHTS, manifest),
            kept: activation(known.kept, vae, VAE_WEIGHTS, manifest),
            ..weights(vae)
        },
        false => Demand { each: activation(known.whole, vae, WHOLE_VAE_WEIGHTS, manifest), ..weights(vae) },
    };
    Demands {
        text_encoder: Demand { resident: of(&graphs.text_encoder), ..Demand::default() },
        transformer: Demand { each: token / patch.powi(2), ..weights(transformer) },
        vae_encoder: half,
        vae_decoder: half,
    }
}

/// What a network of `bytes` of weights holds, if one of `weights` numbers holds `known` in half
/// precision: widths go with the square root of the number of weights.
fn activation(known: f64, bytes: u64, weights: f64, manifest: &Manifest) -> f64 {
    let size = match manifest.dtype {
        Dtype::Fp16 => 2.0,
        Dtype::Fp32 => 4.0,
    };
    known * (bytes as f64 / size / weights).sqrt() * size / 2.0
}

/// Bytes of all files in the folder of `graph`; of the graph alone if it lies in the package's root.
pub(crate) fn folder_bytes(manifest: &Manifest, graph: &str) -> u64 {
    let beside = |path: &str| match graph.rsplit_once('/') {
        Some((folder, _)) => path.rsplit_once('/').is_some_and(|(other, _)| other == folder),
        None => path == graph,
    };
    manifest.files.iter().filter(|(path, _)| beside(path)).map(|(_, record)| record.bytes).sum()
}
