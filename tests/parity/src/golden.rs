//! Reading `tests/goldens`.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result};
use ndarray::{Array, Dimension};
use ndarray_npy::{ReadNpyExt, ReadableElement};
use serde::de::DeserializeOwned;

/// The folder of golden values.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../goldens")
}

/// An array in NumPy's format.
pub(crate) fn array<A: ReadableElement, D: Dimension>(name: &str) -> Result<Array<A, D>> {
    let path = folder().join(name);
    let file = File::open(&path).with_context(|| path.display().to_string())?;
    Array::read_npy(file).with_context(|| path.display().to_string())
}

/// A value in JSON.
pub(crate) fn json<T: DeserializeOwned>(name: &str) -> Result<T> {
    let path = folder().join(name);
    let text = fs::read(&path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}
