//! Decoding a picture in overlapping tiles, where the whole does not fit in memory.
//!
//! A decoder's answer near a tile's edge is wrong, as it sees zeros beyond. So neighbours overlap: of what they
//! share, a margin at each one's edge is thrown away, and over the rest in between one fades into the other. A tile is
//! decoded as a picture of its own, through all frames, so that its caches are its own and no larger than it.

use std::ops::Range;

use ndarray::{Array4, ArrayView1, ArrayView5, Axis, s};
use pickup_core::{Error, Result, Tensor};

/// Latents at the edge of a tile that are not used where a neighbour has them too.
const MARGIN: usize = 4;
/// Latents over which two tiles fade into each other.
const FADE: usize = 4;

/// Square tiles of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    side: usize,
    margin: usize,
    fade: usize,
}

/// A tile: rows and columns of the latent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Tile {
    /// Its part of `(1, c, t, h, w)`.
    pub fn of<'a>(&self, picture: ArrayView5<'a, f32>) -> ArrayView5<'a, f32> {
        picture.slice_move(s![.., .., .., self.rows.clone(), self.columns.clone()])
    }

    /// Its part of a tensor of rank 5; any other as it is.
    pub fn of_tensor(&self, tensor: &Tensor) -> Tensor {
        match tensor {
            Tensor::Float(array) => match array.view().into_dimensionality() {
                Ok(picture) => Tensor::from(self.of(picture).to_owned()),
                Err(_) => tensor.clone(),
            },
            Tensor::Integer(_) | Tensor::Held(_) => tensor.clone(),
        }
    }
}

impl Tiles {
    /// The smallest tile that is any use, in latents: half of it is overlap.
    pub const LEAST: usize = 2 * (2 * MARGIN + FADE);

    /// Tiles of `side` latents, at least [`Tiles::LEAST`], that overlap as far as decoders look.
    pub fn of(side: usize) -> Self {
        Self::overlapping(side.max(Self::LEAST), MARGIN, FADE)
    }

    /// Tiles that overlap by `2 · margin + fade` latents, which must be less than `side`. For trying out what
    /// overlap a decoder needs.
    pub fn overlapping(side: usize, margin: usize, fade: usize) -> Self {
        Self { side, margin, fade }
    }

    /// Side of a tile in latents.
    pub fn side(self) -> usize {
        self.side
    }

    /// What the tiles of a picture of `height` × `width` latents are joined in.
    pub fn blend(self, height: usize, width: usize) -> Blend {
        let (rows, columns) = (self.spans(height), self.spans(width));
        Blend { tiles: self, rows, columns, size: (height, width), whole: None }
    }

    /// The spans of `size` latents that tiles cover, first to last. All have the same length, as few as do.
    fn spans(self, size: usize) -> Vec<Range<usize>> {
        let overlap = 2 * self.margin + self.fade;
        if size <= self.side {
            return vec![0..size];
        }
        let count = (size - overlap).div_ceil(self.side - overlap);
        let start = |index: usize| index * (size - self.side) / (count - 1);
        (0..count).map(|index| start(index)..start(index) + self.side).collect()
    }

    /// The weight of each pixel of each span, `scale` pixels to a latent: 0 in a margin that a neighbour has too,
    /// rising over the fade, and 1 together where several spans meet.
    fn weights(self, spans: &[Range<usize>], scale: usize) -> Vec<Vec<f32>> {
        let risen = |overlap: usize, pixel: usize| {
            let fade = ((overlap - 2 * self.margin) * scale) as f32;
            ((pixel as f32 + 0.5 - (self.margin * scale) as f32) / fade).clamp(0.0, 1.0)
        };
        let raw = |(index, span): (usize, &Range<usize>)| -> Vec<f32> {
            let pixels = span.len() * scale;
            let before = index.checked_sub(1).map(|before| spans[before].end - span.start);
            let after = spans.get(index + 1).map(|after| span.end - after.start);
            let rise = |overlap: Option<usize>, pixel| overlap.map_or(1.0, |overlap| risen(overlap, pixel));
            (0..pixels).map(|pixel| rise(before, pixel) * rise(after, pixels - 1 - pixel)).collect()
        };
        let mut weights: Vec<_> = spans.iter().enumerate().map(raw).collect();
        let mut sums = vec![0.0; spans.last().map_or(0, |span| span.end * scale)];
        for (span, weights) in spans.iter().zip(&weights) {
            sums[span.start * scale..].iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight);
        }
        for (span, weights) in spans.iter().zip(&mut weights) {
            weights.iter_mut().zip(&sums[span.start * scale..]).for_each(|(weight, sum)| *weight /= sum);
        }
        weights
    }
}

