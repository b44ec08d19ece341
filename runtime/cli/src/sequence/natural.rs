//! Names in the order that people count: `shot2` before `shot10`.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// Sorts by name, numbers in it by their value.
pub(super) fn sort(paths: &mut [PathBuf]) {
    paths.sort_by(|a, b| compare(&a.to_string_lossy(), &b.to_string_lossy()));
}

/// Numbers by value, the rest by character; a total order (equal only where the text is).
fn compare(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while let (Some(l), Some(r)) = (left.chars().next(), right.chars().next()) {
        let order = if l.is_ascii_digit() && r.is_ascii_digit() {
            compare_numbers(take_digits(&mut left), take_digits(&mut right))
        } else {
            left = &left[l.len_utf8()..];
            right = &right[r.len_utf8()..];
            l.cmp(&r)
        };
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

fn take_digits<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits
}

/// By value, of any length.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The last number in a file's name.
pub(super) fn last_number(path: &Path) -> Option<u64> {
    let stem = path.file_stem()?.to_str()?;
    let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = stem[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + stem[at..].chars().next().map_or(0, char::len_utf8));
    stem[start..end].parse().ok()
}

/// The first file whose number does not follow the one before, if all have one.
pub(super) fn first_gap(paths: &[PathBuf]) -> Option<&Path> {
    let numbers: Option<Vec<_>> = paths.iter().map(|path| last_number(path)).collect();
    let at = numbers?.windows(2).position(|pair| pair[0].checked_add(1) != Some(pair[1]))?;
    Some(&paths[at + 1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn numbers_count() {
        let mut names =
            paths(&["s10.png", "s2.png", "s1.png", "s002.png", "r9.png", "s100000000000000000000.png"]);
        sort(&mut names);
        let expected = ["r9.png", "s1.png", "s002.png", "s2.png", "s10.png", "s100000000000000000000.png"];
        assert_eq!(names, paths(&expected));
    }

    #[test]
    fn gaps_are_found_by_the_last_number() {
        assert_eq!(first_gap(&paths(&["v2_a.0008.png", "v2_a.0009.png", "v2_a.0010.png"])), None);
        assert_eq!(first_gap(&paths(&["é1.png", "é2.png", "é4.png"])), Some(Path::new("é4.png")));
        assert_eq!(first_gap(&paths(&["a.png", "b.png"])), None);
    }

    proptest! {
        #[test]
        fn it_is_an_order(a in "[a0-1é]{0,6}", b in "[a0-1é]{0,6}", c in "[a0-1é]{0,6}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
            prop_assert_eq!(compare(&a, &b).is_eq(), a == b);
        }
    }
}
