//! The frames of an input clip by timeline time.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::picture::Picture;
use crate::HostError;
use crate::plan::{Between, ClipPlan, Depth, Premultiplication, Segment};

/// What a clip has at a time.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// No frame.
    Nothing,
    /// No frame, said with a status of OK.
    OkNull,
    /// Bytes of the depth asked for, rows from top to bottom, no padding.
    Packed(Arc<Vec<u8>>),
}

/// An input clip.
#[derive(Debug)]
pub struct ClipSource {
    /// First and last frame.
    pub range: [i64; 2],
    runs: Vec<Run>,
    between: Between,
    held_as: Premultiplication,
    cache: Mutex<VecDeque<(Key, Arc<Vec<u8>>)>>,
}

#[derive(Debug)]
struct Run {
    at: i64,
    frames: Frames,
}

#[derive(Debug)]
enum Frames {
    Files(Vec<PathBuf>),
    Colour([f32; 4], i64),
}

type Key = (i64, usize, usize, Depth);

/// Frames kept ready, so that a plugin's gathering is not slowed by decoding twice.
const CACHED_FRAMES: usize = 48;

impl ClipSource {
    /// Finds the files of a clip.
    ///
    /// # Errors
    /// [`HostError::Media`] when a segment has no files, too few, or does not exist.
    pub fn open(plan: &ClipPlan, held_as: Premultiplication) -> Result<Self, HostError> {
        let runs: Result<Vec<Run>, HostError> = plan.segments.iter().map(open_run).collect();
        Ok(Self { range: plan.range, runs: runs?, between: plan.between, held_as, cache: Mutex::default() })
    }

    /// The frame at a time, rounded to the nearest whole one.
    ///
    /// # Errors
    /// [`HostError::Media`] when a file cannot be read.
    pub fn packed(&self, time: f64, width: usize, height: usize, depth: Depth) -> Result<Fetched, HostError> {
        let frame = time.round() as i64;
        if !(self.range[0]..=self.range[1]).contains(&frame) {
            return Ok(Fetched::Nothing);
        }
        let key = (frame, width, height, depth);
        if let Some((_, rows)) = self.cache.lock().iter().find(|(cached, _)| *cached == key) {
            return Ok(Fetched::Packed(Arc::clone(rows)));
        }
        let size = (u32::try_from(width).unwrap_or(1), u32::try_from(height).unwrap_or(1));
        let Some(picture) = self.picture(frame, size)? else {
            return Ok(if self.between == Between::OkNull { Fetched::OkNull } else { Fetched::Nothing });
        };
        let rows = Arc::new(picture.fitted(size.0, size.1).held_as(self.held_as).packed(depth));
        self.remember(key, &rows);
        Ok(Fetched::Packed(rows))
    }

    fn remember(&self, key: Key, rows: &Arc<Vec<u8>>) {
        let mut cache = self.cache.lock();
        if cache.len() >= CACHED_FRAMES {
            cache.pop_front();
        }
        cache.push_back((key, Arc::clone(rows)));
    }

    fn picture(&self, frame: i64, (width, height): (u32, u32)) -> Result<Option<Picture>, HostError> {
        let run = self.runs.iter().rev().find(|run| (run.at..run.at + run.frames.count()).contains(&frame));
        let solid = |colour| Ok(Some(Picture::solid(width, height, colour)));
        match run.map(|run| (&run.frames, usize::try_from(frame - run.at).unwrap_or(0))) {
            Some((Frames::Files(files), at)) => files.get(at).map(|file| Picture::read(file)).transpose(),
            Some((Frames::Colour(colour, _), _)) => solid(*colour),
            None => match self.between {
                Between::Null | Between::OkNull => Ok(None),
                Between::Black => solid([0.0, 0.0, 0.0, 1.0]),
                Between::Transparent => solid([0.0; 4]),
                Between::Colour(colour) => solid(colour),
            },
        }
    }
}

impl Frames {
    fn count(&self) -> i64 {
        match self {
            Self::Files(files) => i64::try_from(files.len()).unwrap_or(i64::MAX),
            Self::Colour(_, count) => *count,
        }
    }
}

