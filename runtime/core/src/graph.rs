//! The seam between the engine and ONNX Runtime: named tensors in, named tensors out.

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use crate::{Cancel, Error, Result};

/// Where a graph runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
}

impl Tensor {
    /// The tensor's shape.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Float(array) => array.shape(),
            Self::Integer(array) => array.shape(),
        }
    }

    /// Its floats.
    ///
    /// # Errors
    /// If it holds integers.
    pub fn into_float(self) -> Result<ArrayD<f32>> {
        match self {
            Self::Float(array) => Ok(array),
            Self::Integer(array) => Err(Error::model(format!(
                "expected a float tensor, got integers of shape {:?}.",
                array.shape()
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

    /// Runs with the bound inputs and `inputs`, and returns all outputs in the graph's order.
    ///
    /// # Errors
    /// If an input is missing or does not fit, if the run fails, or if `cancel` is raised, which is
    /// heard inside the run.
    fn run(&mut self, inputs: &[(&str, &Tensor)], cancel: &Cancel) -> Result<Vec<Tensor>>;
}
