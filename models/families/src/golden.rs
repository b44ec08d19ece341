//! A package's golden values: what its components give, beside what diffusers gave.
//!
//! A case is a folder of arrays in NumPy's format: `expected.npy`, and an input of the component's first graph by
//! each other file's name. The VAE of a case is run as in a job: the first frame alone, then the others, with the
//! network's memory handed on.

use std::fs::File;
use std::path::Path;

use ndarray::{Array4, ArrayD, Axis, Ix5, concatenate};
use ndarray_npy::{ReadNpyError, ReadNpyExt};
use pickup_core::protocol::Deviation;
use pickup_core::{Cancel, Error, Graph, Result, Tensor};
use pickup_package::{Component, GoldenSpec, GraphKind, Package};

use crate::vae::{Decoder, DecoderGraphs, Encoder, Network, Open};

/// Name of the array that a component has to give.
const EXPECTED: &str = "expected";
/// Latent frames that a VAE is given at once, after the first.
const CHUNK: usize = 2;

/// How far each component of `package` is from its golden values; none if it has no such values. One
/// component after another is opened and let go of; `on_component` hears of each before.
///
/// # Errors
/// If a golden value cannot be read, a graph does not fit it, a run fails, or `cancel` is raised.
pub fn deviations(
    package: &Package,
    open: &mut Open<'_>,
    on_component: &mut dyn FnMut(Component),
    cancel: &Cancel,
) -> Result<Vec<Deviation>> {
    let Some(golden) = &package.manifest().golden else { return Ok(Vec::new()) };
    let mut deviations = Vec::new();
    for (component, spec) in golden.entries() {
        on_component(component);
        let mut opened = Opened::new(component, package, open)?;
        let error = deviation(&mut opened, package, spec, cancel)?;
        deviations.push(Deviation { component: component.field().to_owned(), error, bound: spec.bound });
    }
    Ok(deviations)
}

/// Root mean square of the error over the deviation of what is expected, all cases together.
fn deviation(
    component: &mut Opened,
    package: &Package,
    spec: &GoldenSpec,
    cancel: &Cancel,
) -> Result<Option<f64>> {
    let mut sums = Sums::default();
    for case in &spec.cases {
        let (inputs, expected) = read_case(package, case)?;
        let found = component.run(inputs, cancel).map_err(|error| error.within(case))?;
        if found.shape() != expected.shape() {
            return Err(Error::model(format!(
                "{case}: expected a result of shape {:?}, got {:?}.",
                expected.shape(),
                found.shape()
            )));
        }
        sums.add(&found, &expected);
    }
    Ok(sums.relative_error())
}

/// What a relative error is computed of.
#[derive(Default)]
struct Sums {
    count: f64,
    squared_error: f64,
    expected: f64,
    squared_expected: f64,
}

impl Sums {
    fn add(&mut self, found: &ArrayD<f32>, expected: &ArrayD<f32>) {
        for (&found, &expected) in found.iter().zip(expected) {
            let (found, expected) = (f64::from(found), f64::from(expected));
            self.count += 1.0;
            self.squared_error += (found - expected).powi(2);
            self.expected += expected;
            self.squared_expected += expected.powi(2);
        }
    }

    /// `None` where a number is not finite, or what is expected does not vary.
    fn relative_error(&self) -> Option<f64> {
        let variance = self.squared_expected / self.count - (self.expected / self.count).powi(2);
        let error = (self.squared_error / self.count / variance).sqrt();
        error.is_finite().then_some(error)
    }
}

/// A component's graphs, open.
enum Opened {
    /// One graph, one run.
    Plain(Box<dyn Graph>),
    /// A VAE's encoder, and frames to a latent frame.
    Encoder(Network, usize),
    /// A VAE's decoder.
    Decoder(DecoderGraphs),
}

impl Opened {
    fn new(component: Component, package: &Package, open: &mut Open<'_>) -> Result<Self> {
        let manifest = package.manifest();
        match component {
            Component::VaeEncoder => {
                Ok(Self::Encoder(Network::encoder(&manifest.graphs, open)?, manifest.latent.temporal))
            }
            Component::VaeDecoder => Ok(Self::Decoder(DecoderGraphs::open(&manifest.graphs, open)?)),
            Component::Transformer => Ok(Self::Plain(open(GraphKind::Transformer)?)),
            Component::TextEncoder => Ok(Self::Plain(open(GraphKind::TextEncoder)?)),
        }
    }

