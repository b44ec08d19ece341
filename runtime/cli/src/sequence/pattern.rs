//! Patterns such as `shot/%06d.png`, as ffmpeg and most renderers write them.

use pickup_core::{Error, Result};
use std::path::{Path, PathBuf};

/// A name with a number in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern<'a> {
    folder: &'a Path,
    before: &'a str,
    /// Digits that the number is padded to with zeros.
    digits: usize,
    after: &'a str,
}

/// The parts of a pattern: `%d` or `%0Nd` in the file's name. `None` if it has none.
pub(super) fn split(sequence: &str) -> Option<Pattern<'_>> {
    let path = Path::new(sequence);
    let name = path.file_name()?.to_str()?;
    let (before, rest) = name.split_once('%')?;
    let (digits, after) = rest.split_once('d')?;
    let digits = match digits.strip_prefix('0') {
        Some(digits) => digits.parse().ok().filter(|digits| (1..=20).contains(digits))?,
        None if digits.is_empty() => 1,
        None => return None,
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(Pattern { folder, before, digits, after })
}

/// The files that a pattern means, by their number.
///
/// # Errors
/// Of kind input, if the folder cannot be read.
pub(super) fn find(pattern: &Pattern<'_>) -> Result<Vec<PathBuf>> {
    let folder = pattern.folder;
    let entries = std::fs::read_dir(folder).map_err(|error| {
        Error::input(format!("the folder {} cannot be read: {error}.", folder.display()))
            .hint("Check the path.")
    })?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<_> =
        names.filter_map(|name| Some((number(pattern, &name)?, folder.join(&name)))).collect();
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The number that makes `name` of the pattern.
fn number(pattern: &Pattern<'_>, name: &str) -> Option<u64> {
    let digits = name.strip_prefix(pattern.before)?.strip_suffix(pattern.after)?;
    let canonical =
        digits.len() == pattern.digits || (digits.len() > pattern.digits && !digits.starts_with('0'));
    (canonical && digits.bytes().all(|digit| digit.is_ascii_digit())).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_recognised() {
        let pattern = split("a/b.%04d.png").unwrap();
        assert_eq!(pattern, Pattern { folder: Path::new("a"), before: "b.", digits: 4, after: ".png" });
        assert_eq!(split("%d.exr").unwrap().folder, Path::new("."));
        for other in ["a.png", "100%.png", "%s.png", "%4d.png", "%0d.png", "%099d.png"] {
            assert_eq!(split(other), None, "{other}");
        }
    }

    #[test]
    fn only_what_the_pattern_would_write_matches() {
        let pattern = split("f_%03d.png").unwrap();
        let number = |name| number(&pattern, name);
        assert_eq!((number("f_007.png"), number("f_1234.png")), (Some(7), Some(1234)));
        for other in
            ["f_07.png", "f_0007.png", "f_.png", "f_-01.png", "f_007.exr", "g_007.png", "f_007.png.bak"]
        {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
