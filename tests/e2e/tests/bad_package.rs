//! Packages whose parts do not fit each other are refused before anything is loaded, by file and field.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use pickup_e2e::{
    Bench, copy_folder, figure, tiny_first_frame_package, tiny_package, tiny_whole_frames_package,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A copy of a package that is going to be spoiled.
struct Spoiled {
    folder: PathBuf,
}

impl Spoiled {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path("manifest.json")).unwrap()).unwrap()
    }

    /// Changes a field of the manifest.
    fn set(&self, field: &str, value: Value) {
        let mut manifest = self.manifest();
        let place = manifest.pointer_mut(field).unwrap();
        assert_ne!(*place, value, "nothing was changed");
        *place = value;
        std::fs::write(self.path("manifest.json"), manifest.to_string()).unwrap();
    }

    /// Puts other bytes in place of some, wherever they are in a file, and lists the file anew.
    fn replace(&self, name: &str, from: &[u8], to: &[u8]) {
        assert_eq!(from.len(), to.len(), "lengths are part of the format");
        let mut bytes = std::fs::read(self.path(name)).unwrap();
        let places: Vec<_> =
            (0..=bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from)).collect();
        assert!(!places.is_empty(), "{name} does not have {from:?}");
        places.iter().for_each(|&at| bytes[at..at + to.len()].copy_from_slice(to));
        std::fs::write(self.path(name), bytes).unwrap();
        self.list(name);
    }

    /// Puts `to` at the start of a file, and lists it anew.
    fn overwrite(&self, name: &str, to: &[u8]) {
        let mut bytes = std::fs::read(self.path(name)).unwrap();
        bytes[..to.len()].copy_from_slice(to);
        std::fs::write(self.path(name), bytes).unwrap();
        self.list(name);
    }

    fn swap(&self, a: &str, b: &str) {
        let aside = self.folder.with_extension("aside");
        std::fs::rename(self.path(a), &aside).unwrap();
        std::fs::rename(self.path(b), self.path(a)).unwrap();
        std::fs::rename(aside, self.path(b)).unwrap();
    }

    /// As an exporter with the same mistake would: length and hash are those of what is there.
    fn list(&self, name: &str) {
        let bytes = std::fs::read(self.path(name)).unwrap();
        let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut manifest = self.manifest();
        manifest["files"][name] = json!({ "bytes": bytes.len(), "sha256": sha256 });
        std::fs::write(self.path("manifest.json"), manifest.to_string()).unwrap();
    }
}

/// What is done to a package, and the words that its refusal has to have: file, field, expected, found.
struct Case {
    what: &'static str,
    package: fn() -> PathBuf,
    spoil: fn(&Spoiled),
    words: &'static [&'static str],
}

const TRANSFORMER: &str = "transformer/model.onnx";
/// `opset_import` of `onnx.proto` with one set: no domain, version 20.
const OPSET_20: &[u8] = &[0x42, 0x04, 0x0a, 0x00, 0x10, 20];
const OPSET_23: &[u8] = &[0x42, 0x04, 0x0a, 0x00, 0x10, 23];

