//! Where the things under test are: what `cargo xtask test` says, else where it puts them.

use std::path::{Path, PathBuf};

/// The bundle's folder.
pub fn bundle() -> PathBuf {
    place("PICKUP_TEST_BUNDLE", || target().join("bundle/Pickup.ofx.bundle"))
}

/// The command line's executable.
pub fn command_line() -> PathBuf {
    place("PICKUP_TEST_CLI", || release("pickup"))
}

/// The test host's executable.
pub fn test_host() -> PathBuf {
    place("PICKUP_TEST_HOST", || release("pickup-test-host"))
}

/// ONNX Runtime's library.
pub fn library() -> PathBuf {
    place("PICKUP_ONNXRUNTIME", || {
        let names = ["libonnxruntime.so.1.32.0", "onnxruntime.dll", "libonnxruntime.1.32.0.dylib"];
        let found = names.map(|name| target().join("onnxruntime").join(name));
        found.iter().find(|path| path.is_file()).unwrap_or(&found[0]).clone()
    })
}

/// A file beside the plugin in the bundle, such as `pickup-worker`; executables without their suffix.
pub fn bundled(name: &str) -> PathBuf {
    let folder = if cfg!(windows) { "Win64" } else { "Linux-x86-64" };
    let folder = bundle().join("Contents").join(folder);
    let plain = folder.join(name);
    let path = if plain.exists() { plain } else { folder.join(executable(name)) };
    there(path, "the bundle")
}

/// The folder of the real footage: `000000.webp` to `000089.webp`, a cut before `000048.webp`.
pub fn media() -> PathBuf {
    there(root().join("tests/media/bunny"), "the footage")
}

/// A model package with random weights, a few hundred kilobytes large: fast, and not good.
pub fn tiny_package() -> PathBuf {
    there(root().join("tests/goldens/tiny_wan_vace"), "the tiny package")
}

/// As [`tiny_package`], of a family that takes text and a first frame.
pub fn tiny_first_frame_package() -> PathBuf {
    there(root().join("tests/goldens/tiny_wan_ti2v"), "the tiny first-frame package")
}

/// As [`tiny_package`], of a family that holds whole frames anywhere.
pub fn tiny_whole_frames_package() -> PathBuf {
    there(root().join("tests/goldens/tiny_ltx"), "the tiny whole-frames package")
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).unwrap();
        }
    }
}

fn place(variable: &str, usual: impl Fn() -> PathBuf) -> PathBuf {
    let named = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    there(named.unwrap_or_else(usual), variable)
}

fn there(path: PathBuf, what: &str) -> PathBuf {
    assert!(path.exists(), "{what}: {} is missing; run `cargo xtask test`", path.display());
    path
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap_or(manifest).to_owned()
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn release(name: &str) -> PathBuf {
    target().join("release").join(executable(name))
}

fn executable(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}
