//! Where ONNX Runtime's shared library is, and whether it may be loaded.

use pickup_core::{Error, Result};
use std::path::{Path, PathBuf};

use crate::pin;

/// Exact file names of the library, the wanted version first.
#[cfg(target_os = "windows")]
const NAMES: [&str; 1] = ["onnxruntime.dll"];
/// Exact file names of the library, the wanted version first.
#[cfg(target_os = "macos")]
const NAMES: [&str; 2] = ["libonnxruntime.1.32.0.dylib", "libonnxruntime.dylib"];
/// Exact file names of the library, the wanted version first; the second is the newest for CUDA.
#[cfg(not(any(target_os = "windows", target_os = "macos")))]
const NAMES: [&str; 4] =
    ["libonnxruntime.so.1.32.0", "libonnxruntime.so.1.31.1", "libonnxruntime.so.1", "libonnxruntime.so"];

/// Names a library file, over everything else.
const VARIABLE: &str = "PICKUP_ONNXRUNTIME";

/// A library that was found and is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    path: PathBuf,
}

impl Library {
    /// Looks for the library: the file that `PICKUP_ONNXRUNTIME` names; else beside the executable;
    /// else in `lib` beside it; else in `target/onnxruntime` of any folder above it (development).
    ///
    /// It must agree with the pin file beside it (`<library>.sha256`, as `sha256sum` writes it,
    /// which may name provider libraries too). Only the file that the variable names may come
    /// without a pin, because a person chose it; it is then checked for being cut off.
    ///
    /// # Errors
    /// If there is none, or the one that was found is damaged. A damaged one is never passed over.
    pub fn find() -> Result<Self> {
        if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
            return Self::named(Path::new(&named));
        }
        let executable = std::env::current_exe()
            .map_err(|error| Error::runtime(format!("could not find this executable: {error}.")))?;
        Self::find_near(&executable)
    }

    /// The library's file, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn named(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if !path.is_file() {
            return Err(Error::runtime(format!(
                "expected ONNX Runtime's library where {VARIABLE} says, but {} is not a file.",
                path.display()
            ))
            .hint(format!("Point {VARIABLE} at the library file, or unset it.")));
        }
        if pin::pin_path(&path).is_file() {
            pin::check_pinned(&path)?
        } else {
            pin::check_whole(&path)?
        }
        Ok(Self { path })
    }

    fn find_near(executable: &Path) -> Result<Self> {
        let folders = folders(executable);
        let found =
            folders.iter().flat_map(|folder| NAMES.map(|name| folder.join(name))).find(|path| path.is_file());
        let path = found.ok_or_else(|| missing(&folders))?;
        pin::check_pinned(&path)?;
        Ok(Self { path })
    }
}

fn folders(executable: &Path) -> Vec<PathBuf> {
    let Some(beside) = executable.parent() else { return Vec::new() };
    let mut folders = vec![beside.to_owned(), beside.join("lib")];
    folders.extend(beside.ancestors().map(|above| above.join("target").join("onnxruntime")));
    folders
}

fn missing(folders: &[PathBuf]) -> Error {
    let beside = folders.first().map(|folder| folder.display().to_string()).unwrap_or_default();
    Error::runtime(format!(
        "ONNX Runtime's library ({}) was not found beside the worker in {beside}.",
        NAMES[0]
    ))
    .hint(format!(
        "Install Pickup again, run `cargo xtask setup` in its sources, or set {VARIABLE} to the file."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    fn write_library(folder: &Path, pinned: bool) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        let library = folder.join(NAMES[0]);
        std::fs::write(&library, "library").unwrap();
        if pinned {
            let hash: String = Sha256::digest("library").iter().map(|byte| format!("{byte:02x}")).collect();
            std::fs::write(pin::pin_path(&library), hash).unwrap();
        }
        library
    }

    #[test]
    fn the_nearest_library_wins() {
        let root = tempfile::tempdir().unwrap();
        let executable = root.path().join("target/debug/deps/worker");
        assert!(Library::find_near(&executable).unwrap_err().message.contains("not found"));
        let development = write_library(&root.path().join("target/onnxruntime"), true);
        assert_eq!(Library::find_near(&executable).unwrap().path(), development);
        let shipped = write_library(&root.path().join("target/debug/deps/lib"), true);
        assert_eq!(Library::find_near(&executable).unwrap().path(), shipped);
    }

    #[test]
    fn without_its_pin_it_is_refused_unless_a_person_named_it() {
        let root = tempfile::tempdir().unwrap();
        let library = write_library(root.path(), false);
        assert!(Library::find_near(&root.path().join("worker")).is_err());
        assert!(Library::named(&library).is_err() == cfg!(target_os = "linux"), "seven bytes are no library");
        assert!(Library::named(&root.path().join("absent")).unwrap_err().hint.contains(VARIABLE));
        #[cfg(target_os = "linux")]
        assert!(Library::named(&std::env::current_exe().unwrap()).is_ok());
    }
}
