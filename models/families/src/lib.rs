//! How each model family eats a canvas.
//!
//! A family is one folder with the same files in each: `rules.rs` (what canvas it takes),
//! `conditioning.rs` (canvas to conditioning) and `predict.rs` (the transformer's inputs and output).
//! What families share is in `grid.rs` and `transformer.rs`.
//! Everything else about a model comes from its package's manifest. Graphs are run through
//! [`pickup_core::Graph`], so nothing here knows ONNX Runtime.

mod catalogue;
mod family;
pub mod golden;
mod grid;
pub mod ltx;
#[cfg(test)]
mod testing;
pub mod text;
mod transformer;
pub mod vae;
pub mod wan_ti2v;
pub mod wan_vace;

pub use catalogue::{FAMILIES, family, levels, sampler};
pub use family::{Conditioning, Draw, Family, Held, ModelCanvas, Purpose, TextEmbedding};