/// A picture that tiles are added to.
pub struct Blend {
    tiles: Tiles,
    rows: Vec<Range<usize>>,
    columns: Vec<Range<usize>>,
    /// Latents in a column and in a row.
    size: (usize, usize),
    whole: Option<Array4<f32>>,
}

impl Blend {
    /// All tiles, row by row.
    pub fn tiles(&self) -> Vec<Tile> {
        let tile = |rows: &Range<usize>, columns: &Range<usize>| Tile {
            rows: rows.clone(),
            columns: columns.clone(),
        };
        let row = |rows| self.columns.iter().map(move |columns| tile(rows, columns));
        self.rows.iter().flat_map(row).collect()
    }

    /// How many tiles there are.
    pub fn count(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// Adds the frames `(t, h, w, 3)` of `tile`.
    ///
    /// # Errors
    /// If they are not of its size, or not as many as of the first.
    pub fn add(&mut self, tile: &Tile, frames: Array4<f32>) -> Result<()> {
        let (count, height, width, _) = frames.dim();
        let scale = height / tile.rows.len().max(1);
        let size = (count, self.size.0 * scale, self.size.1 * scale, 3);
        let whole = self.whole.get_or_insert_with(|| Array4::zeros(size));
        if (scale * tile.rows.len(), scale * tile.columns.len()) != (height, width) || whole.dim() != size {
            return Err(Error::model(format!(
                "expected every tile to give frames of one scale, got {count} of {width}×{height} for {}×{} latents.",
                tile.columns.len(),
                tile.rows.len()
            )));
        }
        let weights = |spans: &[Range<usize>], span: &Range<usize>| {
            let all = self.tiles.weights(spans, scale);
            spans.iter().position(|other| other == span).map(|index| all[index].clone()).unwrap_or_default()
        };
        let (down, across) = (weights(&self.rows, &tile.rows), weights(&self.columns, &tile.columns));
        let (down, across) = (ArrayView1::from(&down), ArrayView1::from(&across));
        let at = |span: &Range<usize>| span.start * scale..span.end * scale;
        let mut place = whole.slice_mut(s![.., at(&tile.rows), at(&tile.columns), ..]);
        let weights = down.insert_axis(Axis(1)).to_owned() * across;
        place += &(frames * weights.insert_axis(Axis(2)));
        Ok(())
    }

    /// The whole frames `(t, h, w, 3)`.
    pub fn finish(self) -> Array4<f32> {
        self.whole.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_one_together_and_nothing_is_left_out() {
        for size in 1..120 {
            let tiles = Tiles::of(24);
            let spans = tiles.spans(size);
            assert_eq!((spans[0].start, spans.last().unwrap().end), (0, size));
            assert!(
                spans.windows(2).all(|pair| pair[0].end >= pair[1].start + 2 * MARGIN + FADE),
                "{spans:?}"
            );
            assert!(spans.iter().all(|span| span.len() == size.min(24)));
            let mut sums = vec![0.0; size * 3];
            for (span, weights) in spans.iter().zip(tiles.weights(&spans, 3)) {
                (0..weights.len()).for_each(|pixel| sums[span.start * 3 + pixel] += weights[pixel]);
                let margin = MARGIN * 3;
                assert!(span.start == 0 || weights[..margin].iter().all(|weight| *weight == 0.0));
                assert!(
                    span.end == size || weights[weights.len() - margin..].iter().all(|weight| *weight == 0.0)
                );
            }
            assert!(sums.iter().all(|sum: &f32| (sum - 1.0).abs() < 1e-5), "{size}: {sums:?}");
        }
    }

    #[test]
    fn tiles_of_one_picture_give_it_back() {
        let latents = ndarray::Array5::from_shape_fn((1, 3, 2, 40, 55), |(_, c, t, y, x)| {
            ((c * 7 + t * 3 + y * 5 + x) % 19) as f32 / 10.0 - 1.0
        });
        let mut blend = Tiles::of(24).blend(40, 55);
        for tile in blend.tiles() {
            // Two pixels to a latent, each the latent's own.
            let part = tile.of(latents.view());
            let (_, _, t, h, w) = part.dim();
            let frames =
                Array4::from_shape_fn((t, 2 * h, 2 * w, 3), |(t, y, x, c)| part[[0, c, t, y / 2, x / 2]]);
            blend.add(&tile, frames).unwrap();
        }
        let whole = blend.finish();
        assert_eq!(whole.dim(), (2, 80, 110, 3));
        for ((t, y, x, c), value) in whole.indexed_iter() {
            assert!((value - latents[[0, c, t, y / 2, x / 2]]).abs() < 1e-6);
        }
        let mut blend = Tiles::of(24).blend(40, 55);
        let tile = &blend.tiles()[0];
        assert!(blend.add(tile, Array4::zeros((2, 48, 47, 3))).unwrap_err().message.contains("of one scale"));
    }
}