    fn run(&mut self, inputs: Inputs, cancel: &Cancel) -> Result<ArrayD<f32>> {
        match self {
            Self::Plain(graph) => {
                let inputs: Vec<_> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
                let answer = graph.run(&inputs, cancel)?.into_iter().next();
                answer.ok_or_else(|| Error::model("the graph has no output."))?.into_float()
            }
            Self::Encoder(network, temporal) => {
                let (frames, others) = taken("frames", inputs)?;
                let graphs = network.stepped();
                others.iter().try_for_each(|(name, tensor)| graphs.first.bind(name, tensor))?;
                let mut encoder = Encoder { graphs, temporal: *temporal, chunk: CHUNK };
                Ok(encoder.encode(video(&frames)?.view(), cancel)?.into_dyn())
            }
            Self::Decoder(graphs) => {
                let (latent, inputs) = taken("latent", inputs)?;
                let (mid, last) = graphs.stages();
                let mut pieces: Vec<Array4<f32>> = Vec::new();
                let mut keep = |_: usize, piece| {
                    pieces.push(piece);
                    Ok(())
                };
                let mut decoder = Decoder { mid, last, inputs, chunk: CHUNK, tiles: None };
                decoder.decode(video(&latent)?.view(), &mut keep, &mut |_, _| (), cancel)?;
                let views: Vec<_> = pieces.iter().map(|piece| piece.view()).collect();
                let clip = concatenate(Axis(0), &views).map_err(|error| Error::model(error.to_string()))?;
                Ok(clip.permuted_axes([3, 0, 1, 2]).insert_axis(Axis(0)).into_dyn())
            }
        }
    }
}

/// The one of `inputs` called `name`, and the others.
fn taken(name: &str, inputs: Inputs) -> Result<(ArrayD<f32>, Inputs)> {
    let (wanted, others): (Inputs, Inputs) = inputs.into_iter().partition(|(input, _)| input == name);
    let wanted = wanted
        .into_iter()
        .next()
        .ok_or_else(|| Error::model(format!("expected {name}.npy among the golden values, found none.")))?;
    Ok((wanted.1.into_float()?, others))
}

fn video(array: &ArrayD<f32>) -> Result<ndarray::ArrayView5<'_, f32>> {
    array.view().into_dimensionality::<Ix5>().map_err(|_| {
        Error::model(format!("expected an array of shape (1, c, t, h, w), got {:?}.", array.shape()))
    })
}

/// A graph's inputs by name.
type Inputs = Vec<(String, Tensor)>;

/// The inputs of a case, and what is expected.
fn read_case(package: &Package, case: &str) -> Result<(Inputs, ArrayD<f32>)> {
    let (mut inputs, mut expected) = (Vec::new(), None);
    for path in package.manifest().files.keys() {
        let name = path.strip_prefix(case).and_then(|rest| rest.strip_prefix('/'));
        let Some(name) = name.and_then(|name| name.strip_suffix(".npy")) else { continue };
        let tensor = read(&package.path(path))?;
        if name == EXPECTED {
            expected = Some(tensor.into_float()?);
        } else {
            inputs.push((name.to_owned(), tensor));
        }
    }
    let expected =
        expected.ok_or_else(|| Error::model(format!("{case}: expected {EXPECTED}.npy, found none.")))?;
    Ok((inputs, expected))
}

/// An array of single-precision floats or 64-bit integers.
fn read(path: &Path) -> Result<Tensor> {
    let bad = |what: &dyn std::fmt::Display| {
        Error::model(format!("{}: expected an array of float32 or int64: {what}.", path.display()))
            .hint("Install the model package again.")
    };
    let open = || File::open(path).map_err(|error| bad(&error));
    match ArrayD::<f32>::read_npy(open()?) {
        Ok(array) => Ok(Tensor::Float(array)),
        Err(ReadNpyError::WrongDescriptor(_)) => {
            ArrayD::<i64>::read_npy(open()?).map(Tensor::Integer).map_err(|error| bad(&error))
        }
        Err(error) => Err(bad(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;

    fn error(found: &[f32], expected: &[f32]) -> Option<f64> {
        let mut sums = Sums::default();
        sums.add(&arr1(found).into_dyn(), &arr1(expected).into_dyn());
        sums.relative_error()
    }

    /// Expected values 0 and 2 deviate by 1 from their mean; errors of 0.3 and 0.4 have a root mean square of √0.125.
    #[test]
    fn the_error_is_relative_to_how_much_the_values_vary() {
        let close = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() < 1e-7;
        assert!(close(error(&[0.3, 1.6], &[0.0, 2.0]), 0.125_f64.sqrt()));
        assert!(close(error(&[3.0, 16.0], &[0.0, 20.0]), 0.125_f64.sqrt()));
        assert_eq!(error(&[0.0, 2.0], &[0.0, 2.0]), Some(0.0));
        assert_eq!(error(&[f32::NAN, 2.0], &[0.0, 2.0]), None);
        assert_eq!(error(&[f32::INFINITY, 2.0], &[0.0, 2.0]), None);
    }
}
