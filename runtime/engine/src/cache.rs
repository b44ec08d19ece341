//! Where things are kept that can be made again.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Names the cache folder, over everything else.
const VARIABLE: &str = "PICKUP_CACHE";

/// The folder for embeddings and past times: `PICKUP_CACHE`, else the user's cache folder; `None` for
/// a user without a home.
pub fn cache_dir() -> Option<PathBuf> {
    match std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
        Some(folder) => std::path::absolute(folder).ok(),
        None => Some(directories::ProjectDirs::from("", "", "Pickup")?.cache_dir().to_owned()),
    }
}

/// Writes a file of the cache aside and renames it, so that a reader finds all of it or none.
///
/// # Errors
/// If the folder or file cannot be written.
pub(crate) fn write_aside(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
