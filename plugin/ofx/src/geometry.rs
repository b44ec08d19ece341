//! Rectangles in pixels and in canonical coordinates; half open, the origin at the bottom left.

/// Pixels from `x1` to before `x2`, from row `y1` (bottom) to before `y2`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RectI {
    /// First column.
    pub x1: i32,
    /// First (lowest) row.
    pub y1: i32,
    /// One past the last column.
    pub x2: i32,
    /// One past the last (highest) row.
    pub y2: i32,
}

impl RectI {
    /// The rectangle of four OpenFX values `[x1, y1, x2, y2]`.
    #[must_use]
    pub fn from_array([x1, y1, x2, y2]: [i32; 4]) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// Columns; 0 for an empty or inverted rectangle.
    #[must_use]
    pub fn width(&self) -> usize {
        usize::try_from(i64::from(self.x2) - i64::from(self.x1)).unwrap_or(0)
    }

    /// Rows; 0 for an empty or inverted rectangle.
    #[must_use]
    pub fn height(&self) -> usize {
        usize::try_from(i64::from(self.y2) - i64::from(self.y1)).unwrap_or(0)
    }

    /// Whether it holds no pixel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.width() == 0 || self.height() == 0
    }

    /// The pixels in both; empty when there are none.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (x1, y1) = (self.x1.max(other.x1), self.y1.max(other.y1));
        let (x2, y2) = (self.x2.min(other.x2).max(x1), self.y2.min(other.y2).max(y1));
        Self { x1, y1, x2, y2 }
    }
}

/// A rectangle in canonical coordinates (pixels at full size, pixel aspect 1).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RectD {
    /// Left edge.
    pub x1: f64,
    /// Bottom edge.
    pub y1: f64,
    /// Right edge.
    pub x2: f64,
    /// Top edge.
    pub y2: f64,
}

impl RectD {
    /// `[x1, y1, x2, y2]`, the order of OpenFX.
    #[must_use]
    pub fn to_array(self) -> [f64; 4] {
        [self.x1, self.y1, self.x2, self.y2]
    }

    /// The rectangle of four OpenFX values `[x1, y1, x2, y2]`.
    #[must_use]
    pub fn from_array([x1, y1, x2, y2]: [f64; 4]) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// Width and height.
    #[must_use]
    pub fn size(&self) -> (f64, f64) {
        (self.x2 - self.x1, self.y2 - self.y1)
    }
}
