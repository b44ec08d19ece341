//! A picture of half floats put into the host's image, at its own size or another.

use half::f16;
use half::slice::HalfFloatSliceExt;
use pickup_ofx::{Band, OutputImage, RectI, Source, pixels, threads};
use std::borrow::Cow;
use std::ops::Range;

/// Pixels from which on a second thread pays: below, starting it costs more than it saves.
const PIXELS_PER_PART: usize = 512 * 512;

/// `(h, w, 4)` red, green, blue, alpha, top row first.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Rows from `first` on, of `width · 4` samples each.
    pub pixels: &'a [f16],
    /// The row that `pixels` begin with.
    pub first: usize,
    /// Every row that lies before `pixels` or behind them.
    pub ground: &'a [f16],
}

impl<'a> Picture<'a> {
    /// A picture of `height · width · 4` samples.
    #[must_use]
    pub const fn whole(width: usize, height: usize, pixels: &'a [f16]) -> Self {
        Self { width, height, pixels, first: 0, ground: &[] }
    }

    /// Row `y`, counted from the top.
    fn row(&self, y: usize) -> &'a [f16] {
        let len = self.width * 4;
        let own = y.checked_sub(self.first).and_then(|y| self.pixels.get(y * len..(y + 1) * len));
        own.unwrap_or(self.ground)
    }

    /// Writes the picture's colours, opaque, into `window` of the host's image; it covers `frame` whole. Where the picture's
    /// alpha is 0 and `known` has pixels, they stand instead, bit for bit. False if a thread failed.
    pub fn put(
        &self,
        known: Option<&Source<'_>>,
        output: &mut OutputImage<'_>,
        frame: RectI,
        window: RectI,
    ) -> bool {
        let window = window.intersection(&frame);
        let fit = Fit::new(self, frame, window);
        in_bands(output, window, |band, y| {
            let (depth, components, x1) = (band.depth(), band.components(), band.window().x1);
            let shown = fit.row(y);
            if let Some(row) = band.row_mut(y) {
                pixels::write_row(depth, components, &opaque(&shown), row);
            }
            if let Some(known) = known {
                for run in clear_runs(&shown) {
                    // What the source does not have stays the picture's.
                    let _ = band.copy_from(known, y, x1 + run.start as i32, x1 + run.end as i32);
                }
            }
        })
    }
}

/// Does `work` on every row of `window`, on several threads where that pays. False if one of them failed.
pub fn in_bands(
    output: &mut OutputImage<'_>,
    window: RectI,
    work: impl Fn(&mut Band<'_>, i32) + Sync,
) -> bool {
    let count = parts_for(window);
    threads::for_each(output.bands(window, count), |mut band: Band<'_>| {
        let rows = band.window();
        (rows.y1..rows.y2).for_each(|y| work(&mut band, y));
    })
}

/// The runs of pixels of a row where alpha is 0.
fn clear_runs(row: &[f16]) -> Vec<Range<usize>> {
    let (mut runs, mut x) = (Vec::new(), 0);
    let (mut left, _) = row.as_chunks::<4>();
    while let Some(made) = left.iter().position(is_clear) {
        let clear = &left[made..];
        let count = clear.iter().position(|pixel| !is_clear(pixel)).unwrap_or(clear.len());
        runs.push(x + made..x + made + count);
        x += made + count;
        left = &clear[count..];
    }
    runs
}

/// Whether a pixel's alpha is 0, of either sign.
fn is_clear(pixel: &[f16; 4]) -> bool {
    pixel[3].to_bits() << 1 == 0
}

/// A row with alpha 1.
fn opaque(row: &[f16]) -> Cow<'_, [f16]> {
    // Whole pixels as one number each, and no early end: so the processor looks at several at a time.
    let number = bytemuck::cast::<[f16; 4], u64>;
    let opaque = number([f16::ZERO, f16::ZERO, f16::ZERO, f16::ONE]);
    let alpha = bytemuck::cast::<[u16; 4], u64>([0, 0, 0, u16::MAX]);
    let differing = row.as_chunks::<4>().0.iter().fold(0, |all, pixel| all | (number(*pixel) ^ opaque));
    if differing & alpha == 0 {
        return Cow::Borrowed(row);
    }
    let mut row = row.to_vec();
    row.chunks_exact_mut(4).for_each(|pixel| pixel[3] = f16::ONE);
    Cow::Owned(row)
}

/// How many parts a window is worth.
fn parts_for(window: RectI) -> usize {
    let worth = (window.width() * window.height()).div_ceil(PIXELS_PER_PART);
    if worth < 2 { 1 } else { worth.min(threads::part_count()) }
}

/// How a picture's rows come to lie in a window of a frame.
struct Fit<'a> {
    picture: Picture<'a>,
    frame: RectI,
    /// Samples of a picture's row that the window shows, where sizes agree.
    same: Option<std::ops::Range<usize>>,
    /// For each column of the window: left and right pixel, and the share of the right one.
    columns: Vec<(usize, usize, f32)>,
}

impl<'a> Fit<'a> {
    fn new(picture: &Picture<'a>, frame: RectI, window: RectI) -> Self {
        let first = (window.x1 - frame.x1) as usize;
        let agrees = (frame.width(), frame.height()) == (picture.width, picture.height);
        let same = agrees.then(|| first * 4..(first + window.width()) * 4);
        let columns = match same {
            Some(_) => Vec::new(),
            None => (first..first + window.width()).map(|x| taps(x, frame.width(), picture.width)).collect(),
        };
        Self { picture: *picture, frame, same, columns }
    }

