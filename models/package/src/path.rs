//! Paths inside a package.

/// Longest path in a package, in bytes.
const LONGEST: usize = 200;

/// Names that Windows keeps for devices, whatever the extension.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Whether `path` is safe in a package on every system: segments of `A–Z a–z 0–9 . _ - +`, joined
/// by single `/`, none of them empty, `.`, `..`, starting or ending with a full stop, or a Windows
/// device name. So no path is absolute, has a drive, a backslash or a stream, or leaves the folder.
///
/// # Errors
/// With what is wrong, as the end of a sentence.
pub fn check_path(path: &str) -> Result<(), String> {
    if path.len() > LONGEST {
        return Err(format!("expected a path of at most {LONGEST} bytes, found {}", path.len()));
    }
    path.split('/').try_for_each(|segment| {
        problem(segment).map_or(Ok(()), |what| {
            Err(format!("expected a relative path inside the package, found {path:?}: {what}"))
        })
    })
}

/// What is wrong with one segment.
fn problem(segment: &str) -> Option<&'static str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    if segment.is_empty() {
        Some("an empty segment")
    } else if segment.starts_with('.') || segment.ends_with('.') {
        Some("a segment starts or ends with a full stop")
    } else if !segment.chars().all(allowed) {
        Some("only A–Z, a–z, 0–9 and . _ - + may be used, with / between folders")
    } else if is_device(segment) {
        Some("a name that Windows keeps for a device")
    } else {
        None
    }
}

fn is_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = stem.len() == 4
        && (stem.starts_with("com") || stem.starts_with("lpt"))
        && stem.ends_with(|c: char| c.is_ascii_digit());
    numbered || DEVICES.contains(&stem.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    #[test]
    fn takes_ordinary_paths_and_no_others() {
        for good in ["a", "vae/enc_first.onnx", "LICENSE", "a/b/c-1.0+x.bin", "com10.txt", "console"] {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "./a",
            "a\\b",
            "..\\a",
            "C:",
            "C:a",
            "C:/a",
            "\\\\server\\share",
            "a:stream",
            "a\0b",
            "a b",
            "ä",
            "a.",
            ".hidden",
            "NUL",
            "nul.txt",
            "a/Com1",
            "LPT9.bin",
            "a\n",
            "~/a",
            "%2e%2e/a",
            "a/．．/b",
        ] {
            assert!(check_path(bad).is_err(), "{bad:?} must be refused");
        }
        assert!(check_path(&"a".repeat(LONGEST + 1)).is_err());
    }

    proptest! {
        #[test]
        fn what_passes_stays_inside(path in r"[a-zA-Z0-9._/\\:+-]{0,24}|\PC{0,12}") {
            if check_path(&path).is_ok() {
                prop_assert!(Path::new(&path).components().all(|part| matches!(part, Component::Normal(_))));
                prop_assert!(!path.contains(['\\', ':']));
                prop_assert_eq!(Path::new(&path).components().count(), path.split('/').count());
            }
        }

        #[test]
        fn going_up_is_refused_wherever_it_stands(before in "[a-z/]{0,8}", after in "[a-z/]{0,8}", up in r"\.\.|/\.\./|\\\.\.\\") {
            let path = format!("{before}{up}{after}");
            let leaves = path.split(['/', '\\']).any(|segment| segment == "..");
            if leaves {
                prop_assert!(check_path(&path).is_err());
            }
        }
    }
}
