//! Attention in the transformers is one operator, so that the scores of all tokens with all tokens are never held.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{figure, tiny_first_frame_package, tiny_package, tiny_whole_frames_package};
use std::path::Path;

/// How often the operator `name` is named in the graph of a file, which spells operators as they are.
fn count(graph: &Path, name: &str) -> usize {
    let bytes = std::fs::read(graph).unwrap();
    bytes.windows(name.len()).filter(|window| *window == name.as_bytes()).count()
}

#[test]
fn acceptance_attention_is_one_operator() {
    for package in [tiny_package(), tiny_first_frame_package(), tiny_whole_frames_package()] {
        let graph = package.join("transformer/model.onnx");
        let (fused, softmax, scattered) =
            (count(&graph, "MultiHeadAttention"), count(&graph, "Softmax"), count(&graph, "ScatterND"));
        figure(
            &format!("{}: MultiHeadAttention, Softmax, ScatterND", package.file_name().unwrap().display()),
            format!("{fused}, {softmax}, {scattered}"),
            "≥ 1, 0, 0",
        );
        assert!(fused > 0 && softmax == 0 && scattered == 0);
        // The control: the same look sees attention that is spelt out, as the text encoder's is.
        let text = package.join("text_encoder/model.onnx");
        assert!(count(&text, "MultiHeadAttention") == 0 && count(&text, "Softmax") > 0);
    }
}
