//! ONNX Runtime's shared libraries: fetched once, by exact version and hash, from the wheel on PyPI.
//!
//! pip does the fetching, so that a configured index, proxy or certificate is honoured.

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{python, shell};

/// Which of its builds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Build {
    /// That which everybody can run: with DirectML on Windows, for the processor elsewhere.
    #[default]
    Plain,
    /// For NVIDIA's GPUs, too. CUDA's own libraries are the user's.
    Cuda,
}

/// One wheel, pinned.
struct Pin {
    distribution: &'static str,
    version: &'static str,
    platform: &'static str,
    wheel_sha256: &'static str,
    /// Files of the wheel that we keep; the first is the library itself.
    files: &'static [&'static str],
}

#[cfg(not(windows))]
const PLAIN: Pin = Pin {
    distribution: "onnxruntime",
    version: "1.32.0",
    platform: "manylinux_2_28_x86_64",
    wheel_sha256: "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8",
    files: &[
        "onnxruntime/capi/libonnxruntime.so.1.32.0",
        "onnxruntime/LICENSE",
        "onnxruntime/ThirdPartyNotices.txt",
    ],
};

/// The newest wheel for CUDA.
#[cfg(not(windows))]
const CUDA: Option<Pin> = Some(Pin {
    distribution: "onnxruntime-gpu",
    version: "1.31.1",
    platform: "manylinux_2_28_x86_64",
    wheel_sha256: "05d548956197b9d01f59b625de740e0d6be3593f874e241a12dc0362650ecdf7",
    files: &[
        "onnxruntime/capi/libonnxruntime.so.1.31.1",
        "onnxruntime/capi/libonnxruntime_providers_shared.so",
        "onnxruntime/capi/libonnxruntime_providers_cuda.so",
        "onnxruntime/LICENSE",
        "onnxruntime/ThirdPartyNotices.txt",
    ],
});

/// The newest wheel with DirectML; it brings its own DirectML.dll.
#[cfg(windows)]
const PLAIN: Pin = Pin {
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

#[cfg(windows)]
const CUDA: Option<Pin> = None;

impl Build {
    /// CUDA's if it is `wanted`.
    pub fn with_cuda(wanted: bool) -> Self {
        if wanted { Self::Cuda } else { Self::Plain }
    }

    fn pin(self) -> Result<Pin> {
        match self {
            Self::Plain => Ok(PLAIN),
            Self::Cuda => {
                CUDA.context("there is no CUDA build for this system; its GPUs are used by DirectML")
            }
        }
    }

    /// Where the libraries and their notices are kept. CUDA's are apart: they are ten times as large, and the plain ones
    /// are those that are tested.
    fn folder(self) -> PathBuf {
        shell::target().join(match self {
            Self::Plain => "onnxruntime",
            Self::Cuda => "onnxruntime-cuda",
        })
    }

    /// Fetches the libraries unless they are there and whole. Returns the path of the one that is loaded.
    ///
    /// # Errors
    /// If they cannot be fetched, are not the pinned ones, or this system has no such build.
    pub fn setup(self) -> Result<PathBuf> {
        let (pin, folder) = (self.pin()?, self.folder());
        let library = folder.join(file_name(pin.files[0]));
        if is_whole(&library) {
            return Ok(library);
        }
        shell::say(&format!("fetching ONNX Runtime {} ({})", pin.version, pin.distribution));
        std::fs::create_dir_all(&folder)?;
        // Aside on the same file system, so that an interrupted set-up leaves nothing half-done.
        let aside = tempfile::tempdir_in(&folder)?;
        let wheel = download(&pin, aside.path())?;
        unpack(&wheel, aside.path())?;
        for file in pin.files {
            std::fs::rename(aside.path().join(file), folder.join(file_name(file)))
                .with_context(|| format!("{file} is missing from the wheel"))?;
        }
        std::fs::write(pin_file(&library), checksums(&folder, &pin)?)?;
        Ok(library)
    }

    /// Every file that a bundle carries: libraries, pin file, notices.
    ///
    /// # Errors
    /// If this system has no such build.
    pub fn files(self) -> Result<Vec<PathBuf>> {
        let pin = self.pin()?;
        let mut files: Vec<_> = pin.files.iter().map(|file| self.folder().join(file_name(file))).collect();
        files.push(pin_file(&files[0]));
        Ok(files)
    }
}

/// The plain library's path, after [`Build::setup`].
pub fn library() -> PathBuf {
    Build::Plain.folder().join(file_name(PLAIN.files[0]))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a file of the wheel, or of the bundle, is a notice; all others are libraries.
pub fn is_notice(file: &Path) -> bool {
    file.extension().is_none_or(|extension| extension == "txt")
}

/// The hashes that the worker checks before it loads the library: a truncated one would kill it.
fn pin_file(library: &Path) -> PathBuf {
    let mut name = library.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

/// A line for each library, as `sha256sum` writes it.
fn checksums(folder: &Path, pin: &Pin) -> Result<String> {
    let libraries = pin.files.iter().map(|file| file_name(file)).filter(|name| !is_notice(Path::new(name)));
    libraries.map(|name| Ok(format!("{}  {name}\n", sha256(&folder.join(name))?))).collect()
}

fn is_whole(library: &Path) -> bool {
    let pinned = std::fs::read_to_string(pin_file(library)).unwrap_or_default();
    let holds = |line: &str| {
        let pinned = line.split_once("  ");
        pinned.is_some_and(|(hash, name)| {
            sha256(&library.with_file_name(name)).is_ok_and(|found| found == hash)
        })
    };
    !pinned.is_empty() && pinned.lines().all(holds)
}

fn sha256(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

fn download(pin: &Pin, into: &Path) -> Result<PathBuf> {
    let requirement = format!("{}=={}", pin.distribution, pin.version);
    // One fixed wheel whatever Python is installed: only the C libraries in it are used.
    let wheel_of = ["--python-version", "3.12", "--implementation", "cp", "--platform", pin.platform];
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
        found == pin.wheel_sha256,
        "the wheel of {requirement} is not the pinned one: expected SHA-256 {}, got {found}",
        pin.wheel_sha256
    );
    Ok(wheel)
}

fn unpack(wheel: &Path, into: &Path) -> Result<()> {
    shell::run(Command::new(python::system()?).args(["-m", "zipfile", "-e"]).arg(wheel).arg(into))
}
