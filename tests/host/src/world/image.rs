//! Images in memory as hosts lay them out: signed row bytes, padded rows, guarded on all sides.

use crate::plan::{Depth, RowOrder};

pub use crate::ffi::memory::PixelBuffer;

/// Guard bytes before and after an image.
pub const GUARD: usize = 4096;
/// Samples of a pixel: RGBA.
pub const CHANNELS: usize = 4;

/// Where the pixels of an image lie in its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bounds `[x1, y1, x2, y2]` in pixels, y upwards.
    pub bounds: [i32; 4],
    /// Pixel depth.
    pub depth: Depth,
    /// Order of rows in memory.
    pub order: RowOrder,
    /// Bytes after each row.
    pub padding: usize,
}

impl Layout {
    /// Width in pixels.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.bounds[2].abs_diff(self.bounds[0]) as usize
    }

    /// Height in pixels.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.bounds[3].abs_diff(self.bounds[1]) as usize
    }

    /// Bytes of one pixel.
    #[must_use]
    pub const fn pixel(&self) -> usize {
        CHANNELS * self.depth.bytes()
    }

    /// Bytes of one row's pixels.
    #[must_use]
    pub const fn row(&self) -> usize {
        self.width() * self.pixel()
    }

    /// Bytes from one row in memory to the next.
    #[must_use]
    pub const fn stride(&self) -> usize {
        self.row() + self.padding
    }

    /// All bytes, guards included.
    #[must_use]
    pub const fn size(&self) -> usize {
        2 * GUARD + self.height() * self.stride()
    }

    /// Where a row begins; `from_top` counts rows downwards from the top.
    #[must_use]
    pub const fn offset(&self, from_top: usize) -> usize {
        let line = match self.order {
            RowOrder::TopDown => from_top,
            RowOrder::BottomUp => self.height() - 1 - from_top,
        };
        GUARD + line * self.stride()
    }

    /// Where the pixel at the bounds' lower left lies: what the standard calls the data.
    #[must_use]
    pub const fn origin(&self) -> usize {
        self.offset(self.height().saturating_sub(1))
    }

    /// Signed bytes from one row to the one above it.
    #[must_use]
    pub fn row_bytes(&self) -> i32 {
        let stride = i32::try_from(self.stride()).unwrap_or(i32::MAX);
        match self.order {
            RowOrder::TopDown => -stride,
            RowOrder::BottomUp => stride,
        }
    }
}

/// The canary at an offset: a fixed pattern without short period (SplitMix64's finaliser). It is never
/// 0 or 255, one of which stands in every full alpha, so that no opaque pixel looks like it by chance.
#[must_use]
pub const fn canary(offset: usize) -> u8 {
    let mut z = (offset as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    1 + ((z ^ (z >> 31)) % 254) as u8
}

/// Fresh bytes, canary everywhere.
#[must_use]
pub fn blank(layout: &Layout) -> Vec<u8> {
    (0..layout.size()).map(canary).collect()
}

/// What came of an output image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Pixels that changed outside the render window.
    pub outside_window: usize,
    /// Bytes that changed in guards and padding.
    pub outside_image: usize,
    /// Pixels in the window that did not change.
    pub unwritten: usize,
}

/// Compares an output image with what it was before the render.
///
/// `window` is `[x1, y1, x2, y2]` in pixels, y upwards.
#[must_use]
pub fn inspect(layout: &Layout, bytes: &[u8], window: [i32; 4]) -> Damage {
    let mut damage = Damage { outside_image: damaged_guards(layout, bytes), ..Damage::default() };
    for from_top in 0..layout.height() {
        let y = layout.bounds[3] - 1 - i32::try_from(from_top).unwrap_or(0);
        let row = layout.offset(from_top);
        for column in 0..layout.width() {
            let x = layout.bounds[0] + i32::try_from(column).unwrap_or(0);
            let at = row + column * layout.pixel();
            let untouched = is_canary(bytes, at, at + layout.pixel());
            let inside = (window[0]..window[2]).contains(&x) && (window[1]..window[3]).contains(&y);
            damage.outside_window += usize::from(!inside && !untouched);
            damage.unwritten += usize::from(inside && untouched);
        }
    }
    damage
}

/// Counts the bytes of guards and padding that changed.
#[must_use]
pub fn damaged_guards(layout: &Layout, bytes: &[u8]) -> usize {
    let changed = |from: usize, to: usize| (from..to).filter(|&at| bytes[at] != canary(at)).count();
    let rows = (0..layout.height()).map(|line| GUARD + line * layout.stride());
    let padding: usize = rows.map(|row| changed(row + layout.row(), row + layout.stride())).sum();
    changed(0, GUARD) + padding + changed(layout.size() - GUARD, layout.size())
}

fn is_canary(bytes: &[u8], from: usize, to: usize) -> bool {
    (from..to).all(|at| bytes[at] == canary(at))
}

/// The rows from top to bottom without padding.
#[must_use]
pub fn packed(layout: &Layout, bytes: &[u8]) -> Vec<u8> {
    let mut rows = Vec::with_capacity(layout.row() * layout.height());
    for from_top in 0..layout.height() {
        let at = layout.offset(from_top);
        rows.extend_from_slice(&bytes[at..at + layout.row()]);
    }
    rows
}

/// Lays packed rows out in guarded memory.
#[must_use]
pub fn laid_out(layout: &Layout, packed: &[u8]) -> Vec<u8> {
    let mut bytes = blank(layout);
    for (from_top, row) in packed.chunks_exact(layout.row().max(1)).take(layout.height()).enumerate() {
        let at = layout.offset(from_top);
        bytes[at..at + layout.row()].copy_from_slice(row);
    }
    bytes
}
