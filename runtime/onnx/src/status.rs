//! What a call of ONNX Runtime's C interface answers.

#![expect(unsafe_code, reason = "takes what ONNX Runtime returned")]

use ort::sys::OrtStatusPtr;

/// An error, where `status` is one. It must be what a call has just returned, and is released.
pub(crate) fn check(status: OrtStatusPtr) -> ort::Result<()> {
    // SAFETY: as said above.
    unsafe { ort::Error::result_from_status(status) }
}
