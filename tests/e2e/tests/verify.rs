//! `pickup models verify`: golden values of a package, run on this machine.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{
    Answer, Bench, copy_folder, tiny_first_frame_package, tiny_package, tiny_whole_frames_package,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::Path;

const PARTS: [&str; 4] = ["text_encoder", "transformer", "vae_encoder", "vae_decoder"];

fn verify(bench: &Bench, package: &Path, more: &[&str]) -> Answer {
    let folder = package.display().to_string();
    bench.pickup_with(&[&["models", "verify", &folder, "--provider", "cpu"], more].concat(), &[])
}

/// Parts whose error is beyond its bound.
fn too_far(answer: &Answer) -> Vec<String> {
    let object: Value = serde_json::from_str(&answer.out).unwrap();
    let golden = object["packages"][0]["golden"].as_array().unwrap().clone();
    assert_eq!(golden.iter().map(|part| part["component"].as_str().unwrap()).collect::<Vec<_>>(), PARTS);
    let far = golden.iter().filter(|part| part["good"] == false);
    far.map(|part| part["component"].as_str().unwrap().to_owned()).collect()
}

/// Makes the first weights of a file half as large again, and lets the manifest call that right.
fn change_weights(package: &Path, file: &str) {
    let path = package.join(file);
    let mut content = std::fs::read(&path).unwrap();
    for number in content[..16_384].chunks_exact_mut(4) {
        let changed = f32::from_le_bytes(number.try_into().unwrap()) * 1.5;
        number.copy_from_slice(&changed.to_le_bytes());
    }
    std::fs::write(&path, &content).unwrap();
    let manifest = package.join("manifest.json");
    let mut fields: Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    fields["files"][file]["sha256"] = format!("{:x}", Sha256::digest(&content)).into();
    std::fs::write(&manifest, fields.to_string()).unwrap();
}

#[test]
fn every_family_gives_its_golden_values() {
    let bench = Bench::new();
    for package in [tiny_package(), tiny_first_frame_package(), tiny_whole_frames_package()] {
        let answer = verify(&bench, &package, &["--json"]);
        let object = answer.json();
        assert_eq!(too_far(&answer), Vec::<String>::new());
        let parts = object["packages"][0]["golden"].as_array().unwrap();
        // Packages in single precision: far inside their bounds.
        assert!(parts.iter().all(|part| part["error"].as_f64().unwrap() < 2e-5), "{parts:?}");
    }
    let text = verify(&bench, &tiny_package(), &[]);
    assert_eq!(text.code, Some(0), "{}", text.err);
    for word in PARTS.into_iter().chain(["ok ", "relative error", "bound", "on CPU"]) {
        assert!(text.out.contains(word), "{word}: {}", text.out);
    }
}

#[test]
fn other_weights_are_noticed() {
    let bench = Bench::new();
    for (file, part) in [
        ("text_encoder/weights.bin", "text_encoder"),
        ("transformer/weights.bin", "transformer"),
        ("vae/weights.bin", "vae_decoder"),
    ] {
        let package = bench.path(part);
        copy_folder(&tiny_package(), &package);
        change_weights(&package, file);
        let answer = verify(&bench, &package, &["--json"]);
        assert_eq!(answer.code, Some(4), "{}", answer.err);
        assert!(
            answer.err.contains(&format!("expected the {part} to be at most 1e-3 off")),
            "{}",
            answer.err
        );
        assert_eq!(too_far(&answer), [part]);
    }
}
