//! The VAE, a step at a time: the first frame alone, then a few latent frames per run, with the
//! network's memory of the past handed from run to run as caches.
//!
//! A causal video VAE needs nothing from the future, so stepping gives what one run over the whole
//! clip would give, in memory that does not grow with the clip. A graph says itself which caches it
//! takes: inputs `cache_in_0`, `cache_in_1` … get the outputs `cache_out_0`, `cache_out_1` … of the
//! run before. A VAE without memory has none. One that looks ahead in time takes the whole clip in one run: it
//! has no graphs for what is next.

use ndarray::{Array4, Array5, ArrayD, ArrayView4, ArrayView5, Axis, Ix5, concatenate, s};
use pickup_core::{Cancel, Error, Graph, Result, Tensor};

/// The four graphs of a VAE.
pub struct Vae<'g> {
    /// `frames` (1, 3, 1, h, w) in −1..1 → one latent frame and the caches.
    pub enc_first: &'g mut dyn Graph,
    /// `frames` (1, 3, temporal·n, h, w) and the caches → n latent frames and the next caches.
    pub enc_next: Option<&'g mut dyn Graph>,
    /// `latent` (1, c, 1, h, w) → one frame in −1..1 and the caches.
    pub dec_first: &'g mut dyn Graph,
    /// `latent` (1, c, n, h, w) and the caches → temporal·n frames and the next caches.
    pub dec_next: Option<&'g mut dyn Graph>,
    /// Frames to a latent frame after the first; `latent.temporal` of the manifest.
    pub temporal: usize,
    /// Latent frames per run, at least 1. More is faster and takes more memory.
    pub chunk: usize,
}

impl Vae<'_> {
    /// Encodes frames `(1, 3, t, h, w)` in −1..1; see [`Encoder::encode`].
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn encode(&mut self, frames: ArrayView5<'_, f32>, cancel: &Cancel) -> Result<Array5<f32>> {
        let Self { enc_first, enc_next, temporal, chunk, .. } = self;
        Encoder { first: *enc_first, next: lent(enc_next), temporal: *temporal, chunk: *chunk }
            .encode(frames, cancel)
    }

    /// Decodes a latent `(1, c, f, h, w)`; see [`Decoder::decode`].
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub fn decode(
        &mut self,
        latent: ArrayView5<'_, f32>,
        on_frames: &mut dyn FnMut(usize, Array4<f32>) -> Result<()>,
        cancel: &Cancel,
    ) -> Result<()> {
        let Self { dec_first, dec_next, chunk, .. } = self;
        Decoder { first: *dec_first, next: lent(dec_next), chunk: *chunk }.decode(latent, on_frames, cancel)
    }
}

/// The encoding half of a VAE, for when the decoder is not in memory.
pub struct Encoder<'g> {
    /// As [`Vae::enc_first`].
    pub first: &'g mut dyn Graph,
    /// As [`Vae::enc_next`].
    pub next: Option<&'g mut dyn Graph>,
    /// As [`Vae::temporal`].
    pub temporal: usize,
    /// As [`Vae::chunk`].
    pub chunk: usize,
}

impl Encoder<'_> {
    /// Encodes frames `(1, 3, t, h, w)` in −1..1, `t = temporal·n + 1`, to latents `(1, c, n + 1, h', w')`.
    ///
    /// # Errors
    /// If `t` is not of that form, a run fails, or `cancel` is raised.
    pub fn encode(&mut self, frames: ArrayView5<'_, f32>, cancel: &Cancel) -> Result<Array5<f32>> {
        let count = frames.len_of(Axis(2));
        if count == 0 || !(count - 1).is_multiple_of(self.temporal) {
            return Err(Error::model(format!(
                "the VAE expected {} n + 1 frames, got {count}.",
                self.temporal
            )));
        }
        let step = self.temporal * self.chunk.max(1);
        let mut memory = Memory::default();
        let mut latents = Vec::new();
        for (start, end) in windows(count, self.next.is_some().then_some(step)) {
            let graph = stepped(self.first, &mut self.next, start);
            let piece = frames.slice(s![.., .., start..end, .., ..]);
            latents.push(memory.run(graph, "frames", piece, cancel)?);
        }
        join(&latents)
    }
}

/// The decoding half of a VAE, for when the encoder is not in memory.
pub struct Decoder<'g> {
    /// As [`Vae::dec_first`].
    pub first: &'g mut dyn Graph,
    /// As [`Vae::dec_next`].
    pub next: Option<&'g mut dyn Graph>,
    /// As [`Vae::chunk`].
    pub chunk: usize,
}

