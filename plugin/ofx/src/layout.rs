//! Where an image's pixels lie: address arithmetic without addresses.
//!
//! OpenFX gives an image as the address of its lowest row, `bounds`, and `row bytes`, the signed distance from
//! a row to the one above it. A [`Layout`] turns pixels into byte offsets from that address, and never gives
//! an offset outside of `bounds`.

use crate::geometry::RectI;
use crate::status::{Error, Result};

/// An image's bounds, its signed row bytes and the bytes of a pixel, checked against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    bounds: RectI,
    row_bytes: isize,
    pixel_bytes: usize,
}

/// Bytes `offset .. offset + len`, counted from the address of the lowest row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte; negative where row bytes are.
    pub offset: isize,
    /// Number of bytes.
    pub len: usize,
}

impl Layout {
    /// A checked layout.
    ///
    /// # Errors
    /// [`Error::Image`] when rows would overlap, or when the image would not fit into memory.
    pub fn new(bounds: RectI, row_bytes: isize, pixel_bytes: usize) -> Result<Self> {
        let layout = Self { bounds, row_bytes, pixel_bytes };
        let used = bounds.width().checked_mul(pixel_bytes).filter(|used| isize::try_from(*used).is_ok());
        let used =
            used.ok_or_else(|| Error::Image(format!("a row of {} pixels is too long", bounds.width())))?;
        if bounds.height() > 1 && row_bytes.unsigned_abs() < used {
            return Err(Error::Image(format!(
                "rows of {used} bytes are said to lie {row_bytes} bytes apart"
            )));
        }
        let total =
            row_bytes.unsigned_abs().checked_mul(bounds.height()).and_then(|rows| rows.checked_add(used));
        match total.map(isize::try_from) {
            Some(Ok(_)) => Ok(layout),
            _ => Err(Error::Image(format!("{} rows of {row_bytes} bytes do not fit", bounds.height()))),
        }
    }

    /// The pixels that exist.
    #[must_use]
    pub fn bounds(&self) -> RectI {
        self.bounds
    }

    /// Signed bytes from a row to the one above.
    #[must_use]
    pub fn row_bytes(&self) -> isize {
        self.row_bytes
    }

    /// Bytes of one pixel.
    #[must_use]
    pub fn pixel_bytes(&self) -> usize {
        self.pixel_bytes
    }

    /// The bytes of pixels `x1 .. x2` of row `y`; `None` if one of them lies outside of the bounds.
    #[must_use]
    pub fn span(&self, y: i32, x1: i32, x2: i32) -> Option<Span> {
        let bounds = &self.bounds;
        let inside = bounds.y1 <= y && y < bounds.y2 && bounds.x1 <= x1 && x1 <= x2 && x2 <= bounds.x2;
        if !inside {
            return None;
        }
        // `new` has shown that none of these can overflow inside of the bounds.
        let row = (i64::from(y) - i64::from(bounds.y1)) as isize;
        let column = (i64::from(x1) - i64::from(bounds.x1)) as usize * self.pixel_bytes;
        let len = (i64::from(x2) - i64::from(x1)) as usize * self.pixel_bytes;
        Some(Span { offset: row * self.row_bytes + column as isize, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rect(x1: i32, y1: i32, x2: i32, y2: i32) -> RectI {
        RectI { x1, y1, x2, y2 }
    }

    #[test]
    fn closed_forms_for_padding_and_upside_down_rows() {
        let padded = Layout::new(rect(0, 0, 10, 4), 64, 4).unwrap();
        assert_eq!(padded.span(2, 3, 7), Some(Span { offset: 2 * 64 + 12, len: 16 }));
        let upside_down = Layout::new(rect(-2, -1, 8, 3), -48, 4).unwrap();
        assert_eq!(upside_down.span(-1, -2, 8), Some(Span { offset: 0, len: 40 }));
        assert_eq!(upside_down.span(2, 0, 1), Some(Span { offset: -3 * 48 + 8, len: 4 }));
    }

    #[test]
    fn nothing_outside_of_the_bounds() {
        let layout = Layout::new(rect(0, 0, 10, 4), 40, 4).unwrap();
        for (y, x1, x2) in [(-1, 0, 1), (4, 0, 1), (0, -1, 1), (0, 0, 11), (0, 5, 4), (i32::MAX, 0, 1)] {
            assert_eq!(layout.span(y, x1, x2), None, "{y} {x1}..{x2}");
        }
    }

    #[test]
    fn rows_that_overlap_or_do_not_fit_are_refused() {
        assert!(Layout::new(rect(0, 0, 10, 4), 39, 4).is_err());
        assert!(Layout::new(rect(0, 0, 10, 4), -39, 4).is_err());
        assert!(Layout::new(rect(0, 0, 10, 4), 0, 4).is_err());
        assert!(Layout::new(rect(0, 0, 10, 1), 0, 4).is_ok(), "one row alone may have any row bytes");
        assert!(Layout::new(rect(0, 0, 10, i32::MAX), isize::MAX / 2, 4).is_err());
        assert!(Layout::new(rect(i32::MIN, 0, i32::MAX, 2), 1 << 40, 16).is_ok());
    }

    proptest! {
        /// Every span lies in the block that the host owns, and different rows never share a byte.
        #[test]
        fn spans_stay_in_the_block_and_rows_are_apart(
            x1 in -100i32..100, y1 in -100i32..100, width in 1i32..60, height in 1i32..60,
            padding in 0usize..40, pixel in prop::sample::select(vec![1usize, 2, 3, 4, 6, 8, 12, 16]), down: bool,
            a in 0i32..60, b in 0i32..60, left in 0i32..60, right in 0i32..60,
        ) {
            let bounds = rect(x1, y1, x1 + width, y1 + height);
            let distance = isize::try_from(width as usize * pixel + padding).unwrap();
            let row_bytes = if down { -distance } else { distance };
            let layout = Layout::new(bounds, row_bytes, pixel).unwrap();
            let (a, b) = (y1 + a % height, y1 + b % height);
            let (left, right) = (x1 + left % width, x1 + right % width + 1);
            prop_assume!(left <= right);
            let span = layout.span(a, left, right).unwrap();
            let (low, high) = if down { (-(distance * (height as isize - 1)), distance) }
                else { (0, distance * height as isize) };
            prop_assert!(span.offset >= low && span.offset + span.len as isize <= high);
            prop_assert_eq!(span.len, (right - left) as usize * pixel);
            let (row_a, row_b) = (layout.span(a, x1, x1 + width).unwrap(), layout.span(b, x1, x1 + width).unwrap());
            if a != b {
                prop_assert!(row_a.offset.abs_diff(row_b.offset) >= row_a.len);
            }
        }
    }
}
