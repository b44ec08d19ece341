//! Decoding in tiles against decoding whole. Tests named `acceptance…` print `accept: what | measured | bound`.

use anyhow::{Context, Result, ensure};
use ndarray::{Array4, Array5, Axis, s};
use pickup_core::{Cancel, Graph, Provider};
use pickup_families::vae::tiles::Tiles;
use pickup_families::vae::{Decoder, DecoderGraphs};
use pickup_onnx::{Library, Runtime};
use pickup_package::Package;
use pickup_samplers::{Noise, Stream};
use std::path::{Path, PathBuf};

/// Least likeness, in dB.
const BOUND: f64 = 45.0;
/// Latent frames, rows and columns: tiles of the least size are two high and three wide.
const LATENT: [usize; 3] = [3, 30, 40];
/// Largest mean step across a border that whole frames do not have, in 8-bit code values.
const STEP: f64 = 0.5;

/// The tiny models and the one that is shipped.
fn packages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tiny =
        ["ltx", "wan_vace", "wan_ti2v"].map(|family| root.join(format!("tests/goldens/tiny_{family}")));
    tiny.into_iter().chain([root.join("models/starter/package")]).collect()
}

/// A package with its decoder open.
struct Subject {
    package: Package,
    graphs: DecoderGraphs,
}

impl Subject {
    fn open(folder: &Path) -> Result<Self> {
        let package = Package::open(folder)?;
        let runtime = Runtime::load(&Library::find()?)?;
        let mut open = |kind| {
            let session = runtime.open(&package.graph(kind)?, Provider::Cpu, &Cancel::new())?;
            Ok(Box::new(session) as Box<dyn Graph>)
        };
        let graphs = DecoderGraphs::open(&package.manifest().graphs, &mut open)?;
        Ok(Self { package, graphs })
    }

    fn noise(&self, seed: u64) -> Array5<f32> {
        let [frames, height, width] = LATENT;
        let channels = self.package.manifest().latent.channels;
        Noise::new(seed, Stream::Clip).latent([1, channels, frames, height, width], 0)
    }

    /// Frames `(t, h, w, 3)` of a latent of noise, whole or in tiles.
    fn frames(&mut self, tiles: Option<Tiles>) -> Result<Array4<f32>> {
        let (latent, noise) = (self.noise(1), self.noise(2));
        let family = pickup_families::family(self.package.manifest())?;
        let shape = latent.shape().try_into().context("five sizes")?;
        let inputs = family.decoder_inputs(shape, &mut |_, _, _| noise.clone());
        let inputs = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        let (mid, last) = self.graphs.stages();
        pickup_parity::decoded(Decoder { mid, last, inputs, chunk: 1, tiles }, &latent)
    }
}

/// Likeness of frames in −1..1, in dB.
fn psnr(a: &Array4<f32>, b: &Array4<f32>) -> Result<f64> {
    ensure!(a.dim() == b.dim(), "expected {:?}, got {:?}", b.dim(), a.dim());
    let square = |(&a, &b): (&f32, &f32)| f64::from(a - b).powi(2) / 4.0;
    Ok(-10.0 * (a.iter().zip(b).map(square).sum::<f64>() / a.len() as f64).log10())
}

/// The largest mean step from one column to the next that `tiled` has and `whole` has not, in 8-bit code values: a border
/// between tiles is a column with a step all along it.
fn border(tiled: &Array4<f32>, whole: &Array4<f32>) -> f64 {
    let apart = tiled - whole;
    let width = apart.len_of(Axis(2));
    let steps = &apart.slice(s![.., .., 1.., ..]) - &apart.slice(s![.., .., ..width - 1, ..]);
    let columns = steps.axis_iter(Axis(2));
    let mean = |column: ndarray::ArrayView3<'_, f32>| {
        column.iter().map(|&step| f64::from(step)).sum::<f64>() / column.len() as f64
    };
    columns.map(|column| (mean(column) * 255.0 / 2.0).abs()).fold(0.0, f64::max)
}

#[test]
fn acceptance_tiles_are_like_the_whole() {
    for folder in packages() {
        let mut subject = Subject::open(&folder).unwrap();
        let name = subject.package.manifest().name.clone();
        let whole = subject.frames(None).unwrap();
        let tiled = subject.frames(Some(Tiles::of(Tiles::LEAST))).unwrap();
        let (likeness, step) = (psnr(&tiled, &whole).unwrap(), border(&tiled, &whole));
        println!("accept: {name}, decode in tiles, PSNR | {likeness:.1} dB | ≥ {BOUND} dB");
        println!("accept: {name}, decode in tiles, mean step at a border | {step:.3} of 255 | ≤ {STEP}");
        // A control: tiles that hardly overlap are noticed by both measures.
        let butted = subject.frames(Some(Tiles::overlapping(Tiles::LEAST, 0, 1))).unwrap();
        let (worse, larger) = (psnr(&butted, &whole).unwrap(), border(&butted, &whole));
        println!("{name}: tiles that hardly overlap: {worse:.1} dB, {larger:.3}");
        assert!(likeness >= BOUND && step <= STEP, "{name}");
        assert!(worse < likeness - 3.0 && larger > step, "{name}");
    }
}
