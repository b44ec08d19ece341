//! One graph at a time.

use anyhow::{Context, Result, bail, ensure};
use ndarray::{Array3, Array4, Array5, ArrayView, Axis, Dimension, concatenate, s};
use pickup_core::Cancel;
use pickup_families::ltx::Ltx;
use pickup_families::vae::Decoder;
use pickup_families::wan_ti2v::WanTi2v;
use pickup_families::wan_vace::WanVace;
use pickup_families::{Conditioning, Draw, TextEmbedding};
use serde::{Deserialize, Serialize};

use crate::Model;

/// How far one component is from diffusers.
#[derive(Clone, Debug, Serialize)]
pub struct Component {
    /// Which graphs, and how they were run.
    pub name: String,
    /// Largest absolute difference of any number of the output.
    pub error: f64,
}

/// Runs every component.
///
/// # Errors
/// If one fails, or its output has another shape than diffusers'.
pub fn component_errors(model: &mut Model) -> Result<Vec<Component>> {
    let family = model.subject.family;
    let mut errors = vec![("text encoder".to_owned(), text(model)?)];
    let chunks: &[usize] = if model.package.manifest().graphs.is_stepped() { &[1, 2, 3, 8] } else { &[1] };
    for &chunk in chunks {
        errors.push((format!("VAE encoder, {chunk} at a time"), encode(model, chunk)?));
        errors.push((format!("VAE decoder, {chunk} at a time"), decode(model, chunk)?));
    }
    errors.push(("transformer".to_owned(), transformer(model)?));
    Ok(errors
        .into_iter()
        .map(|(name, error)| Component { name: format!("{family} {name}"), error })
        .collect())
}

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
    mask: Vec<usize>,
}

fn text(model: &mut Model) -> Result<f64> {
    let expected: Array3<f32> = model.golden("components/text.out.npy")?;
    let prompts: Vec<Prompt> = model.golden_json("components/tokens.json")?;
    ensure!(expected.len_of(Axis(0)) == prompts.len(), "expected an embedding of each prompt");
    let mut worst = 0.0_f64;
    for (prompt, expected) in prompts.iter().zip(expected.axis_chunks_iter(Axis(0), 1)) {
        let found = model.embed(&prompt.prompt)?.0;
        let count = prompt.mask.iter().sum::<usize>();
        let expected = match model.package.manifest().text.padded {
            true => expected,
            false => expected.slice_move(s![.., ..count, ..]),
        };
        worst = worst.max(difference(found.view(), expected)?);
    }
    Ok(worst)
}

fn encode(model: &mut Model, chunk: usize) -> Result<f64> {
    let frames: Array5<f32> = model.golden("components/encode.in.npy")?;
    let expected: Array5<f32> = model.golden("components/encode.out.npy")?;
    let found = model.encoder(chunk).encode(frames.view(), &Cancel::new())?;
    difference(found.view(), expected.view())
}

fn decode(model: &mut Model, chunk: usize) -> Result<f64> {
    let latent: Array5<f32> = model.golden("components/decode.in.npy")?;
    let expected: Array5<f32> = model.golden("components/decode.out.npy")?;
    let noise: Option<Array5<f32>> = match model.package.manifest().decode {
        Some(_) => Some(model.golden("components/decode.noise.npy")?),
        None => None,
    };
    let mut draw = |_, _, shape: [usize; 5]| noise.clone().unwrap_or_else(|| Array5::zeros(shape));
    let found = frames(model, &latent, chunk, &mut draw)?;
    let expected = expected.index_axis_move(Axis(0), 0).permuted_axes([1, 2, 3, 0]);
    difference(found.view(), expected.view())
}

/// The frames `(t, h, w, 3)` of a latent, with the noise that the decoder may ask for.
pub(crate) fn frames(
    model: &mut Model,
    latent: &Array5<f32>,
    chunk: usize,
    draw: &mut Draw<'_>,
) -> Result<Array4<f32>> {
    let (_, channels, count, height, width) = latent.dim();
    decoded(model.decoder(chunk, [1, channels, count, height, width], draw), latent)
}

