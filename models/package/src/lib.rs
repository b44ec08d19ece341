//! Model packages: one folder with a manifest that says everything about a model.
//!
//! A package is input from strangers. [`Package::open`] reads the manifest, checks every field,
//! resolves every path inside the folder, refuses links and files that the manifest does not list,
//! compares sizes and SHA-256, and reads what the graphs declare and their weights before anything is
//! loaded. Each error names the file and the field, and says what was expected and what was found. The
//! format is described in `FORMAT.md` and, for machines, in `manifest.schema.json`.

mod acceptance;
mod catalogue;
mod check;
mod contract;
mod demand;
mod folder;
mod graphs;
mod install;
mod manifest;
mod onnx;
mod package;
mod path;
mod read;
mod search;
mod stamp;
#[cfg(test)]
mod testing;
mod weights;

pub use acceptance::{Acceptances, Accepted};
pub use catalogue::{Memory, Parameters, Supported, Terms, catalogue};
pub use contract::outline;
pub use demand::{Demand, Demands};
pub use install::add;
pub use manifest::{
    Component, Conditioning, ControlSpec, DecodeSpec, Dtype, FileRecord, Golden, GoldenSpec, Graphs,
    HeldSpec, LatentSpec, Licence, Limits, Manifest, Preset, Presets, RateSpec, SamplerKind, SamplerSpec,
    ScheduleKind, Source, TextSpec, TextWeights, TokenizerSpec,
};
pub use package::{GraphKind, Package};
pub use path::check_path;
pub use read::parse;
pub use search::{Listed, default_search_dirs, find, install_dir, list};

/// Name of the manifest in a package's folder.
pub const MANIFEST: &str = "manifest.json";
/// The package format that this version reads and writes.
pub const FORMAT: u32 = 1;
/// A JSON Schema (draft 2020-12) of [`Manifest`].
pub const SCHEMA: &str = include_str!("../manifest.schema.json");
