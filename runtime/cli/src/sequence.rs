//! Sequences of pictures: what SEQ on the command line means.

mod files;
mod natural;
mod pattern;
mod video;

use pickup_core::{Cancel, Error, PlateId, Result};
use pickup_takes::{PlateBuffer, Store};
use std::path::PathBuf;

use crate::console::note;
use crate::picture;

/// Which end of a sequence is wanted, and at most how many frames of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    First(usize),
    Last(usize),
}

impl End {
    /// That end of `items`, in their order.
    fn of<T>(self, mut items: Vec<T>) -> Vec<T> {
        match self {
            Self::First(count) => items.truncate(count),
            Self::Last(count) => drop(items.drain(..items.len().saturating_sub(count))),
        }
        items
    }
}

/// Known frames of one size, in the store.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Width and height in pixels.
    pub(crate) size: (u32, u32),
    /// The frames in order; at least one.
    pub(crate) plates: Vec<PlateId>,
    /// Where they came from.
    name: String,
}

impl Known {
    /// Whether two sequences can lie on one timeline.
    pub(crate) fn check_same_size(&self, other: &Self) -> Result<()> {
        if self.size == other.size {
            return Ok(());
        }
        Err(mixed(&self.name, self.size, &other.name, other.size))
    }
}

/// What a sequence turned out to be.
enum Source {
    Pictures(Vec<PathBuf>),
    Video(PathBuf),
}

/// Puts an end of a sequence into the store.
///
/// # Errors
/// Of kind input if there is no such sequence, a picture cannot be read or is of another size; of
/// kind storage if the store cannot be written; of kind cancelled.
pub(crate) fn gather(store: &Store, sequence: &str, end: End, cancel: &Cancel) -> Result<Known> {
    match files::resolve(sequence)? {
        Source::Pictures(paths) => from_pictures(store, sequence, end.of(paths), cancel),
        Source::Video(path) => {
            let frames = video::decode(&path, end)?.into_iter().map(|frame| (sequence.to_owned(), Ok(frame)));
            put(store, sequence, frames, cancel)
        }
    }
}

fn from_pictures(store: &Store, sequence: &str, paths: Vec<PathBuf>, cancel: &Cancel) -> Result<Known> {
    if let Some(gap) = natural::first_gap(&paths) {
        note(&format!("warning: {sequence} lacks a frame before {}", gap.display()));
    }
    let frames = paths.into_iter().map(|path| (path.display().to_string(), picture::read(&path)));
    put(store, sequence, frames, cancel)
}

fn put(
    store: &Store,
    sequence: &str,
    frames: impl Iterator<Item = (String, Result<PlateBuffer>)>,
    cancel: &Cancel,
) -> Result<Known> {
    let mut first: Option<Known> = None;
    for (name, frame) in frames {
        cancel.check()?;
        let frame = frame?;
        let size = (frame.width, frame.height);
        let plate = store.put_plate(&frame.image()).map_err(|error| error.within(&name))?;
        let known = first.get_or_insert_with(|| Known { size, plates: Vec::new(), name: name.clone() });
        if known.size != size {
            return Err(mixed(&known.name, known.size, &name, size));
        }
        known.plates.push(plate);
    }
    first.ok_or_else(|| Error::input(format!("expected at least one frame in {sequence}, got none.")))
}

fn mixed(one: &str, one_size: (u32, u32), other: &str, other_size: (u32, u32)) -> Error {
    let size = |(width, height)| format!("{width}×{height}");
    Error::input(format!(
        "expected frames of one size, but {one} has {} and {other} has {}.",
        size(one_size),
        size(other_size)
    ))
    .hint("Bring all frames to the timeline's size first.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_keep_their_order() {
        assert_eq!(End::First(2).of(vec![1, 2, 3]), [1, 2]);
        assert_eq!(End::Last(2).of(vec![1, 2, 3]), [2, 3]);
        assert_eq!(End::Last(9).of(vec![1, 2, 3]), [1, 2, 3]);
    }
}