/// The frames `(t, h, w, 3)` that `decoder` makes of `latent` `(1, c, f, h, w)`.
///
/// # Errors
/// If a run fails.
pub fn decoded(mut decoder: Decoder<'_>, latent: &Array5<f32>) -> Result<Array4<f32>> {
    let mut pieces: Vec<Array4<f32>> = Vec::new();
    let mut take = |_: usize, piece| {
        pieces.push(piece);
        Ok(())
    };
    decoder.decode(latent.view(), &mut take, &mut |_, _| (), &Cancel::new())?;
    let views: Vec<_> = pieces.iter().map(|piece| piece.view()).collect();
    concatenate(Axis(0), &views).context("no frames")
}

/// The transformer at several noise levels, with each way of conditioning that the golden values have.
fn transformer(model: &mut Model) -> Result<f64> {
    let latent: Array5<f32> = model.golden("components/transformer.in.latent.npy")?;
    let text = TextEmbedding(model.golden("components/transformer.in.text.npy")?);
    let expected: Array5<f32> = model.golden("components/transformer.out.npy")?;
    let conditionings = conditionings(model, &latent)?;
    ensure!(expected.len_of(Axis(0)) == conditionings.len() * LEVELS.len(), "a golden value for each run");
    let Model { family, transformer, .. } = model;
    let mut worst = 0.0_f64;
    let runs = conditionings.iter().flat_map(|conditioning| LEVELS.map(|level| (conditioning, level)));
    for ((conditioning, level), expected) in runs.zip(expected.axis_chunks_iter(Axis(0), 1)) {
        family.bind(transformer, &text, conditioning)?;
        let found = family.predict(transformer, &latent, level, &text, conditioning, &Cancel::new())?;
        worst = worst.max(difference(found.view(), expected)?);
    }
    Ok(worst)
}

/// Noise levels of the transformer's golden values.
const LEVELS: [f32; 3] = [999.0, 713.0, 20.0];

/// What the golden values of a family's transformer are conditioned on, in order.
fn conditionings(model: &Model, latent: &Array5<f32>) -> Result<Vec<Conditioning>> {
    Ok(match model.subject.family {
        WanVace::NAME => {
            let control = model.golden("components/transformer.in.control.npy")?;
            vec![WanVace::new(model.package.manifest())?.with_control(control, 0)]
        }
        WanTi2v::NAME => {
            let start = latent.slice(s![.., .., ..1, .., ..]).to_owned();
            vec![Conditioning::default(), Conditioning { start: Some(start), ..Conditioning::default() }]
        }
        Ltx::NAME => {
            let coordinates: Array5<f32> = model.golden("components/transformer.in.coordinates.npy")?;
            let ceilings: Array3<f32> = model.golden("components/transformer.in.ceilings.npy")?;
            let free = Conditioning { inputs: vec![Ltx::placed(coordinates)], ..Conditioning::default() };
            vec![free.clone(), Conditioning { ceilings: Some(ceilings), ..free }]
        }
        other => bail!("there are no golden values for {other}"),
    })
}

/// Largest absolute difference; a number that is not finite counts as infinitely far.
fn difference<D: Dimension>(a: ArrayView<'_, f32, D>, b: ArrayView<'_, f32, D>) -> Result<f64> {
    ensure!(a.shape() == b.shape(), "expected shape {:?}, got {:?}", b.shape(), a.shape());
    let apart = |(&a, &b): (&f32, &f32)| {
        let apart = (f64::from(a) - f64::from(b)).abs();
        if apart.is_finite() { apart } else { f64::INFINITY }
    };
    Ok(a.iter().zip(b.iter()).map(apart).fold(0.0, f64::max))
}
