//! The version of a library, asked of the library itself.

#![expect(unsafe_code, reason = "loads a shared library and calls its entry point")]

use pickup_core::{Error, Result};
use std::ffi::CStr;
use std::path::Path;

/// The version that the library at `path` reports ("1.32.0").
///
/// # Errors
/// If the file cannot be loaded, is not ONNX Runtime, or is older than the API that Pickup speaks.
pub(crate) fn version(path: &Path) -> Result<String> {
    let version = ask(path)?;
    let minor = version.strip_prefix("1.").and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    if minor.is_none_or(|minor| minor < ort::MINOR_VERSION) {
        return Err(Error::runtime(format!(
            "expected ONNX Runtime 1.{} or newer, got {version} in {}.",
            ort::MINOR_VERSION,
            path.display()
        ))
        .hint("Install a newer ONNX Runtime: `cargo xtask setup` fetches the one Pickup is tested with."));
    }
    Ok(version)
}

fn ask(path: &Path) -> Result<String> {
    let foreign = |why: String| {
        Error::runtime(format!("{} is not ONNX Runtime: {why}.", path.display()))
            .hint("Point PICKUP_ONNXRUNTIME at ONNX Runtime's own library, or unset it.")
    };
    // SAFETY: `pin` has found the file whole, so running its initialisers cannot fault on a missing
    // page; ONNX Runtime's initialisers have no preconditions, and it stays loaded below.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| foreign(error.to_string()))?;
    // SAFETY: `OrtGetApiBase` has had this type in every version (onnxruntime_c_api.h).
    let get =
        unsafe { library.get::<unsafe extern "C" fn() -> *const ort::sys::OrtApiBase>(b"OrtGetApiBase\0") }
            .map_err(|_| foreign("it does not export OrtGetApiBase".into()))?;
    // SAFETY: it takes nothing, and returns null or a table that lives as long as the library.
    let base = unsafe { get().as_ref() }.ok_or_else(|| foreign("it has no API".into()))?;
    // SAFETY: returns a static string ended by a zero byte (onnxruntime_c_api.h).
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned();
    // Kept loaded: unloading starts and stops its threads for nothing, as `ort` loads it again.
    std::mem::forget(library);
    Ok(version)
}