const CASES: &[Case] = &[
    Case {
        what: "an input of the transformer under another name",
        package: tiny_package,
        spoil: |package| package.replace(TRANSFORMER, b"control_scale", b"control_scalf"),
        words: &[
            TRANSFORMER,
            "`inputs.control_scale`",
            "expected floats of shape [2]",
            "found no such input",
        ],
    },
    Case {
        what: "the token timesteps of the transformer under another name",
        package: tiny_first_frame_package,
        spoil: |package| package.replace(TRANSFORMER, b"timestep", b"timestap"),
        words: &[TRANSFORMER, "`inputs.timestep`", "[any, any, any, any]", "found no such input"],
    },
    Case {
        what: "a decoder without its noise",
        package: tiny_whole_frames_package,
        spoil: |package| package.replace("vae/dec_first.onnx", b"noise_scale", b"noise_scala"),
        words: &["vae/dec_first.onnx", "`inputs.noise_scale`", "expected floats of shape [any]", "found no"],
    },
    Case {
        what: "no transformer in the manifest",
        package: tiny_package,
        spoil: |package| {
            let mut manifest = package.manifest();
            manifest["graphs"].as_object_mut().unwrap().remove("transformer").unwrap();
            std::fs::write(package.path("manifest.json"), manifest.to_string()).unwrap();
        },
        words: &["manifest.json", "`graphs`", "missing field `transformer`"],
    },
    Case {
        what: "other latent channels than the graphs",
        package: tiny_package,
        spoil: |package| package.set("/latent/channels", json!(12)),
        words: &[TRANSFORMER, "`inputs.hidden_states.shape[1]`", "expected 12 (latent.channels)", "found 16"],
    },
    Case {
        what: "another width of the text than the graphs",
        package: tiny_whole_frames_package,
        spoil: |package| package.set("/text/width", json!(64)),
        words: &["text_encoder/model.onnx", "shape[2]`", "expected 64 (text.width)", "found 32"],
    },
    Case {
        what: "a graph for another operator set",
        package: tiny_package,
        spoil: |package| package.replace("vae/dec_next.onnx", OPSET_20, OPSET_23),
        words: &["vae/dec_next.onnx", "`opset_import`", "expected 20", "found [23]"],
    },
    Case {
        what: "weights that are no numbers",
        package: tiny_first_frame_package,
        spoil: |package| package.overwrite("transformer/weights.bin", &f32::NAN.to_le_bytes()),
        words: &["transformer/weights.bin", "`weights.", "expected", "found 1 that are none (NaN)"],
    },
    Case {
        what: "weights that end early",
        package: tiny_package,
        spoil: |package| {
            let weights = package.path("vae/weights.bin");
            let bytes = std::fs::read(&weights).unwrap();
            std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
            package.list("vae/weights.bin");
        },
        words: &["vae/", ".length`", "expected at most 171392 bytes of vae/weights.bin", "found"],
    },
    Case {
        what: "two graphs swapped",
        package: tiny_package,
        spoil: |package| package.swap("vae/dec_first.onnx", "vae/dec_next.onnx"),
        words: &["vae/dec_first.onnx", "`files[", ".bytes`", "expected 71436", "found 82422"],
    },
    Case {
        what: "two graphs swapped, and listed so",
        package: tiny_package,
        spoil: |package| {
            package.swap("vae/dec_first.onnx", "vae/dec_next.onnx");
            package.list("vae/dec_first.onnx");
            package.list("vae/dec_next.onnx");
        },
        words: &["vae/dec_first.onnx", "`inputs.cache_in_0`", "expected no cache", "found one"],
    },
    Case {
        what: "encoder and decoder swapped, and listed so",
        package: tiny_whole_frames_package,
        spoil: |package| {
            package.swap("vae/dec_first.onnx", "vae/enc_first.onnx");
            package.list("vae/dec_first.onnx");
            package.list("vae/enc_first.onnx");
        },
        words: &["vae/enc_first.onnx", "`inputs.frames`", "expected floats of shape [any, 3", "found no"],
    },
];

#[test]
fn acceptance_bad_packages_are_refused_by_file_and_field() {
    for case in CASES {
        let bench = Bench::new();
        let whole = Spoiled { folder: (case.package)() };
        let name = whole.manifest()["name"].as_str().unwrap().to_owned();
        let spoiled = Spoiled { folder: bench.path("models").join(&name) };
        copy_folder(&whole.folder, &spoiled.folder);
        // The control: the untouched package passes.
        expect_good(&bench, &spoiled.folder, case.what);
        (case.spoil)(&spoiled);
        let models = bench.path("models");
        let setup = [("PICKUP_MODELS", Some(models.as_os_str()))];
        let folder = spoiled.folder.to_str().unwrap();
        let generate = [
            "generate", "--model", &name, "--size", "64x48", "--frames", "5", "--steps", "1", "--out", "out",
        ];
        for arguments in [&["models", "add", folder][..], &generate[..]] {
            let answer = bench.pickup_with(arguments, &setup);
            println!("{}: {}", case.what, answer.err);
            answer.expect_failure(4, case.words);
        }
        let verified = bench.pickup(&["models", "verify", folder]);
        assert_eq!(verified.code, Some(4), "{}: {}", case.what, verified.out);
        case.words.iter().for_each(|word| assert!(verified.err.contains(word), "{word}: {}", verified.err));
        assert!(!bench.path("out").exists() && bench.store().takes().is_empty());
    }
    figure(
        &format!("bad packages, {} ways", CASES.len()),
        "exit 4; file, field, expected and found named; untouched ones pass",
        "the same",
    );
}

fn expect_good(bench: &Bench, folder: &Path, what: &str) {
    let answer = bench.pickup(&["models", "verify", folder.to_str().unwrap()]);
    assert_eq!(answer.code, Some(0), "{what}: {}{}", answer.out, answer.err);
}
