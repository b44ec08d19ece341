//! ONNX Runtime: library, providers, sessions, graphs. The only crate that imports ort.
