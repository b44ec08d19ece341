//! Is a shared library whole? Asked before it is loaded: mapping a truncated one kills the process
//! with SIGBUS, and no error can be reported after that.

use pickup_core::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const REMEDY: &str = "Fetch ONNX Runtime again: `cargo xtask setup`, or install Pickup again.";

/// The pin file of `library`: its name with `.sha256` behind it.
pub(crate) fn pin_path(library: &Path) -> PathBuf {
    let mut name = library.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

/// Checks `library`, and every file named beside it in its pin file, against that file.
///
/// The pin file is what `sha256sum` writes: one line per file, `<64 hexadecimal digits>  <name>`.
/// A line without a name means the library itself; names have no folders.
///
/// # Errors
/// If the pin file is missing or not one, or a file differs from it.
pub(crate) fn check_pinned(library: &Path) -> Result<()> {
    let pin = pin_path(library);
    let text = std::fs::read_to_string(&pin).map_err(|error| {
        Error::runtime(format!(
            "expected the checksum of {} in {}: {error}.",
            library.display(),
            pin.display()
        ))
        .hint(REMEDY)
    })?;
    let own_name = file_name(library);
    let pins = parse(&text, &own_name).ok_or_else(|| {
        Error::runtime(format!("{} is not a list of checksums.", pin.display())).hint(REMEDY)
    })?;
    if !pins.iter().any(|(_, name)| *name == own_name) {
        return Err(Error::runtime(format!("{} does not name {own_name}.", pin.display())).hint(REMEDY));
    }
    pins.iter().try_for_each(|(expected, name)| check_hash(&library.with_file_name(name), expected))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Lines of `(hash, name)`; `None` if any line is something else.
fn parse(text: &str, own_name: &str) -> Option<Vec<(String, String)>> {
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| parse_line(line, own_name)).collect()
}

fn parse_line(line: &str, own_name: &str) -> Option<(String, String)> {
    let (hash, name) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), own_name));
    let name = name.trim().trim_start_matches('*');
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_plain = !name.is_empty() && !name.contains(['/', '\\', ':']);
    (is_hash && is_plain).then(|| (hash.to_ascii_lowercase(), name.to_owned()))
}

fn check_hash(path: &Path, expected: &str) -> Result<()> {
    let got = sha256(path).map_err(|error| {
        Error::runtime(format!("could not read {}: {error}.", path.display())).hint(REMEDY)
    })?;
    if got == expected {
        return Ok(());
    }
    Err(Error::runtime(format!(
        "{} is damaged: expected SHA-256 {}…, got {}….",
        path.display(),
        &expected[..12],
        &got[..12]
    ))
    .hint(REMEDY))
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; 1 << 20];
    loop {
        match file.read(&mut block)? {
            0 => break,
            count => hasher.update(&block[..count]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Checks that a library without a pin is at least not cut off: an ELF file ends behind its section
/// headers (`e_shoff`, `e_shentsize`, `e_shnum` of the ELF-64 header, System V gABI chapter 4).
/// Windows does this itself and reports it; other formats are left to the loader.
///
/// # Errors
/// If the file cannot be read, is no shared library, or is shorter than its header says.
pub(crate) fn check_whole(library: &Path) -> Result<()> {
    let damaged = |why: String| {
        Error::runtime(format!("{} is not a whole shared library: {why}.", library.display()))
            .hint("Point PICKUP_ONNXRUNTIME at the library of ONNX Runtime, or unset it.")
    };
    let mut header = [0; 64];
    let mut file = File::open(library).map_err(|error| damaged(error.to_string()))?;
    let length = file.metadata().map_err(|error| damaged(error.to_string()))?.len();
    file.read_exact(&mut header).map_err(|_| damaged(format!("it has only {length} bytes")))?;
    let Some(expected) = elf_length(&header) else {
        return if cfg!(target_os = "linux") {
            Err(damaged("it does not begin like one".into()))
        } else {
            Ok(())
        };
    };
    if length < expected {
        return Err(damaged(format!("expected at least {expected} bytes, got {length}")));
    }
    Ok(())
}

/// Where the section headers of a little-endian ELF-64 file end; `None` if it is something else.
fn elf_length(header: &[u8; 64]) -> Option<u64> {
    const MAGIC_64_LITTLE: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
    if header[..6] != MAGIC_64_LITTLE {
        return None;
    }
    let half = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let offset = u64::from_le_bytes(header[40..48].try_into().ok()?);
    offset.checked_add(half(58) * half(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of "abc" (FIPS 180-4, example B.1).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn pinned(content: &str, pin: &str) -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("libonnxruntime.so.1");
        std::fs::write(&library, content).unwrap();
        std::fs::write(pin_path(&library), pin).unwrap();
        std::fs::write(folder.path().join("provider.so"), "abc").unwrap();
        check_pinned(&library)
    }

    #[test]
    fn takes_what_sha256sum_writes_and_notices_a_changed_byte() {
        for pin in [
            ABC.to_owned(),
            format!("{ABC}  libonnxruntime.so.1\n"),
            format!("{ABC} *libonnxruntime.so.1\r\n"),
        ] {
            assert!(pinned("abc", &pin).is_ok(), "{pin:?}");
            assert!(pinned("abd", &pin).unwrap_err().message.contains("damaged"), "{pin:?}");
        }
    }

    #[test]
    fn checks_the_files_beside_it_too() {
        let beside =
            |hash: &str| pinned("abc", &format!("{ABC}  libonnxruntime.so.1\n{hash}  provider.so\n"));
        assert!(beside(ABC).is_ok());
        assert!(beside(&ABC.replace('b', "c")).is_err());
    }

    #[test]
    fn refuses_pins_that_are_none() {
        for pin in ["", "abc", &ABC[1..], &format!("{ABC}  ../x.so"), &format!("{ABC}  other.so")] {
            assert!(pinned("abc", pin).is_err(), "{pin:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_cut_library_is_noticed_without_a_pin() {
        let whole = std::env::current_exe().unwrap();
        check_whole(&whole).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cut = folder.path().join("cut.so");
        let bytes = std::fs::read(&whole).unwrap();
        for length in [0, 10, 64, bytes.len() / 2] {
            std::fs::write(&cut, &bytes[..length]).unwrap();
            assert!(check_whole(&cut).is_err(), "cut at {length}");
        }
        std::fs::write(&cut, [b'x'; 100]).unwrap();
        assert!(check_whole(&cut).is_err(), "not an ELF file");
    }
}