fn open_run(segment: &Segment) -> Result<Run, HostError> {
    let frames = match (&segment.frames, segment.colour) {
        (Some(pattern), None) => Frames::Files(files(pattern, segment.first, segment.count)?),
        (None, Some(colour)) => Frames::Colour(colour, segment.count),
        _ => return Err(HostError::Plan("a segment has either frames or a colour".to_owned())),
    };
    Ok(Run { at: segment.at, frames })
}

/// The files of a `%06d` pattern, a glob or a folder.
fn files(pattern: &str, first: i64, count: i64) -> Result<Vec<PathBuf>, HostError> {
    let wanted = usize::try_from(count).map_err(|_| HostError::Plan(format!("count {count} is below 0")))?;
    let found: Vec<PathBuf> = if pattern.contains('%') {
        let numbered: Result<Vec<String>, _> = (first..first + count).map(|n| numbered(pattern, n)).collect();
        numbered?.into_iter().map(PathBuf::from).filter(|path| path.is_file()).collect()
    } else {
        let skip = usize::try_from(first).unwrap_or(0);
        listed(pattern)?.into_iter().skip(skip).take(wanted).collect()
    };
    if found.len() == wanted {
        return Ok(found);
    }
    Err(HostError::Media(format!("{pattern}: expected {wanted} frames from {first}, found {}", found.len())))
}

fn listed(pattern: &str) -> Result<Vec<PathBuf>, HostError> {
    let told = |error: &dyn std::fmt::Display| HostError::Media(format!("{pattern}: {error}"));
    let mut paths: Vec<PathBuf> = if Path::new(pattern).is_dir() {
        let entries = std::fs::read_dir(pattern).map_err(|error| told(&error))?;
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.is_file()).collect()
    } else {
        glob::glob(pattern).map_err(|error| told(&error))?.filter_map(Result::ok).collect()
    };
    paths.sort();
    Ok(paths)
}

/// Puts a number into a `%d` or `%06d` pattern.
///
/// # Errors
/// [`HostError::Plan`] for a pattern without one.
pub fn numbered(pattern: &str, number: i64) -> Result<String, HostError> {
    let told = || HostError::Plan(format!("expected one %06d or %d in {pattern}"));
    let (head, tail) = pattern.split_once('%').ok_or_else(told)?;
    let (width, tail) = tail.split_once('d').ok_or_else(told)?;
    let width: usize = if width.is_empty() { 0 } else { width.parse().map_err(|_| told())? };
    Ok(format!("{head}{number:0width$}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_numbers() {
        assert_eq!(numbered("a/%06d.png", 12).unwrap(), "a/000012.png");
        assert_eq!(numbered("a%d", -3).unwrap(), "a-3");
        assert!(numbered("a.png", 1).is_err());
        assert!(numbered("a%s.png", 1).is_err());
    }

    #[test]
    fn what_lies_between_is_served() {
        let plan = |between| ClipPlan {
            range: [0, 9],
            segments: vec![Segment { at: 2, frames: None, colour: Some([1.0; 4]), first: 0, count: 2 }],
            between,
        };
        let at = |between, time| {
            let clip = ClipSource::open(&plan(between), Premultiplication::Premultiplied).unwrap();
            clip.packed(time, 1, 1, Depth::Byte).unwrap()
        };
        assert!(matches!(at(Between::Null, 1.0), Fetched::Nothing));
        assert!(matches!(at(Between::OkNull, 1.0), Fetched::OkNull));
        assert!(matches!(at(Between::Black, 10.0), Fetched::Nothing));
        assert!(matches!(at(Between::Black, 1.0), Fetched::Packed(rows) if *rows == [0, 0, 0, 255]));
        assert!(matches!(at(Between::Black, 3.0), Fetched::Packed(rows) if *rows == [255; 4]));
        let half = Between::Colour([1.0, 0.5, 0.0, 0.5]);
        assert!(matches!(at(half, 4.0), Fetched::Packed(rows) if *rows == [128, 64, 0, 128]));
    }
}
