//! Our pipeline against golden values made by PyTorch and diffusers.
//!
//! `tests/goldens` holds a tiny model of each family as a package, and what diffusers makes of given inputs
//! with the same weights. [`component_errors`] runs its graphs one by one through ONNX Runtime and our
//! code around them; [`Case`] runs the whole pipeline from injected noise. No Python is needed.

mod component;
mod golden;
mod model;
mod noise;
mod pipeline;
mod subject;
mod variation;

pub use component::{Component, component_errors, decoded};
pub use model::Model;
pub use pipeline::Case;
pub use subject::{Run, SUBJECTS, Subject};
pub use variation::Variation;

/// Largest absolute error of a component, in the unit of its output (about 1).
pub const COMPONENT_BOUND: f64 = 2e-5;
/// Most that a pipeline with something wrong may reach, in dB.
pub const CONTROL_BOUND: f64 = 45.0;
/// Most that a pipeline with some small thing wrong may reach, in dB.
pub const SMALLER_BOUND: f64 = 70.0;
