//! The folder of a package against its manifest: what is there, what is too much, what is changed.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use pickup_core::{Error, Result};
use sha2::{Digest, Sha256};

use crate::{FileRecord, MANIFEST, Manifest};

/// A file of a package as the file system knows it.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its path in the manifest.
    pub path: String,
    /// Where it is.
    pub place: PathBuf,
    pub metadata: Metadata,
}

const AGAIN: &str = "Install the model package again.";

/// Every file of the manifest, each an ordinary file of the right size inside `dir`, and no other.
pub(crate) fn survey(dir: &Path, manifest: &Manifest) -> Result<Vec<Found>> {
    let mut present = BTreeSet::new();
    walk(dir, "", &mut present)?;
    present.remove(MANIFEST);
    if let Some(extra) = present.iter().find(|path| !manifest.files.contains_key(*path)) {
        let message = format!("{}: the manifest's `files` does not list it.", dir.join(extra).display());
        return Err(Error::model(message).hint("Remove the file, or install the model package again."));
    }
    manifest.files.iter().map(|(path, record)| look(dir, path, record, &present)).collect()
}

/// One file that the manifest lists.
fn look(dir: &Path, path: &str, record: &FileRecord, present: &BTreeSet<String>) -> Result<Found> {
    let place = dir.join(path);
    if !present.contains(path) {
        let message = format!("{}: the manifest lists it, but it is missing.", place.display());
        return Err(Error::model(message).hint(AGAIN));
    }
    let metadata = fs::symlink_metadata(&place).map_err(|error| unreadable(&place, &error))?;
    if metadata.len() != record.bytes {
        let (expected, found) = (record.bytes, metadata.len());
        return Err(Error::model(format!(
            "{}: field `files[{path:?}].bytes`: expected {expected}, found {found}.",
            place.display()
        ))
        .hint(AGAIN));
    }
    warn_of_hard_links(&place, &metadata);
    Ok(Found { path: path.to_owned(), place, metadata })
}

/// Paths of all files below `dir`, relative with `/`. Links and special files are refused wherever
/// they point.
fn walk(dir: &Path, prefix: &str, present: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|error| unreadable(dir, &error))? {
        let entry = entry.map_err(|error| unreadable(dir, &error))?;
        let place = entry.path();
        let name = entry.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| Error::model(format!("{}: expected a name in plain letters.", place.display())))?;
        let kind = entry.file_type().map_err(|error| unreadable(&place, &error))?;
        if kind.is_symlink() {
            let message = format!("{}: expected a file, found a link.", place.display());
            return Err(Error::model(message).hint("Copy the package with links resolved."));
        } else if kind.is_dir() {
            walk(&place, &format!("{prefix}{name}/"), present)?;
        } else if kind.is_file() {
            present.insert(format!("{prefix}{name}"));
        } else {
            return Err(Error::model(format!("{}: expected a file, found a special one.", place.display())));
        }
    }
    Ok(())
}

/// Compares contents with the manifest.
pub(crate) fn verify(files: &[Found], manifest: &Manifest) -> Result<()> {
    files.iter().try_for_each(|found| {
        let expected = &manifest.files[&found.path].sha256;
        let hash = hash_file(&found.place).map_err(|error| unreadable(&found.place, &error))?;
        if hash == *expected {
            return Ok(());
        }
        let (place, path) = (found.place.display(), &found.path);
        Err(Error::model(format!(
            "{place}: field `files[{path:?}].sha256`: expected {expected}, found {hash}."
        ))
        .hint("The file is damaged: install the model package again."))
    })
}

/// SHA-256 of a file's contents in lower-case hex.
fn hash_file(place: &Path) -> io::Result<String> {
    let mut file = File::open(place)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// SHA-256 in lower-case hex.
pub(crate) fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unreadable(place: &Path, error: &io::Error) -> Error {
    Error::model(format!("{} cannot be read: {error}.", place.display()))
}

/// A second name for a file can change it unseen. Package managers and deduplicating stores use hard
/// links rightly, so it is only said.
#[cfg(unix)]
fn warn_of_hard_links(place: &Path, metadata: &Metadata) {
    use std::os::unix::fs::MetadataExt;
    if metadata.nlink() > 1 {
        tracing::warn!(file = %place.display(), names = metadata.nlink(), "file of a model package has other names");
    }
}

#[cfg(not(unix))]
fn warn_of_hard_links(_: &Path, _: &Metadata) {}
