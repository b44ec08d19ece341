//! A small whole package to break in tests. Its files hold a few bytes each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::folder::hash;
use crate::{Manifest, outline};

/// Files that are no graphs.
const OTHERS: [(&str, &str); 2] = [("LICENSE", "do what you like"), ("tokenizer/tokenizer.json", "{}")];

/// Every file of the package: path and contents. Graphs declare what they take, and compute nothing.
pub(crate) fn files() -> BTreeMap<String, Vec<u8>> {
    let manifest: Manifest = serde_json::from_value(fields()).unwrap();
    let graphs = manifest.graphs.kinds().map(|(kind, path)| (path.to_owned(), outline(kind, &manifest)));
    let others = OTHERS.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    graphs.chain(others).collect()
}

/// A manifest with every field.
pub(crate) fn manifest() -> Value {
    let mut manifest = fields();
    for (path, content) in files() {
        manifest["files"][path] = json!({"bytes": content.len(), "sha256": hash(&content)});
    }
    manifest
}

/// A manifest with every field, and no files yet.
fn fields() -> Value {
    json!({
        "format": 1, "name": "small", "title": "Small", "version": "0.1.0", "family": "wan_vace",
        "licence": {"spdx": "MIT", "file": "LICENSE", "acceptance_required": false},
        "source": {"origin": "a test", "revision": "1"},
        "dtype": "fp16", "opset": 20,
        "graphs": {
            "text_encoder": "text_encoder/model.onnx", "transformer": "transformer/model.onnx",
            "vae_enc_first": "vae/enc_first.onnx", "vae_enc_next": "vae/enc_next.onnx",
            "vae_dec_first": "vae/dec_first.onnx", "vae_dec_next": "vae/dec_next.onnx"
        },
        "tokenizer": {"file": "tokenizer/tokenizer.json", "max_tokens": 32, "pad_id": 0},
        "text": {"width": 128},
        "latent": {"channels": 16, "spatial": 8, "temporal": 4},
        "control": {"layers": 2, "scale": 1.0, "max_references": 2},
        "limits": {
            "size_multiple": 16, "frame_multiple": 4, "frame_offset": 1, "min_frames": 5, "max_frames": 81,
            "max_pixels": 399_360, "native_pixels": 399_360, "min_side": 48, "max_side": 1280
        },
        "frame_rate": {"native": [16, 1], "follows_timeline": true},
        "conditioning": ["first", "last", "clip_start", "clip_end", "keyframe", "mask", "reference"],
        "sampler": {"kind": "unipc", "order": 2, "shift": 3.0, "train_timesteps": 1000},
        "presets": {"draft": {"steps": 4, "guidance": 1.0}, "final": {"steps": 12, "guidance": 1.5}},
        "guidance_default_negative": "",
        "files": {}
    })
}

/// The package with `manifest` in a new folder.
pub(crate) fn package(manifest: &Value) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), manifest);
    dir
}

/// The package with `manifest` in `dir`.
pub(crate) fn write(dir: &Path, manifest: &Value) {
    for (path, content) in files() {
        fs::create_dir_all(dir.join(&path).parent().unwrap()).unwrap();
        fs::write(dir.join(&path), content).unwrap();
    }
    fs::write(dir.join(crate::MANIFEST), manifest.to_string()).unwrap();
}
