//! The seam between the engine and ONNX Runtime: named tensors in, named tensors out.

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Cancel, Error, Result};

/// Where a graph runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// NVIDIA GPUs.
    Cuda,
    /// Any GPU on Windows.
    DirectMl,
    /// The processor.
    Cpu,
}

impl Provider {
    /// Every provider, the fastest first.
    pub const ALL: [Self; 3] = [Self::Cuda, Self::DirectMl, Self::Cpu];

    /// The name an editor reads.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cuda => "CUDA",
            Self::DirectMl => "DirectML",
            Self::Cpu => "CPU",
        }
    }
}

/// Which provider a user wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderChoice {
    /// The fastest that works; falling back to the CPU is a warning.
    #[default]
    Auto,
    /// CUDA or an error.
    Cuda,
    /// DirectML or an error.
    DirectMl,
    /// The processor.
    Cpu,
}

/// The nodes of a graph that a provider runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCount {
    /// The provider.
    pub provider: Provider,
    /// How many nodes are of each operator.
    pub operators: BTreeMap<String, u32>,
}

impl NodeCount {
    /// Operators that are attention as a whole, which never hold the scores of all tokens with all tokens: ONNX Runtime's,
    /// and ONNX's own since operator set 23.
    pub const ATTENTION: [&str; 2] = ["MultiHeadAttention", "Attention"];

    /// All of them.
    pub fn nodes(&self) -> u32 {
        self.operators.values().sum()
    }

    /// Those that are attention as a whole.
    pub fn attention(&self) -> u32 {
        Self::ATTENTION.into_iter().filter_map(|operator| self.operators.get(operator)).sum()
    }
}

/// Element kind of a tensor as the engine sees it; a graph converts to what it needs inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorKind {
    /// Floating point of any width.
    Float,
    /// 64-bit integers.
    Integer,
}

/// A tensor as the engine holds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// Floating point; half-precision graphs convert at their border.
    Float(ArrayD<f32>),
    /// Token ids and masks.
    Integer(ArrayD<i64>),
    /// Left on a graph's device.
    Held(Held),
}

/// A value that stayed on the device of the graph that gave it. It cannot be read; graphs on the same device take it.
#[derive(Clone)]
pub struct Held {
    shape: Vec<usize>,
    value: Arc<dyn Any + Send + Sync>,
}

impl Held {
    /// What the maker of a graph knows the value by.
    pub fn new(shape: Vec<usize>, value: impl Any + Send + Sync) -> Self {
        Self { shape, value: Arc::new(value) }
    }

    /// The value, if it is of this maker's type.
    pub fn value<T: Any>(&self) -> Option<&T> {
        self.value.downcast_ref()
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held({:?})", self.shape)
    }
}

/// Only a value itself is equal to it.
impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.value, &other.value)
    }
}

impl Tensor {
    /// The tensor's shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Float(array) => array.shape(),
            Self::Integer(array) => array.shape(),
            Self::Held(held) => &held.shape,
        }
    }

    /// Its floats.
    ///
    /// # Errors
    /// If it holds integers, or was left on a device.
    pub fn into_float(self) -> Result<ArrayD<f32>> {
        match self {
            Self::Float(array) => Ok(array),
            Self::Integer(array) => Err(Error::model(format!(
                "expected a float tensor, got integers of shape {:?}.",
                array.shape()
            ))),
            Self::Held(held) => Err(Error::model(format!(
                "expected a float tensor, got one on the graph's device, {held:?}."
            ))),
        }
    }
}

impl<D: ndarray::Dimension> From<ndarray::Array<f32, D>> for Tensor {
    fn from(array: ndarray::Array<f32, D>) -> Self {
        Self::Float(array.into_dyn())
    }
}

impl<D: ndarray::Dimension> From<ndarray::Array<i64, D>> for Tensor {
    fn from(array: ndarray::Array<i64, D>) -> Self {
        Self::Integer(array.into_dyn())
    }
}

/// Name, kind and shape of an input or output. `None` is a dimension that the caller chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Name in the graph.
    pub name: String,
    /// Float or integer.
    pub kind: TensorKind,
    /// Shape, outermost dimension first.
    pub shape: Vec<Option<usize>>,
}

/// A graph that can be run: a session of ONNX Runtime, or a closed form in a test.
pub trait Graph: Send {
    /// What goes in.
    fn inputs(&self) -> &[TensorSpec];

    /// What comes out.
    fn outputs(&self) -> &[TensorSpec];

    /// Gives an input that stays the same over many runs. It is copied to the device once and
    /// holds until it is bound again or [`Graph::unbind`] is called.
    ///
    /// # Errors
    /// If the graph has no such input, or its kind or rank differs.
    fn bind(&mut self, name: &str, tensor: &Tensor) -> Result<()>;

    /// Forgets every bound input.
    fn unbind(&mut self);

    /// Lets an output stay on the device from now on ([`Tensor::Held`]) if that is not where the engine's tensors are: for
    /// one that is only given to the next run.
    fn hold(&mut self, _output: &str) {}

    /// Runs with the bound inputs and `inputs`, and returns all outputs in the graph's order.
    ///
    /// # Errors
    /// If an input is missing or does not fit, if the run fails, or if `cancel` is raised, which is
    /// heard inside the run.
    fn run(&mut self, inputs: &[(&str, &Tensor)], cancel: &Cancel) -> Result<Vec<Tensor>>;
}
