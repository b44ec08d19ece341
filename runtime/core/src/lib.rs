//! Pickup's vocabulary: what every other crate says to its neighbours.
//!
//! Nothing here opens a file, starts a process or talks to ONNX Runtime. The types are the
//! complete, serialisable description of a job ([`Request`]), of how far it is ([`Progress`]), of
//! what came out ([`TakeRecord`]) and of what went wrong ([`Error`]).
//!
//! Array shapes are written `(b, t, h, w, c)`: batch, time, height, width, channels.

mod cancel;
mod canvas;
mod error;
mod frame;
mod graph;
mod id;
mod memory;
mod progress;
pub mod protocol;
mod rate;
mod request;
mod take;

pub use cancel::{Cancel, CancelWatch};
pub use canvas::{Canvas, Slot, Span};
pub use error::{Error, ErrorKind, Result};
pub use frame::{Encoding, Frame};
pub use graph::{Graph, Held, NodeCount, Provider, ProviderChoice, Tensor, TensorKind, TensorSpec};
pub use id::{PlateId, TakeId};
pub use memory::{MemoryPlan, PhaseBytes};
pub use progress::{Phase, Progress};
pub use rate::FrameRate;
pub use request::{Job, Quality, Request, Settings};
pub use take::{Event, TakeRecord, Timing};
