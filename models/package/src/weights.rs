//! Whether the weights of a package lie where its graphs say, and are numbers.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use pickup_core::Result;

use crate::folder::unreadable;
use crate::onnx::{Weights, element};
use crate::{Manifest, read};

/// Bytes that are looked at together.
const BLOCK: usize = 1 << 20;

/// The numbers of a package; what several graphs share is looked at once.
pub(crate) struct Numbers<'a> {
    dir: &'a Path,
    manifest: &'a Manifest,
    seen: HashSet<(String, u64, u64)>,
}

impl<'a> Numbers<'a> {
    pub fn new(dir: &'a Path, manifest: &'a Manifest) -> Self {
        Self { dir, manifest, seen: HashSet::new() }
    }

    /// Looks at the weights of the graph in `path`, a path of the manifest.
    ///
    /// # Errors
    /// If they lie elsewhere than in a listed file, beyond its end, or one is not a number.
    pub fn check<'w>(&mut self, path: &str, weights: impl Iterator<Item = &'w Weights>) -> Result<()> {
        for tensor in weights {
            match tensor.external("location") {
                Some(location) => self.check_outside(path, location, tensor)?,
                None => {
                    let bad = tensor.floats.iter().filter(|number| number.is_nan()).count();
                    let bad = bad + nans(tensor.element, &tensor.raw);
                    self.check_count(path, tensor, bad)?;
                }
            }
        }
        Ok(())
    }

    fn check_outside(&mut self, path: &str, location: &str, tensor: &Weights) -> Result<()> {
        let beside = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let file = format!("{beside}{location}");
        let field = |what: &str| format!("weights.{}.{what}", tensor.name);
        let Some(record) = self.manifest.files.get(&file) else {
            let what = format!("expected a file listed in `files`, found {file:?}");
            return Err(self.wrong(path, &field("location"), &what));
        };
        let number = |key| tensor.external(key).map_or(Some(0), |text| text.parse::<u64>().ok());
        let (offset, length) = match (number("offset"), number("length")) {
            (Some(offset), Some(length)) => (offset, length),
            _ => return Err(self.wrong(path, &field("offset"), "expected bytes, found no number")),
        };
        if offset.checked_add(length).is_none_or(|end| end > record.bytes) {
            let what =
                format!("expected at most {} bytes of {file}, found {offset} + {length}", record.bytes);
            return Err(self.wrong(path, &field("length"), &what));
        }
        if !self.seen.insert((file.clone(), offset, length)) || number_format(tensor.element).is_none() {
            return Ok(());
        }
        let place = self.dir.join(&file);
        let count = || -> std::io::Result<usize> {
            let mut reader = File::open(&place)?;
            reader.seek(SeekFrom::Start(offset))?;
            let mut reader = reader.take(length);
            let mut block = Vec::with_capacity(BLOCK);
            let mut bad = 0;
            // A block holds whole numbers: its length is a multiple of every width.
            while {
                block.clear();
                reader.by_ref().take(BLOCK as u64).read_to_end(&mut block)?
            } > 0
            {
                bad += nans(tensor.element, &block);
            }
            Ok(bad)
        };
        let bad = count().map_err(|error| unreadable(&place, &error))?;
        self.check_count(&file, tensor, bad)
    }

    fn check_count(&self, file: &str, tensor: &Weights, bad: usize) -> Result<()> {
        if bad == 0 {
            return Ok(());
        }
        let all: i64 = tensor.shape.iter().product();
        let what = format!("expected {all} numbers, found {bad} that are none (NaN)");
        Err(self.wrong(file, &format!("weights.{}", tensor.name), &what))
    }

    fn wrong(&self, file: &str, field: &str, what: &str) -> pickup_core::Error {
        read::bad(&self.dir.join(file).display().to_string(), field, what)
    }
}

/// Bytes of a floating-point number, and infinity in its bits: a larger magnitude is no number (IEEE 754-2019,
/// 3.4; bfloat16 is the upper half of binary32). `None` for other elements.
fn number_format(element: i32) -> Option<(usize, u64)> {
    match element {
        element::FLOAT => Some((4, 0x7f80_0000)),
        element::FLOAT16 => Some((2, 0x7c00)),
        element::BFLOAT16 => Some((2, 0x7f80)),
        element::DOUBLE => Some((8, 0x7ff0_0000_0000_0000)),
        _ => None,
    }
}

/// How many numbers of `bytes`, little-endian as ONNX has them, are none.
fn nans(element: i32, bytes: &[u8]) -> usize {
    match number_format(element) {
        Some((2, infinity)) => {
            let magnitude = |b: [u8; 2]| u16::from_le_bytes(b) & !(1 << 15);
            bytes.as_chunks().0.iter().filter(|b| u64::from(magnitude(**b)) > infinity).count()
        }
        Some((4, infinity)) => {
            let magnitude = |b: [u8; 4]| u32::from_le_bytes(b) & !(1 << 31);
            bytes.as_chunks().0.iter().filter(|b| u64::from(magnitude(**b)) > infinity).count()
        }
        Some((_, infinity)) => {
            let magnitude = |b: [u8; 8]| u64::from_le_bytes(b) & !(1 << 63);
            bytes.as_chunks().0.iter().filter(|b| magnitude(**b) > infinity).count()
        }
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_are_counted_in_every_width() {
        let bytes = |numbers: &[f32]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
        let numbers = [1.0, -f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN, 0.0];
        assert_eq!(nans(element::FLOAT, &bytes(&numbers)), 2);
        let half: Vec<_> = numbers.iter().flat_map(|n| half::f16::from_f32(*n).to_le_bytes()).collect();
        assert_eq!(nans(element::FLOAT16, &half), 2);
        let brain: Vec<_> = numbers.iter().flat_map(|n| half::bf16::from_f32(*n).to_le_bytes()).collect();
        assert_eq!(nans(element::BFLOAT16, &brain), 2);
        let double: Vec<_> = numbers.iter().flat_map(|n| f64::from(*n).to_le_bytes()).collect();
        assert_eq!(nans(element::DOUBLE, &double), 2);
        assert_eq!(nans(element::INT64, &[0xff; 64]), 0);
    }
}
