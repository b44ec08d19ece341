//! Video files, through the ffmpeg that the user has.
//!
//! ffmpeg writes every frame as a binary PPM (netpbm's `P6`, 8 bits) to a pipe; only the wanted end
//! is kept in memory, and nothing is written to the disk.

use pickup_core::{Canvas, Error, Result};
use pickup_takes::{PlateBuffer, plate_from_rgba8};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::End;

/// How ffmpeg is told to hand on every frame once, since 5.1 and before.
const EVERY_FRAME: [&str; 2] = ["-fps_mode", "-vsync"];

/// The frames of a stretch of a video.
///
/// # Errors
/// Of kind input if there is no ffmpeg, or it cannot read the file.
pub(super) fn decode(path: &Path, end: End) -> Result<Vec<PlateBuffer>> {
    let mut reason = String::new();
    for option in EVERY_FRAME {
        match run(path, option, end)? {
            Ok(frames) => return frames.into_iter().map(Ppm::into_plate).collect(),
            Err(why) => reason = why,
        }
        if !reason.contains(option.trim_start_matches('-')) {
            break;
        }
    }
    Err(Error::input(format!("ffmpeg cannot read {}: {reason}.", path.display()))
        .hint("Give a video that plays, or export it as a sequence of pictures."))
}

/// Runs ffmpeg; the inner error is what it said.
fn run(path: &Path, option: &str, end: End) -> Result<Result<Vec<Ppm>, String>> {
    // A file, as nobody reads what it says while its pictures are read.
    let said =
        tempfile::tempfile().map_err(|error| Error::storage(format!("no file can be made: {error}.")))?;
    let mut ffmpeg = start(path, option, &said)?;
    let output = ffmpeg.stdout.take().map(BufReader::new);
    let frames = output.map_or(Ok(Vec::new()), |output| read_end(output, end));
    // It may go on where not all of it was wanted.
    let _ = ffmpeg.kill();
    let _ = ffmpeg.wait();
    let reason = reason(said);
    Ok(match frames {
        Err(error) => Err(error.to_string()),
        Ok(frames) if frames.is_empty() => Err(reason),
        Ok(frames) => Ok(frames),
    })
}

fn start(path: &Path, every_frame: &str, said: &File) -> Result<Child> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i"]).arg(path);
    command.args(["-map", "0:v:0", every_frame, "passthrough"]);
    command.args(["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"]);
    let errors = said.try_clone().map_or_else(|_| Stdio::null(), Stdio::from);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
    command.spawn().map_err(|error| {
        Error::input(format!(
            "reading the video {} needs ffmpeg, which did not start: {error}.",
            path.display()
        ))
        .hint("Install ffmpeg so that it is on the PATH, or export the video as a sequence of pictures.")
    })
}

/// What ffmpeg said, in one line.
fn reason(mut said: File) -> String {
    let mut bytes = Vec::new();
    let _ = said.rewind().and_then(|()| said.take(1 << 16).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
    let reason = if lines.is_empty() { "it has no pictures".to_owned() } else { lines.join("; ") };
    reason.trim_end_matches('.').to_owned()
}

/// One picture: `(h, w, 3)` in 8 bits.
struct Ppm {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Ppm {
    fn into_plate(self) -> Result<PlateBuffer> {
        let rgba: Vec<u8> =
            self.pixels.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], u8::MAX]).collect();
        plate_from_rgba8(self.width, self.height, &rgba)
    }
}

fn read_end(mut from: impl BufRead, end: End) -> io::Result<Vec<Ppm>> {
    let mut kept = VecDeque::new();
    let mut read = 0;
    while let Some(picture) = read_ppm(&mut from)? {
        read += 1;
        match end {
            End::Within { skip, .. } if read <= skip => continue,
            _ => kept.push_back(picture),
        }
        match end {
            End::First(count) | End::Within { count, .. } if kept.len() >= count => break,
            End::Last(count) if kept.len() > count => drop(kept.pop_front()),
            _ => {}
        }
    }
    Ok(kept.into())
}

/// The next picture; `None` at the end. <https://netpbm.sourceforge.net/doc/ppm.html>, without
/// comments, which ffmpeg does not write.
fn read_ppm(from: &mut impl BufRead) -> io::Result<Option<Ppm>> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("its output has a bad {what}"));
    if from.fill_buf()?.is_empty() {
        return Ok(None);
    }
    if read_word(from)? != "P6" {
        return Err(bad("magic number"));
    }
    let mut side = || -> io::Result<u32> {
        let side = read_word(from)?.parse().map_err(|_| bad("size"))?;
        if (1..=Canvas::MAX_SIDE).contains(&side) { Ok(side) } else { Err(bad("size")) }
    };
    let (width, height) = (side()?, side()?);
    if read_word(from)? != "255" {
        return Err(bad("depth"));
    }
    let mut pixels = vec![0; width as usize * height as usize * 3];
    from.read_exact(&mut pixels)?;
    Ok(Some(Ppm { width, height, pixels }))
}

/// Characters up to the one white space that ends them.
fn read_word(from: &mut impl BufRead) -> io::Result<String> {
    let mut word = String::new();
    for byte in from.by_ref().take(16).bytes() {
        match byte? {
            byte if byte.is_ascii_whitespace() => break,
            byte => word.push(char::from(byte)),
        }
    }
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(count: u8) -> Vec<u8> {
        (0..count).flat_map(|n| [b"P6\n2 1\n255\n".as_slice(), &[n, 1, 2, 3, 4, 5]].concat()).collect()
    }

    #[test]
    fn only_the_wanted_end_is_kept() {
        let first = |end| -> Vec<u8> {
            read_end(stream(5).as_slice(), end).unwrap().iter().map(|picture| picture.pixels[0]).collect()
        };
        assert_eq!(first(End::First(2)), [0, 1]);
        assert_eq!(first(End::Last(2)), [3, 4]);
        assert_eq!(first(End::Last(9)), [0, 1, 2, 3, 4]);
        assert_eq!(first(End::Within { skip: 1, count: 3 }), [1, 2, 3]);
        let plate = read_end(stream(1).as_slice(), End::First(1)).unwrap().remove(0).into_plate().unwrap();
        assert_eq!((plate.width, plate.height, plate.pixels[7]), (2, 1, half::f16::ONE));
    }

    proptest! {
        #[test]
        fn cuts_and_noise_never_panic(cut in 0usize..34, at in 0usize..34, value in any::<u8>()) {
            let mut bytes = stream(2);
            bytes[at] = value;
            let _ = read_end(&bytes[..cut], End::Last(1));
        }
    }

    #[test]
    fn a_cut_picture_is_an_error() {
        assert!(read_end(&stream(2)[..30], End::Last(1)).is_err());
        assert!(read_end(b"P6\n99999 1\n255\n".as_slice(), End::Last(1)).is_err());
    }
}
