//! From what was typed to the files that were meant.

use pickup_core::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Source, natural, pattern};
use crate::picture::{extension, is_picture};

/// The files of a sequence, in their order; at least one.
///
/// # Errors
/// Of kind input, if there are none, or it is not clear which are meant.
pub(super) fn resolve(sequence: &str) -> Result<Source> {
    let path = Path::new(sequence);
    // What exists is meant by its name, whatever characters are in it.
    if path.is_dir() {
        return in_folder(path).map(Source::Pictures);
    }
    if path.is_file() {
        let path = path.to_owned();
        return Ok(if is_picture(&path) { Source::Pictures(vec![path]) } else { Source::Video(path) });
    }
    let found = match pattern::split(sequence) {
        Some(pattern) => pattern::find(&pattern)?,
        None if sequence.contains(['*', '?', '[']) => by_glob(sequence)?,
        None => {
            return Err(Error::input(format!(
                "expected a folder, glob, pattern or file, but there is no {sequence}."
            ))
            .hint("Check the path."));
        }
    };
    if found.is_empty() {
        return Err(Error::input(format!("expected pictures, but no file matches {sequence}."))
            .hint("Check the pattern, and put a glob into quotes."));
    }
    Ok(Source::Pictures(found))
}

fn by_glob(sequence: &str) -> Result<Vec<PathBuf>> {
    let paths = glob::glob(sequence).map_err(|error| {
        Error::input(format!("{sequence} is not a glob: {error}.")).hint("Check its brackets.")
    })?;
    let mut found: Vec<_> = paths.filter_map(|path| path.ok()).filter(|path| is_picture(path)).collect();
    natural::sort(&mut found);
    Ok(found)
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .map_err(|error| Error::input(format!("the folder {} cannot be read: {error}.", folder.display())))?;
    let paths = entries.filter_map(|entry| entry.ok()).map(|entry| entry.path());
    let mut found: Vec<_> =
        paths.filter(|path| path.is_file() && is_picture(path) && !is_hidden(path)).collect();
    let kinds: BTreeSet<_> = found.iter().filter_map(|path| extension(path)).collect();
    if kinds.len() > 1 {
        let kinds: Vec<_> = kinds.into_iter().collect();
        return Err(Error::input(format!(
            "expected one sequence, but {} has pictures of several kinds: {}.",
            folder.display(),
            kinds.join(", ")
        ))
        .hint(format!("Say which, for example with '{}'.", folder.join("*.png").display())));
    }
    if found.is_empty() {
        return Err(Error::input(format!("expected pictures, but {} has none.", folder.display()))
            .hint("Give a folder of PNG, TIFF, EXR, JPEG or WebP files."));
    }
    natural::sort(&mut found);
    Ok(found)
}

/// Finder and others leave `._name.png` beside `name.png`.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
