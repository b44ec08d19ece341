//! Where packages are looked for.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use pickup_core::{Error, Result};

use crate::package::read_manifest;
use crate::{MANIFEST, Manifest, Package};

/// Folders in which packages are looked for, in this order: those of the environment variable
/// `PICKUP_MODELS` (a path list), `models` beside the executable, `Resources/models` of the bundle
/// that holds the executable, and `models` in the user's data folder.
///
/// Each may be a package itself, or hold packages as its subfolders.
pub fn default_search_dirs() -> Vec<PathBuf> {
    let mut dirs: Vec<_> =
        env::var_os("PICKUP_MODELS").map(|list| env::split_paths(&list).collect()).unwrap_or_default();
    if let Some(beside) = env::current_exe().ok().as_deref().and_then(Path::parent) {
        dirs.push(beside.join("models"));
        dirs.extend(beside.parent().map(|contents| contents.join("Resources").join("models")));
    }
    dirs.extend(user_dir());
    dirs.retain(|dir| !dir.as_os_str().is_empty());
    dirs
}

/// Where packages are installed for this user; `None` for a user without a home.
fn user_dir() -> Option<PathBuf> {
    Some(directories::ProjectDirs::from("", "", "Pickup")?.data_dir().join("models"))
}

/// A folder that has a manifest.
#[derive(Debug)]
pub struct Listed {
    /// The folder.
    pub dir: PathBuf,
    /// Its manifest, read and checked but not compared with the folder's files; or what is wrong.
    pub manifest: Result<Manifest>,
}

impl Listed {
    fn read(dir: PathBuf) -> Self {
        let manifest = read_manifest(&dir).map(|(manifest, _)| manifest);
        Self { dir, manifest }
    }

    fn is_called(&self, name: &str) -> bool {
        self.manifest.as_ref().is_ok_and(|manifest| manifest.name == name)
    }
}

/// All packages in `dirs`, in the order they are found. Of several with one name, [`find`] takes the first.
pub fn list(dirs: &[PathBuf]) -> Vec<Listed> {
    dirs.iter().flat_map(|dir| candidates(dir)).map(Listed::read).collect()
}

/// Opens the first package called `name` in `dirs`.
///
/// # Errors
/// If there is none, or it is not as it should be.
pub fn find(name: &str, dirs: &[PathBuf]) -> Result<Package> {
    let mut named_so = None;
    for dir in dirs.iter().flat_map(|dir| candidates(dir)) {
        let listed = Listed::read(dir);
        if listed.is_called(name) {
            return Package::open(&listed.dir);
        }
        // A package whose manifest is broken is found by its folder's name, to say what is wrong.
        if listed.dir.file_name().is_some_and(|folder| folder == name) {
            named_so = named_so.or(listed.manifest.err());
        }
    }
    Err(named_so.unwrap_or_else(|| not_found(name, dirs)))
}

/// `dir` if it is a package, else its subfolders that are, sorted by name.
fn candidates(dir: &Path) -> Vec<PathBuf> {
    if dir.join(MANIFEST).is_file() {
        return vec![dir.to_owned()];
    }
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.join(MANIFEST).is_file()).collect();
    found.sort();
    found
}

fn not_found(name: &str, dirs: &[PathBuf]) -> Error {
    let places: Vec<_> = dirs.iter().map(|dir| dir.display().to_string()).collect();
    Error::model(format!("expected a model package called {name:?}, found none in {}.", places.join(", ")))
        .hint("Install it with `pickup models add`, or name its folder in PICKUP_MODELS.")
}

/// Where `pickup models add` installs for this user.
///
/// # Errors
/// If the user has no home.
pub fn install_dir() -> Result<PathBuf> {
    user_dir().ok_or_else(|| {
        Error::storage("the user has no data folder to install models in.")
            .hint("Set HOME, or name a folder.")
    })
}

#[cfg(test)]
mod tests;
