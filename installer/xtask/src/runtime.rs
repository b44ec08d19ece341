//! ONNX Runtime's shared library: fetched once, by exact version and hash, from the wheel on PyPI.
//!
//! pip does the fetching, so that a configured index, proxy or certificate is honoured.

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{python, shell};

/// One library per platform, pinned.
struct Pin {
    distribution: &'static str,
    version: &'static str,
    platform: &'static str,
    wheel_sha256: &'static str,
    /// Files of the wheel that we keep; the first is the library itself.
    files: &'static [&'static str],
}

#[cfg(not(windows))]
const PIN: Pin = Pin {
    distribution: "onnxruntime",
    version: "1.31.1",
    platform: "manylinux_2_28_x86_64",
    wheel_sha256: "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
    files: &[
        "onnxruntime/capi/libonnxruntime.so.1.31.1",
        "onnxruntime/LICENSE",
        "onnxruntime/ThirdPartyNotices.txt",
    ],
};

/// The newest wheel with DirectML; it brings its own DirectML.dll.
#[cfg(windows)]
const PIN: Pin = Pin {
    distribution: "onnxruntime-directml",
    version: "1.24.4",
    platform: "win_amd64",
    wheel_sha256: "f2ecb68b7b7b259d2ef3112ae760149f9b5a1e7c0fbb73d539da6250a648a614",
    files: &[
        "onnxruntime/capi/onnxruntime.dll",
        "onnxruntime/capi/onnxruntime_providers_shared.dll",
        "onnxruntime/capi/DirectML.dll",
        "onnxruntime/LICENSE",
        "onnxruntime/ThirdPartyNotices.txt",
    ],
};

/// Where the library and its notices are kept.
pub fn folder() -> PathBuf {
    shell::target().join("onnxruntime")
}

/// The library's path, after [`setup`].
pub fn library() -> PathBuf {
    folder().join(file_name(PIN.files[0]))
}

/// Every file that a bundle carries: library, pin files, notices.
pub fn files() -> Vec<PathBuf> {
    let names = PIN.files.iter().map(|file| folder().join(file_name(file)));
    names.chain([pin_file(&library())]).collect()
}

/// Fetches the library unless it is there and whole. Returns its path.
pub fn setup() -> Result<PathBuf> {
    let library = library();
    if is_whole(&library) {
        return Ok(library);
    }
    shell::say(&format!("fetching ONNX Runtime {} ({})", PIN.version, PIN.distribution));
    std::fs::create_dir_all(folder())?;
    // Aside on the same file system, so that an interrupted set-up leaves nothing half-done.
    let aside = tempfile::tempdir_in(folder())?;
    let wheel = download(aside.path())?;
    unpack(&wheel, aside.path())?;
    for file in PIN.files {
        std::fs::rename(aside.path().join(file), folder().join(file_name(file)))
            .with_context(|| format!("{file} is missing from the wheel"))?;
    }
    std::fs::write(pin_file(&library), sha256(&library)?)?;
    Ok(library)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The hash that the worker checks before it loads the library: a truncated one would kill it.
fn pin_file(library: &Path) -> PathBuf {
    let mut name = library.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

fn is_whole(library: &Path) -> bool {
    let pinned = std::fs::read_to_string(pin_file(library)).unwrap_or_default();
    !pinned.is_empty() && sha256(library).is_ok_and(|hash| hash == pinned.trim())
}

fn sha256(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

fn download(into: &Path) -> Result<PathBuf> {
    let requirement = format!("{}=={}", PIN.distribution, PIN.version);
    // One fixed wheel whatever Python is installed: only the C library in it is used.
    let wheel_of = ["--python-version", "3.12", "--implementation", "cp", "--platform", PIN.platform];
    let mut pip = Command::new(python::system()?);
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]);
    shell::run(pip.args(wheel_of).arg("--dest").arg(into).arg(&requirement))?;
    let wheel = std::fs::read_dir(into)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip ended well but left no wheel")?;
    let found = sha256(&wheel)?;
    ensure!(
        found == PIN.wheel_sha256,
        "the wheel of {requirement} is not the pinned one: expected SHA-256 {}, got {found}",
        PIN.wheel_sha256
    );
    Ok(wheel)
}

fn unpack(wheel: &Path, into: &Path) -> Result<()> {
    shell::run(Command::new(python::system()?).args(["-m", "zipfile", "-e"]).arg(wheel).arg(into))
}
