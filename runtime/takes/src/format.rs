//! The file format of frames, shared by plates and takes.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `PKUPHALF` |
//! | 8 | 4 | version, [`VERSION`] |
//! | 12 | 4 | width in pixels |
//! | 16 | 4 | height in pixels |
//! | 20 | 4 | number of frames |
//! | 24 | 8 | length of this header, a multiple of [`PAGE`] |
//! | 32 | 32 | BLAKE3 of the record beside the frames; zero where there is none |
//! | 64 | 32 | BLAKE3 of this header with these 32 bytes zero |
//! | 96 | 32 each | [`frame_hash`] of every frame |
//!
//! Zeros follow to the header's length, then the frames, each `(h, w, 4)` halves. All numbers are
//! little-endian.

use blake3::Hasher;
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};
use half::f16;
use pickup_core::Canvas;

/// The version that is written and read.
pub(crate) const VERSION: u32 = 1;
/// Frames start on a multiple of this many bytes.
pub(crate) const PAGE: usize = 4096;

const MAGIC: [u8; 8] = *b"PKUPHALF";
const CHECKSUM: std::ops::Range<usize> = 64..96;
const FIXED: usize = 96;
const HASH: usize = 32;
/// Most threads that hash a frame, a power of two; more than two, as systems sometimes start two on one core.
const PARTS: usize = 4;
/// Bytes from which on it pays to hash two halves at once. More than BLAKE3's chunk of 1024, which has none.
const LARGE: usize = 2 << 20;

/// What is wrong with a header, in words that follow "is damaged:".
pub(crate) type Fault = String;

/// Width, height, number of frames: all that fixes where everything lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) frames: u32,
}

impl Layout {
    /// A layout of a size that a canvas can have.
    pub(crate) fn new(width: u32, height: u32, frames: u32) -> Result<Self, Fault> {
        let side = 1..=Canvas::MAX_SIDE;
        if !side.contains(&width) || !side.contains(&height) {
            return Err(format!(
                "expected a size up to {max}×{max}, got {width}×{height}",
                max = Canvas::MAX_SIDE
            ));
        }
        if !(1..=Canvas::MAX_FRAMES).contains(&(frames as usize)) {
            return Err(format!("expected 1 to {} frames, got {frames}", Canvas::MAX_FRAMES));
        }
        let layout = Self { width, height, frames };
        match usize::try_from(layout.file_bytes()) {
            Ok(_) => Ok(layout),
            Err(_) => Err(format!("{width}×{height}×{frames} does not fit this machine's memory")),
        }
    }

    /// Halves in one row.
    pub(crate) fn row_len(self) -> usize {
        self.width as usize * 4
    }

    /// Halves in one frame.
    pub(crate) fn frame_len(self) -> usize {
        self.row_len() * self.height as usize
    }

    /// Length of the header in bytes.
    pub(crate) fn header_bytes(self) -> usize {
        (FIXED + HASH * self.frames as usize).next_multiple_of(PAGE)
    }

    /// Where a frame starts, in bytes.
    pub(crate) fn frame_offset(self, frame: usize) -> usize {
        self.header_bytes() + frame * self.frame_len() * 2
    }

    /// Length of the whole file in bytes. At most 2¹⁴·2¹⁴·8·2¹² = 2⁴³ and a header: no overflow.
    pub(crate) fn file_bytes(self) -> u64 {
        self.header_bytes() as u64 + self.frame_len() as u64 * 2 * u64::from(self.frames)
    }
}

/// What stands before the frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) layout: Layout,
    /// BLAKE3 of the record; zero where there is none.
    pub(crate) record: [u8; HASH],
    /// [`frame_hash`] of every frame.
    pub(crate) frames: Vec<[u8; HASH]>,
}

impl Header {
    /// As it is written.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let layout = self.layout;
        let mut bytes = Vec::with_capacity(layout.header_bytes());
        bytes.extend(MAGIC);
        for number in [VERSION, layout.width, layout.height, layout.frames] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend((layout.header_bytes() as u64).to_le_bytes());
        bytes.extend(self.record);
        bytes.extend([0; HASH]);
        bytes.extend(self.frames.iter().flatten());
        bytes.resize(layout.header_bytes(), 0);
        let checksum = checksum(&bytes);
        bytes[CHECKSUM].copy_from_slice(&checksum);
        bytes
    }

    /// Reads the header of a whole `file` and checks it, and the file's length, but not the frames.
    pub(crate) fn read(file: &[u8]) -> Result<Self, Fault> {
        let layout = read_layout(file)?;
        if file.len() as u64 != layout.file_bytes() {
            return Err(format!("expected {} bytes, got {}", layout.file_bytes(), file.len()));
        }
        let header = &file[..layout.header_bytes()];
        if header[CHECKSUM] != checksum(header) {
            return Err("its header does not match its checksum".into());
        }
        let hashes = header[FIXED..].chunks_exact(HASH).take(layout.frames as usize);
        Ok(Self {
            layout,
            record: hash_at(header, 32),
            frames: hashes.map(|hash| hash_at(hash, 0)).collect(),
        })
    }
}

fn read_layout(file: &[u8]) -> Result<Layout, Fault> {
    if file.len() < FIXED {
        return Err(format!("expected a header of {FIXED} bytes or more, got {}", file.len()));
    }
    if file[..8] != MAGIC {
        return Err("it is not a file of frames".into());
    }
    let number = |at: usize| u32::from_le_bytes([file[at], file[at + 1], file[at + 2], file[at + 3]]);
    if number(8) != VERSION {
        return Err(format!("expected version {VERSION}, got {}", number(8)));
    }
    Layout::new(number(12), number(16), number(20))
}

