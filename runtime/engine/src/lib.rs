//! Turns a request into a take.
//!
//! ```text
//! request ─ plan: size, windows, steps ─ text: prompt to embedding (cached)
//!         ─ each pass: stage (plates to canvas) ─ family ─ denoise ─ decode ─ join
//!         ─ take store
//! ```
//!
//! Graphs come from a [`GraphSource`]; nothing here knows ONNX Runtime.

mod abilities;
mod cache;
mod denoise;
mod detail;
mod graphs;
mod history;
mod join;
mod measure;
mod noise;
mod parallel;
mod pass;
mod plan;
mod progress;
mod resample;
mod run;
mod settle;
mod source;
mod stage;
mod text;

pub use cache::cache_dir;
pub use denoise::{Prompts, Walk, denoise};
pub use measure::measure;
pub use plan::{Load, Loads, Part, Pass, Plan, Room, Rule, model_size, schedule};
pub use run::{Connect, Engine, Outcome};
pub use source::GraphSource;
