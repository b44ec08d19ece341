//! What each component of a model holds in memory, measured by small jobs in which one component is open at a time.
//!
//! Three jobs tell apart what is held whatever is given, what more for each number of a run, and what a VAE in steps
//! keeps for each pixel: one is longer than the others, one has smaller frames. The longest comes first, as a process that
//! has run nothing holds the most even amount.

use half::f16;
use pickup_core::{Cancel, Canvas, Error, PhaseBytes, Provider, Quality, Request, Result, Settings};
use pickup_package::{Conditioning, Demand, Demands, Limits, Manifest};
use pickup_takes::{PlateImage, Store};
use std::time::{Duration, Instant};

use crate::plan::memory::folder_bytes;
use crate::progress::Held;
use crate::run::Connect;
use crate::{Engine, Load, Loads, Plan};

/// Latent frames of the shorter jobs, and of the longer one.
const LATENTS: [usize; 2] = [2, 7];

/// Latent frames of the longer job where the VAE takes a clip at once: so many that the pixels take more than the widest
/// weights do. LTX-Video's encoder comes to that at 9 million pixels, 115 frames of 288×288.
const WHOLE_LATENTS: usize = 19;

/// How often a brief job is run. The C library sometimes finds a freed piece again that it mostly does not, by which a tiny
/// model holds a fifth less or, seldom, a third; the most of a few runs is what is usual.
const REPEATS: u64 = 3;

/// Jobs that take no longer are brief.
const BRIEF: Duration = Duration::from_secs(20);

/// Share of a transformer's weights that it holds at least, beside what was there before and was freed meanwhile.
const STAYED: f64 = 0.9;

/// Bytes of weights from which that is looked at; of fewer, what comes and goes by itself is a large share.
const LARGE: u64 = 1 << 30;

/// Side of the smaller frames in pixels, at least.
const LEAST_SIDE: f64 = 64.0;

/// A job, and what was held.
struct Run {
    loads: Loads,
    /// By the components alone, as they ran.
    running: PhaseBytes,
    /// As they were opened.
    opening: PhaseBytes,
    /// By the components when they had run.
    idle: PhaseBytes,
}

impl Run {
    /// What was held in each phase beyond what was there when it began, without its pictures. Frames that were given are
    /// there since encoding began.
    fn of(loads: Loads, held: Held) -> Self {
        let Held { floors, opening, running, idle } = held;
        let pictures = loads.pictures;
        let components = |bytes: PhaseBytes| PhaseBytes {
            text: bytes.text.saturating_sub(floors.text),
            encode: bytes.encode.saturating_sub(floors.encode + pictures.encode),
            denoise: bytes.denoise.saturating_sub(floors.denoise),
            decode: bytes.decode.saturating_sub(floors.decode + pictures.decode - pictures.denoise),
            join: 0,
        };
        Self { loads, running: components(running), opening: components(opening), idle: components(idle) }
    }

    /// The same job, and the most of two runs of it.
    fn or_more(self, other: &Self) -> Self {
        Self {
            loads: self.loads,
            running: self.running.or_more(other.running),
            opening: self.opening.or_more(other.opening),
            idle: self.idle.or_more(other.idle),
        }
    }
}

