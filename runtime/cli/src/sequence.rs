//! Sequences of pictures: what SEQ on the command line means.

mod files;
mod natural;
mod pattern;
mod video;

use pickup_core::{Cancel, Error, Result};
use pickup_takes::PlateBuffer;
use std::path::PathBuf;

use crate::console::note;
use crate::picture;

/// Which stretch of a sequence is wanted, and at most how many frames of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    First(usize),
    Last(usize),
    /// So many frames behind the first `skip`.
    Within {
        skip: usize,
        count: usize,
    },
}

impl End {
    /// That stretch of `items`, in their order.
    fn of<T>(self, mut items: Vec<T>) -> Vec<T> {
        match self {
            Self::First(count) => items.truncate(count),
            Self::Last(count) => drop(items.drain(..items.len().saturating_sub(count))),
            Self::Within { skip, count } => {
                items.drain(..skip.min(items.len()));
                items.truncate(count);
            }
        }
        items
    }
}

/// Known frames of one size, read but not yet in the store: nothing is stored before all of a job's
/// input is known to be good.
pub(crate) struct Known {
    /// Width and height in pixels.
    pub(crate) size: (u32, u32),
    /// The frames in order; at least one.
    pub(crate) frames: Vec<PlateBuffer>,
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

/// Reads a stretch of a sequence.
///
/// # Errors
/// Of kind input if there is no such sequence, a picture cannot be read or is of another size; of
/// kind cancelled.
pub(crate) fn gather(sequence: &str, end: End, cancel: &Cancel) -> Result<Known> {
    match files::resolve(sequence)? {
        Source::Pictures(paths) => from_pictures(sequence, end.of(paths), cancel),
        Source::Video(path) => {
            let frames = video::decode(&path, end)?.into_iter().map(|frame| (sequence.to_owned(), Ok(frame)));
            collect(sequence, frames, cancel)
        }
    }
}

fn from_pictures(sequence: &str, paths: Vec<PathBuf>, cancel: &Cancel) -> Result<Known> {
    if let Some(gap) = natural::first_gap(&paths) {
        note(&format!("warning: {sequence} lacks a frame before {}", gap.display()));
    }
    let frames = paths.into_iter().map(|path| (path.display().to_string(), picture::read(&path)));
    collect(sequence, frames, cancel)
}

fn collect(
    sequence: &str,
    frames: impl Iterator<Item = (String, Result<PlateBuffer>)>,
    cancel: &Cancel,
) -> Result<Known> {
    let mut first: Option<Known> = None;
    for (name, frame) in frames {
        cancel.check()?;
        let frame = frame?;
        let size = (frame.width, frame.height);
        let known = first.get_or_insert_with(|| Known { size, frames: Vec::new(), name: name.clone() });
        if known.size != size {
            return Err(mixed(&known.name, known.size, &name, size));
        }
        known.frames.push(frame);
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
        assert_eq!(End::Within { skip: 1, count: 2 }.of(vec![1, 2, 3, 4]), [2, 3]);
        assert_eq!(End::Within { skip: 3, count: 9 }.of(vec![1, 2, 3, 4]), [4]);
        assert!(End::Within { skip: 9, count: 2 }.of(vec![1, 2]).is_empty());
    }
}
