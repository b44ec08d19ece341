//! ONNX Runtime's errors in Pickup's words.

use pickup_core::{Error, ErrorKind};

/// Words by which ONNX Runtime and the drivers below it report that memory ran out: its arena
/// (`bfc_arena.cc`), CUDA (`cudaErrorMemoryAllocation`, code 2), Direct3D (`E_OUTOFMEMORY`) and C++.
const MEMORY_WORDS: [&str; 7] = [
    "failed to allocate memory",
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "cudaerrormemoryallocation",
    "8007000e",
    "smaller than requested bytes",
];

/// An ONNX Runtime error while doing `what` ("open transformer/model.onnx").
pub(crate) fn failure<T>(what: impl std::fmt::Display, error: &ort::Error<T>) -> Error {
    let text = error.to_string();
    let said = text.trim().trim_end_matches('.');
    match kind(error.code(), &text) {
        ErrorKind::Memory => Error::memory(format!("not enough memory to {what}: {said}."))
            .hint("Try Draft, a smaller size or fewer frames, or close other programs that use the GPU."),
        kind => Error::new(kind, format!("could not {what}: {said}.")).hint(match kind {
            ErrorKind::Model => {
                "The model package may be damaged or made for another version: run `pickup models verify`."
            }
            _ => "Run `pickup doctor` to see what is wrong.",
        }),
    }
}

fn kind(code: ort::ErrorCode, text: &str) -> ErrorKind {
    use ort::ErrorCode as Code;
    let text = text.to_ascii_lowercase();
    if MEMORY_WORDS.iter().any(|words| text.contains(words)) {
        return ErrorKind::Memory;
    }
    match code {
        Code::InvalidArgument
        | Code::NoSuchFile
        | Code::NoModel
        | Code::InvalidProtobuf
        | Code::InvalidGraph
        | Code::NotImplemented => ErrorKind::Model,
        _ => ErrorKind::Runtime,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ort::ErrorCode as Code;

    #[test]
    fn memory_is_told_from_damage_and_from_the_rest() {
        let arena = "Failed to allocate memory for requested buffer of size 1073741824";
        assert_eq!(kind(Code::RuntimeException, arena), ErrorKind::Memory);
        assert_eq!(kind(Code::GenericFailure, "CUDA failure 2: out of memory ; GPU=0"), ErrorKind::Memory);
        assert_eq!(kind(Code::InvalidProtobuf, "Protobuf parsing failed."), ErrorKind::Model);
        assert_eq!(kind(Code::EngineError, "device hung"), ErrorKind::Runtime);
    }
}