/// Measures the package in the folder `folder`, with takes in `store`. `on_run` hears how many jobs are
/// done, and of how many.
///
/// # Errors
/// If a job fails, the system does not tell how much is held or takes memory back meanwhile, or `cancel` is raised.
pub fn measure(
    store: Store,
    folder: &std::path::Path,
    connect: &Connect<'_>,
    on_run: &mut dyn FnMut(usize, usize),
    cancel: &Cancel,
) -> Result<Demands> {
    let package = pickup_package::Package::open(folder)?;
    let manifest = package.manifest();
    let [small, large] = sides(&manifest.limits);
    let whole = !manifest.graphs.is_stepped();
    let longer = if whole { WHOLE_LATENTS } else { LATENTS[1] };
    let jobs = [(large, longer), (large, LATENTS[0]), (small, LATENTS[0])];
    let mut runs = Vec::new();
    for (index, (side, latents)) in jobs.into_iter().enumerate() {
        on_run(index, jobs.len());
        let run_once = |seed| {
            let request = request(&store, manifest, side, latents, seed)?;
            // A new engine each time, whose prompt is not in a cache.
            let mut engine = Engine::new(store.clone(), None, vec![folder.to_owned()]).apart();
            let provider = engine.run(&request, connect, cancel, &mut |_| ())?.provider;
            let mut loads = Plan::new(&request, manifest)?.loads;
            if provider != Provider::Cpu {
                // Not in the GPU's memory.
                loads.pictures = PhaseBytes::default();
            }
            let run = Run::of(loads, engine.held());
            if provider == Provider::Cpu {
                all_stayed(run.running.denoise, folder_bytes(manifest, &manifest.graphs.transformer))?;
            }
            Ok(run)
        };
        runs.push(most(index as u64 * REPEATS, run_once)?);
    }
    let [longer, first, smaller] = runs.try_into().map_err(|_| Error::runtime("a job is missing."))?;
    if first.running.denoise == 0 {
        return Err(Error::runtime("this system does not tell how much memory each phase takes.")
            .hint("Measure the package under Linux, on the processor or on NVIDIA's GPU; what was measured goes with it."));
    }
    let runs = [first, longer, smaller];
    Ok(Demands {
        text_encoder: Demand { resident: runs[0].running.text, ..Demand::default() },
        transformer: demand(&runs, |loads| loads.transformer, |bytes| bytes.denoise, false),
        vae_encoder: demand(&runs, |loads| loads.encoder, |bytes| bytes.encode, whole),
        vae_decoder: demand(&runs, |loads| loads.decoder, |bytes| bytes.decode, whole),
    })
}

/// Checks that mapped weights stayed in memory, as far as can be told: a step reads all `weights`, in bytes, of the transformer. If
/// it `held` fewer, the system took them back as they were read, and nothing that was measured tells what is needed.
///
/// # Errors
/// If it held too few.
fn all_stayed(held: u64, weights: u64) -> Result<()> {
    // Nothing is held where the system does not tell.
    if held == 0 || weights < LARGE || held as f64 >= STAYED * weights as f64 {
        return Ok(());
    }
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    Err(Error::memory(format!(
        "expected the transformer to hold its weights of {:.2} GB, found {:.2} GB: the system took memory back while it was measured.",
        gigabytes(weights),
        gigabytes(held)
    ))
    .hint("Close other programs and measure again, under Linux: not every system tells the peak of each phase."))
}

/// The demand of the component whose load and bytes are given: of a run, a longer one, and one with smaller frames. It may
/// be a VAE that takes a `whole` clip at once.
fn demand(runs: &[Run; 3], load: fn(&Loads) -> Load, bytes: fn(&PhaseBytes) -> u64, whole: bool) -> Demand {
    let held = runs.each_ref().map(|run| (load(&run.loads), bytes(&run.running) as f64));
    let idle = bytes(&runs[0].idle);
    let fitted = if whole { fit_whole(held[0].1, held[1], idle) } else { fit(held) };
    let opening = runs.iter().map(|run| bytes(&run.opening)).max().unwrap_or_default();
    let least = fitted.least.max(opening);
    Demand {
        least: if least > fitted.resident { least } else { 0 },
        idle: idle.min(fitted.resident),
        ..fitted
    }
}

/// The most that `run_once` held, which is given seeds from `seed` on, if it is brief in several runs.
fn most(seed: u64, run_once: impl Fn(u64) -> Result<Run>) -> Result<Run> {
    let began = Instant::now();
    let mut most = run_once(seed)?;
    if began.elapsed() <= BRIEF {
        for repeat in 1..REPEATS {
            most = most.or_more(&run_once(seed + repeat)?);
        }
    }
    Ok(most)
}

