//! ONNX Runtime behind [`pickup_core::Graph`]. The only crate that imports `ort`.
//!
//! The order of things: [`Library::find`] looks for the shared library and checks that it is whole,
//! [`Runtime::load`] loads it (once per process), [`Runtime::decide`] settles the provider by
//! committing and running a session on it, and [`Runtime::open`] opens a graph there.
//!
//! Weights in external files are mapped, not read: sessions are opened without prepacking.

mod convolution;
mod convolved;
mod failure;
mod gpu;
mod library;
mod pin;
mod placement;
mod pool;
mod probe;
mod proto;
mod provider;
mod runtime;
mod session;
mod status;
pub mod system;
mod tensor;
mod widened;

pub use gpu::{Gpu, Watch};
pub use library::Library;
pub use provider::Decision;
pub use runtime::Runtime;
pub use session::Session;