fn hash_at(bytes: &[u8], at: usize) -> [u8; HASH] {
    let mut hash = [0; HASH];
    hash.copy_from_slice(&bytes[at..at + HASH]);
    hash
}

fn checksum(header: &[u8]) -> [u8; HASH] {
    let mut hasher = Hasher::new();
    hasher.update(&header[..CHECKSUM.start]).update(&[0; HASH]).update(&header[CHECKSUM.end..]);
    *hasher.finalize().as_bytes()
}

/// BLAKE3 of width and height (little-endian `u32`) and the halves. It is a plate's id, and a
/// take's frame hash: a generated frame and the plate made of it have one name.
///
/// A large frame is hashed on several threads: a host waits for this when it first shows it. They are our own and end with
/// it; those of BLAKE3's feature `rayon` would stay in a host that has unloaded the plugin.
pub(crate) fn frame_hash(width: u32, height: u32, pixels: &[f16]) -> [u8; HASH] {
    let size = [width.to_le_bytes(), height.to_le_bytes()];
    let bytes = bytemuck::cast_slice(pixels);
    let frame = Subtree { offset: 0, head: size.as_flattened(), bytes, parts: PARTS };
    match frame.halves() {
        Some((left, right)) => *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes(),
        None => *Hasher::new().update(frame.head).update(frame.bytes).finalize().as_bytes(),
    }
}

/// A part of what is hashed that is a subtree of BLAKE3's: `head` and `bytes` behind each other.
#[derive(Clone, Copy)]
struct Subtree<'a> {
    /// Bytes before it.
    offset: u64,
    head: &'a [u8],
    bytes: &'a [u8],
    /// On how many threads it may be hashed.
    parts: usize,
}

impl Subtree<'_> {
    fn hash(self) -> ChainingValue {
        match self.halves() {
            Some((left, right)) => merge_subtrees_non_root(&left, &right, Mode::Hash),
            None => {
                let mut hasher = Hasher::new();
                hasher.set_input_offset(self.offset).update(self.head).update(self.bytes).finalize_non_root()
            }
        }
    }

    /// The hashes of its two halves, made at once; `None` if one thread is enough.
    fn halves(self) -> Option<(ChainingValue, ChainingValue)> {
        if self.parts < 2 || self.bytes.len() < LARGE {
            return None;
        }
        let parts = self.parts / 2;
        let left = left_subtree_len((self.head.len() + self.bytes.len()) as u64);
        let (first, second) = self.bytes.split_at(left as usize - self.head.len());
        let first = Self { bytes: first, parts, ..self };
        let second = Self { offset: self.offset + left, head: &[], bytes: second, parts };
        Some(std::thread::scope(|scope| {
            // Here, where the system has no thread to give.
            let own = std::thread::Builder::new().spawn_scoped(scope, || first.hash());
            let second = second.hash();
            (own.ok().and_then(|own| own.join().ok()).unwrap_or_else(|| first.hash()), second)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(width: u32, height: u32, frames: u32) -> Vec<u8> {
        let layout = Layout::new(width, height, frames).unwrap();
        let hashes = (0..frames).map(|frame| [frame as u8; HASH]).collect();
        let mut bytes = Header { layout, record: [7; HASH], frames: hashes }.to_bytes();
        bytes.resize(layout.file_bytes() as usize, 0);
        bytes
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(width in 1u32..40, height in 1u32..40, frames in 1u32..300) {
            let bytes = file(width, height, frames);
            let header = Header::read(&bytes).unwrap();
            prop_assert_eq!(header.layout, Layout { width, height, frames });
            prop_assert_eq!(header.frames[frames as usize - 1], [(frames - 1) as u8; HASH]);
            prop_assert_eq!(header.layout.header_bytes() % PAGE, 0);
            prop_assert_eq!(header.to_bytes(), &bytes[..header.layout.header_bytes()]);
        }

        #[test]
        fn any_changed_header_byte_is_noticed(frames in 1u32..200, at in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut bytes = file(2, 2, frames);
            let header = Layout::new(2, 2, frames).unwrap().header_bytes();
            bytes[at.index(header)] ^= flip;
            prop_assert!(Header::read(&bytes).is_err());
        }

        #[test]
        fn noise_and_cuts_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), keep in 0usize..5000) {
            prop_assert!(Header::read(&bytes).is_err());
            let whole = file(2, 3, 1);
            let cut = keep.min(whole.len() - 1);
            prop_assert!(Header::read(&whole[..cut]).is_err());
        }
    }

    /// However it is hashed: by BLAKE3 of all bytes in one.
    #[test]
    fn a_frame_has_the_same_hash_in_parts() {
        let large = LARGE / 2;
        for count in [0, 4, large - 1, large, 2 * large - 4, 2 * large - 3, 3 * large + 1, 1920 * 1080 * 4] {
            let pixels: Vec<f16> = (0..count).map(|index| f16::from_bits((index * 7) as u16)).collect();
            let bytes = [&5u32.to_le_bytes(), &9u32.to_le_bytes(), bytemuck::cast_slice(&pixels)].concat();
            assert_eq!(frame_hash(5, 9, &pixels), *blake3::hash(&bytes).as_bytes(), "{count}");
            assert_ne!(frame_hash(9, 5, &pixels), *blake3::hash(&bytes).as_bytes(), "{count}");
        }
    }

    #[test]
    fn absurd_sizes_are_refused() {
        for (width, height, frames) in [(0, 1, 1), (1, 0, 1), (1, 1, 0), (u32::MAX, 1, 1), (1, 1, u32::MAX)] {
            assert!(Layout::new(width, height, frames).is_err());
        }
    }
}