/// Sides of square frames in pixels: a quarter and a half of what the model is best at, but no less than what is seen above
/// the memory that comes and goes by itself.
fn sides(limits: &Limits) -> [u32; 2] {
    let multiple = limits.size_multiple.max(1);
    let smallest = limits.min_side.max(1).next_multiple_of(multiple);
    let native = f64::from(limits.native_pixels).sqrt();
    let most = f64::from(limits.max_pixels).sqrt().min(f64::from(limits.max_side));
    [0.25, 0.5].map(|share| {
        let side = (share * native).max(share * 4.0 * LEAST_SIDE).min(most) as u32 / multiple * multiple;
        side.max(smallest)
    })
}

/// A job of one step on square frames of `side` pixels. Where the model takes known frames, some are.
fn request(store: &Store, manifest: &Manifest, side: u32, latents: usize, seed: u64) -> Result<Request> {
    let limits = &manifest.limits;
    let least = (manifest.latent.temporal * (latents - 1) + 1) as u32;
    let frames = limits.length_for(least).min(limits.max_frames) as usize;
    let known = match (manifest.takes(Conditioning::ClipStart), manifest.takes(Conditioning::First)) {
        // Nearly all, so that the encoder is given as much as the decoder.
        (true, _) if !manifest.graphs.is_stepped() => frames.saturating_sub(manifest.latent.temporal),
        (true, _) => frames / 2,
        (false, true) => 1,
        (false, false) => 0,
    };
    // A ramp: a model may do less where all is mid grey, as where nothing is known.
    let pixels: Vec<f16> = (0..side * side)
        .flat_map(|index| {
            let level = f16::from_f32((index % side) as f32 / side as f32);
            [level, level, level, f16::ONE]
        })
        .collect();
    let plate = store.put_plate(&PlateImage { width: side, height: side, pixels: &pixels })?;
    let rate = manifest.frame_rate.native;
    let canvas = Canvas::around((side, side), rate, vec![plate; known], frames - known, []);
    let mut request = Request::new(canvas);
    request.prompt = "measure".to_owned();
    request.model.clone_from(&manifest.name);
    let scale = f64::from(side) / f64::from(limits.native_pixels).sqrt();
    request.settings = Settings {
        steps: Some(1),
        guidance: Some(1.0),
        seed,
        quality: Quality::Draft,
        scale: Some(scale as f32),
    };
    Ok(request)
}

/// A demand that gives what was held in a run, a longer one, and one with smaller frames. Where two runs were given
/// the same, they cannot tell a cause from another, and it counts as none.
fn fit([(first, bytes), (longer, more), (smaller, less)]: [(Load, f64); 3]) -> Demand {
    let each = slope(more - bytes, longer.each - first.each);
    let kept = slope(bytes - less - each * (first.each - smaller.each), first.kept - smaller.kept);
    let resident = (bytes - each * first.each - kept * first.kept).max(0.0) as u64;
    Demand { resident, each, kept, ..Demand::default() }
}

/// The demand of a VAE that takes a clip at once, which held `least` bytes in a run, `more` in a longer one, and `idle` when
/// it had run. It holds the most either in its first layers, whose weights are the widest, whatever it is given, or in its
/// last, where each pixel counts; a short clip tells of the former alone.
fn fit_whole(least: f64, (longer, more): (Load, f64), idle: u64) -> Demand {
    Demand {
        resident: idle,
        each: slope(more - idle as f64, longer.each),
        least: least as u64,
        ..Demand::default()
    }
}

