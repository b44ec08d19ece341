//! A network that goes through a clip in steps: the first frame alone, then a few per run, with the network's memory of
//! the past handed from run to run as caches.
//!
//! A causal network needs nothing from the future, so stepping gives what one run over the whole clip would give, in
//! memory that does not grow with the clip. A graph says itself which caches it takes: inputs `cache_in_0`,
//! `cache_in_1` … get the outputs `cache_out_0`, `cache_out_1` … of the run before. A network without memory has
//! none. One that looks ahead in time takes the whole clip in one run: it has no graph for what is next.

use std::ops::Range;

use ndarray::{Array5, ArrayD, ArrayView5, Axis, Ix5, concatenate, s};
use pickup_core::{Cancel, Error, Graph, Result, Tensor};

/// The graphs of a network.
pub struct Stepped<'g> {
    /// The first frame → its result and the caches; or a whole clip → its result.
    pub first: &'g mut dyn Graph,
    /// Some frames and the caches → their result and the next caches.
    pub next: Option<&'g mut dyn Graph>,
}

impl Stepped<'_> {
    /// The pieces in which a clip of `count` frames is given, `step` at a time after the first.
    pub fn pieces(&self, count: usize, step: usize) -> Vec<Range<usize>> {
        windows(count, self.next.is_some().then_some(step.max(1))).collect()
    }

    /// Begins a clip.
    pub fn begin(&mut self) -> Walk<'_> {
        Walk { first: Some(&mut *self.first), next: reborrowed(&mut self.next), memory: Memory::default() }
    }

    /// Results of `clip` `(1, c, t, h, w)`, given as the input of its name, one after another in time.
    ///
    /// # Errors
    /// If a run fails, or `cancel` is raised.
    pub fn whole(
        &mut self,
        (input, clip): (&str, ArrayView5<'_, f32>),
        step: usize,
        cancel: &Cancel,
    ) -> Result<Array5<f32>> {
        let pieces = self.pieces(clip.len_of(Axis(2)), step);
        let mut walk = self.begin();
        let run = |piece| walk.step(input, clip.slice(s![.., .., piece, .., ..]), cancel);
        let results = pieces.into_iter().map(run).collect::<Result<Vec<_>>>()?;
        let views: Vec<_> = results.iter().map(|piece| piece.view()).collect();
        concatenate(Axis(2), &views).map_err(|error| {
            Error::model(format!("the VAE's first and next graphs differ in shape: {error}."))
        })
    }
}

/// A walk through one clip.
pub struct Walk<'g> {
    /// Until the first frame is run, where there is a next graph.
    first: Option<&'g mut dyn Graph>,
    next: Option<&'g mut dyn Graph>,
    memory: Memory,
}

impl Walk<'_> {
    /// The result of the next piece `(1, c, t, h, w)`.
    ///
    /// # Errors
    /// If the run fails, or `cancel` is raised.
    pub fn step(&mut self, input: &str, piece: ArrayView5<'_, f32>, cancel: &Cancel) -> Result<Array5<f32>> {
        let graph = match self.first.take() {
            Some(first) => first,
            None => self
                .next
                .as_deref_mut()
                .ok_or_else(|| Error::model("a VAE that takes whole clips was given a second piece."))?,
        };
        self.memory.run(graph, input, piece, cancel)
    }
}

/// A graph that may be there, lent.
fn reborrowed<'a>(graph: &'a mut Option<&mut dyn Graph>) -> Option<&'a mut dyn Graph> {
    match graph {
        Some(graph) => Some(&mut **graph),
        None => None,
    }
}

/// `0..1`, then windows of `step` up to `count`; all of it at once without a step.
fn windows(count: usize, step: Option<usize>) -> impl Iterator<Item = Range<usize>> {
    let first = if step.is_some() { 1 } else { count };
    let step = step.unwrap_or(1);
    let later = (first..count).step_by(step).map(move |start| start..(start + step).min(count));
    (count > 0).then_some(0..first).into_iter().chain(later)
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
        let names: Vec<_> = graph.outputs().iter().map(|spec| spec.name.clone()).collect();
        names.iter().filter(|name| name.starts_with(Self::OUT)).for_each(|name| graph.hold(name));
        let outputs = {
            let mut inputs = vec![(input, &piece)];
            inputs.extend(self.taken_by(graph)?);
            graph.run(&inputs, cancel)?
        };
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