impl Decoder<'_> {
    /// Decodes a latent `(1, c, f, h, w)`. Frames come in order, as they are made: `on_frames` gets
    /// the index of the first and `(t, h, w, 3)`, clamped to −1..1.
    ///
    /// # Errors
    /// If a run fails, `on_frames` does, or `cancel` is raised.
    pub fn decode(
        &mut self,
        latent: ArrayView5<'_, f32>,
        on_frames: &mut dyn FnMut(usize, Array4<f32>) -> Result<()>,
        cancel: &Cancel,
    ) -> Result<()> {
        let mut memory = Memory::default();
        let mut made = 0;
        let step = self.next.is_some().then_some(self.chunk.max(1));
        for (start, end) in windows(latent.len_of(Axis(2)), step) {
            let graph = stepped(self.first, &mut self.next, start);
            let piece = latent.slice(s![.., .., start..end, .., ..]);
            let frames = pictures(memory.run(graph, "latent", piece, cancel)?);
            let count = frames.len_of(Axis(0));
            on_frames(made, frames)?;
            made += count;
        }
        Ok(())
    }
}

/// `0..1`, then windows of `step` up to `count`; all of it at once without a step.
fn windows(count: usize, step: Option<usize>) -> impl Iterator<Item = (usize, usize)> {
    let first = if step.is_some() { 1 } else { count };
    let step = step.unwrap_or(1);
    let later = (first..count).step_by(step).map(move |start| (start, (start + step).min(count)));
    (count > 0).then_some((0, first)).into_iter().chain(later)
}

/// A graph that may be there, lent.
fn lent<'a>(graph: &'a mut Option<&mut dyn Graph>) -> Option<&'a mut dyn Graph> {
    match graph {
        Some(graph) => Some(&mut **graph),
        None => None,
    }
}

/// The graph for the piece that begins at `start`.
fn stepped<'a>(
    first: &'a mut (dyn Graph + '_),
    next: &'a mut Option<&mut dyn Graph>,
    start: usize,
) -> &'a mut dyn Graph {
    match next {
        Some(next) if start > 0 => &mut **next,
        _ => first,
    }
}

/// What a stepped graph remembers between runs.
#[derive(Default)]
struct Memory {
    caches: Vec<(String, Tensor)>,
}

impl Memory {
    const IN: &str = "cache_in_";
    const OUT: &str = "cache_out_";

    /// Runs `graph` on `piece` with the caches it asks for, and keeps those it gives.
    fn run(
        &mut self,
        graph: &mut dyn Graph,
        input: &str,
        piece: ArrayView5<'_, f32>,
        cancel: &Cancel,
    ) -> Result<Array5<f32>> {
        let piece = Tensor::from(piece.to_owned());
        let outputs = {
            let mut inputs = vec![(input, &piece)];
            inputs.extend(self.taken_by(graph)?);
            graph.run(&inputs, cancel)?
        };
        let names: Vec<_> = graph.outputs().iter().map(|spec| spec.name.clone()).collect();
        let mut result = None;
        self.caches.clear();
        for (name, tensor) in names.into_iter().zip(outputs) {
            match name.strip_prefix(Self::OUT) {
                Some(key) => self.caches.push((format!("{}{key}", Self::IN), tensor)),
                None => result = result.or(Some(tensor)),
            }
        }
        five(result.ok_or_else(|| Error::model("a VAE graph has no output besides its caches."))?)
    }

    /// The caches that `graph` has inputs for, in its order.
    fn taken_by<'a>(&'a self, graph: &dyn Graph) -> Result<Vec<(&'a str, &'a Tensor)>> {
        let wanted = graph.inputs().iter().filter(|spec| spec.name.starts_with(Self::IN));
        wanted
            .map(|spec| {
                let found = self.caches.iter().find(|(name, _)| *name == spec.name);
                found.map(|(name, tensor)| (name.as_str(), tensor)).ok_or_else(|| {
                    Error::model(format!(
                        "a VAE graph takes {:?}, which the run before it does not give.",
                        spec.name
                    ))
                })
            })
            .collect()
    }
}

/// A tensor of rank 5.
fn five(tensor: Tensor) -> Result<Array5<f32>> {
    let array: ArrayD<f32> = tensor.into_float()?;
    let shape = array.shape().to_vec();
    array
        .into_dimensionality::<Ix5>()
        .map_err(|_| Error::model(format!("a VAE graph should give (1, c, t, h, w), got {shape:?}.")))
}

/// Pieces one after another in time.
fn join(pieces: &[Array5<f32>]) -> Result<Array5<f32>> {
    let views: Vec<_> = pieces.iter().map(|piece| piece.view()).collect();
    concatenate(Axis(2), &views)
        .map_err(|error| Error::model(format!("the VAE's first and next graphs differ in shape: {error}.")))
}

/// `(1, 3, t, h, w)` to `(t, h, w, 3)`, clamped to −1..1.
fn pictures(frames: Array5<f32>) -> Array4<f32> {
    let view: ArrayView4<'_, f32> = frames.index_axis(Axis(0), 0);
    view.permuted_axes([1, 2, 3, 0]).as_standard_layout().mapv(|value| value.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests;