/// How much is held more for each number more; nothing where it is less, as noise has it, or no number is more.
fn slope(rise: f64, run: f64) -> f64 {
    if run > 0.0 { (rise / run).max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_is_told_apart() {
        let load = |each: f64, kept: f64| Load { each, kept };
        let held = |load: Load| 1e6 + 40.0 * load.each + 300.0 * load.kept;
        let demand = fit([load(900.0, 225.0), load(3600.0, 225.0), load(100.0, 25.0)].map(|l| (l, held(l))));
        assert_eq!(demand, Demand { resident: 1_000_000, each: 40.0, kept: 300.0, ..Demand::default() });
        // One length only: all that grows is kept.
        let demand = fit([load(225.0, 225.0), load(225.0, 225.0), load(25.0, 25.0)].map(|l| (l, held(l))));
        assert_eq!(demand, Demand { resident: 1_000_000, each: 0.0, kept: 340.0, ..Demand::default() });
        // Nothing is given, or less is held of more, as noise has it.
        let demand = fit([(load(0.0, 0.0), 7.0), (load(0.0, 0.0), 7.0), (load(0.0, 0.0), 7.0)]);
        assert_eq!(demand, Demand { resident: 7, ..Demand::default() });
        assert_eq!(fit([(load(1.0, 0.0), 7.0), (load(2.0, 0.0), 6.0), (load(1.0, 0.0), 7.0)]).each, 0.0);
    }

    #[test]
    fn opening_counts_apart_where_it_takes_more() {
        let run = |each: f64, opening: u64| Run {
            loads: Loads { decoder: Load { each, kept: 0.0 }, ..Loads::default() },
            running: PhaseBytes { decode: 1000 + each as u64, ..PhaseBytes::default() },
            opening: PhaseBytes { decode: opening, ..PhaseBytes::default() },
            idle: PhaseBytes { decode: 900, ..PhaseBytes::default() },
        };
        let of = |opening: u64| {
            demand(
                &[run(100.0, 800), run(500.0, opening), run(50.0, 700)],
                |loads| loads.decoder,
                |bytes| bytes.decode,
                false,
            )
        };
        let running = Demand { resident: 1000, idle: 900, each: 1.0, ..Demand::default() };
        assert_eq!(of(2000), Demand { least: 2000, ..running });
        // Running takes more than this in any case.
        assert_eq!(of(990), running);
    }

    #[test]
    fn weights_that_were_taken_back_are_noticed() {
        let of = |held: u64| all_stayed(held * 1_000_000, 3_850_000_000);
        assert!(of(4_100).is_ok() && of(3_500).is_ok());
        // The system does not tell, or the model is small.
        assert!(of(0).is_ok() && all_stayed(300_000, 385_000).is_ok());
        let error = of(3_000).unwrap_err();
        assert_eq!(error.kind, pickup_core::ErrorKind::Memory);
        assert!(error.to_string().contains("3.85 GB, found 3.00 GB"), "{error}");
    }

    #[test]
    fn what_each_pixel_takes_is_seen_behind_the_widest_weights() {
        // As LTX-Video's decoder has it: 1.2 GB of weights, 2.8 GB where the widest are, 230 bytes a pixel at the end.
        let held = |pixels: f64| f64::max(2.8e9, 1.2e9 + 230.0 * pixels);
        let run = |pixels: f64| (Load { each: pixels, kept: 0.0 }, held(pixels));
        let demand = fit_whole(held(0.7e6), run(12e6), 1_200_000_000);
        let expected =
            Demand { resident: 1_200_000_000, each: 230.0, least: 2_800_000_000, ..Demand::default() };
        assert_eq!(demand, expected);
    }

    #[test]
    fn sides_are_the_models() {
        let limits = Limits {
            size_multiple: 16,
            frame_multiple: 4,
            frame_offset: 1,
            min_frames: 5,
            max_frames: 81,
            max_pixels: 832 * 480,
            native_pixels: 832 * 480,
            min_side: 120,
            max_side: 1280,
        };
        assert_eq!(sides(&limits), [144, 304]);
        assert_eq!(sides(&Limits { native_pixels: 64 * 64, ..limits.clone() }), [128, 128]);
        let tiny = Limits { min_side: 16, native_pixels: 64 * 64, max_pixels: 112 * 112, ..limits };
        assert_eq!(sides(&tiny), [64, 112]);
    }
}