    /// The window's pixels of row `y`, counted upwards as the host does.
    fn row(&self, y: i32) -> Cow<'a, [f16]> {
        let from_top = (self.frame.y2 - 1 - y) as usize;
        if let Some(range) = &self.same {
            return Cow::Borrowed(self.picture.row(from_top).get(range.clone()).unwrap_or_default());
        }
        let (upper, lower, share) = taps(from_top, self.frame.height(), self.picture.height);
        Cow::Owned(self.blend(self.picture.row(upper), self.picture.row(lower), share))
    }

    fn blend(&self, upper: &[f16], lower: &[f16], share: f32) -> Vec<f16> {
        let (mut a, mut b) = (vec![0f32; upper.len()], vec![0f32; lower.len()]);
        upper.convert_to_f32_slice(&mut a);
        lower.convert_to_f32_slice(&mut b);
        let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
        let mut row = Vec::with_capacity(self.columns.len() * 4);
        for (left, right, across) in &self.columns {
            for sample in 0..4 {
                let at = |row: &[f32]| mix(row[left * 4 + sample], row[right * 4 + sample], *across);
                row.push(f16::from_f32(mix(at(&a), at(&b), share)));
            }
        }
        row
    }
}

/// Bilinear: the two source pixels around the centre of pixel `index` of `to`, and the share of the second.
/// Pixel centres lie at `index + 1/2`; the edge is held.
fn taps(index: usize, to: usize, from: usize) -> (usize, usize, f32) {
    let last = from.saturating_sub(1);
    let centre = (index as f64 + 0.5) * from as f64 / to.max(1) as f64 - 0.5;
    let first = centre.floor().max(0.0) as usize;
    let share = (centre - first as f64).clamp(0.0, 1.0) as f32;
    (first.min(last), (first + 1).min(last), share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rect(x1: i32, y1: i32, x2: i32, y2: i32) -> RectI {
        RectI { x1, y1, x2, y2 }
    }

    /// Red is the column, green the row from the top.
    fn ramp(width: usize, height: usize) -> Vec<f16> {
        let pixel = |i: usize| [(i % width) as f32, (i / width) as f32, 0.5, 1.0];
        (0..width * height).flat_map(pixel).map(f16::from_f32).collect()
    }

    #[test]
    fn clear_pixels_are_told_in_runs_and_are_opaque_in_the_host() {
        let mut pixels = ramp(6, 1);
        assert_eq!(clear_runs(&pixels), []);
        assert!(matches!(opaque(&pixels), Cow::Borrowed(_)));
        [1, 2, 5].into_iter().for_each(|x: usize| pixels[x * 4 + 3] = -f16::ZERO);
        assert_eq!(clear_runs(&pixels), [1..3, 5..6]);
        assert!(opaque(&pixels).chunks(4).all(|pixel| pixel[3] == f16::ONE));
        pixels.chunks_exact_mut(4).for_each(|pixel| pixel[3] = f16::ZERO);
        assert_eq!(clear_runs(&pixels), [0..6]);
    }

    #[test]
    fn rows_that_a_picture_lacks_are_its_ground() {
        let (pixels, ground) = (ramp(3, 2), vec![f16::ZERO; 12]);
        let picture = Picture { first: 4, ground: &ground, ..Picture::whole(3, 9, &pixels) };
        assert!((0..9).all(|y| (picture.row(y) == ground) != (4..6).contains(&y)));
        assert_eq!(picture.row(5), &pixels[12..]);
    }

    proptest! {
        /// At its own size, every pixel is the picture's own, upside down, wherever frame and window lie.
        #[test]
        fn same_size_is_exact(
            width in 1usize..30, height in 1usize..30, x in -9i32..9, y in -9i32..9,
            a in 0usize..30, b in 0usize..30, row in 0usize..30,
        ) {
            let pixels = ramp(width, height);
            let picture = Picture::whole(width, height, &pixels);
            let frame = rect(x, y, x + width as i32, y + height as i32);
            let (left, right) = ((a % width).min(b % width), (a % width).max(b % width) + 1);
            let window = rect(x + left as i32, frame.y1, x + right as i32, frame.y2);
            let row = row % height;
            let shown = Fit::new(&picture, frame, window).row(y + row as i32);
            prop_assert_eq!(shown.len(), (right - left) * 4);
            for (i, pixel) in shown.chunks(4).enumerate() {
                prop_assert_eq!(pixel[0].to_f32(), (left + i) as f32);
                prop_assert_eq!(pixel[1].to_f32(), (height - 1 - row) as f32);
            }
        }

        /// A ramp stays the closed form of itself at any size, away from the held edge.
        #[test]
        fn another_size_is_bilinear(width in 2usize..40, to in 2usize..40) {
            let pixels = ramp(width, width);
            let picture = Picture::whole(width, width, &pixels);
            let frame = rect(0, 0, to as i32, to as i32);
            let fit = Fit::new(&picture, frame, frame);
            for y in 0..to {
                for (x, pixel) in fit.row(y as i32).chunks(4).enumerate() {
                    let place = |i: usize| ((i as f32 + 0.5) * width as f32 / to as f32 - 0.5).clamp(0.0, width as f32 - 1.0);
                    prop_assert!((pixel[0].to_f32() - place(x)).abs() < 0.03);
                    prop_assert!((pixel[1].to_f32() - place(to - 1 - y)).abs() < 0.03);
                    prop_assert_eq!(pixel[3], f16::ONE);
                }
            }
        }
    }
}
