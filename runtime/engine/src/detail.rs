//! Fine detail of the known frames, carried over to the generated ones beside them.
//!
//! A model works at its own size and through its VAE, so what it makes is softer than the footage.
//! Where a generated frame shows the same thing as the nearest known frame, standing still or moved
//! a little, the detail is not lost: it is in the known frame. So the known frame's fine part, which
//! is what it has beyond the model's version of itself, is shifted along with the picture and added.
//! Where the two differ, nothing is added: softness is honest, a ghost is not.
//!
//! Motion is found by matching blocks between two pictures that both went through the model.

use ndarray::Array3;
use pickup_core::Result;
use std::collections::BTreeMap;

use crate::resample::{Filter, resample};

/// Shorter side of the pictures that blocks are matched on, in pixels.
const MATCH_SIDE: usize = 64;
/// Side of a block, in pixels of the matched pictures, and from one block to the next.
const BLOCK: usize = 8;
const STRIDE: usize = 4;
/// Furthest motion that is looked for, in pixels of the matched pictures.
const REACH: i32 = 6;
/// Root mean square difference (of −1..1) at which a match is worth `exp(−1/2)` of a perfect one.
const TOLERANCE: f32 = 0.1;
/// A block counts as still unless moving it makes its squared difference this many times smaller, so
/// that noise does not make a background swim.
const STILL: f32 = 0.8;
/// Steps from a whole pixel to its fraction; the third moves less than a hundredth.
const REFINEMENTS: usize = 4;

/// A known frame as a source of detail.
struct Plate {
    /// The model's version of it, for matching, `(h, w, 3)`.
    seen: Array3<f32>,
    /// What it has beyond that, at the timeline's size `(H, W, 3)`.
    fine: Array3<f32>,
}

/// The known frames that lie next to generated ones, by their place on the canvas.
#[derive(Default)]
pub(crate) struct Details(BTreeMap<usize, Plate>);

impl Details {
    /// Whether this frame is a source already.
    pub fn contains(&self, frame: usize) -> bool {
        self.0.contains_key(&frame)
    }

    /// Takes the known frame `frame` as a source: `truth` at the timeline's size, and `echo`, the
    /// model's version of it after the correction that its generated neighbours got too.
    ///
    /// # Errors
    /// If a size is zero.
    pub fn add(&mut self, frame: usize, truth: &Array3<f32>, echo: &Array3<f32>) -> Result<()> {
        let (height, width, _) = truth.dim();
        let fine = truth - &resample(echo, width, height, Filter::Sharp)?;
        self.0.insert(frame, Plate { seen: for_matching(echo)?, fine });
        Ok(())
    }

    /// Adds to `sized`, which is the generated frame `made` at the timeline's size, the detail of the
    /// nearest known frame on each side of `frame`, by closeness and by how well they match.
    ///
    /// # Errors
    /// If a size is zero.
    pub fn carry(&self, frame: usize, made: &Array3<f32>, sized: &mut Array3<f32>) -> Result<()> {
        let before = self.0.range(..frame).next_back();
        let after = self.0.range(frame + 1..).next();
        if before.is_none() && after.is_none() {
            return Ok(());
        }
        let seen = for_matching(made)?;
        let sources: Vec<_> = before
            .into_iter()
            .chain(after)
            .map(|(at, plate)| Source {
                closeness: 1.0 / at.abs_diff(frame) as f32,
                motion: Motion::find(&seen, &plate.seen),
                fine: &plate.fine,
            })
            .collect();
        add(&sources, sized);
        Ok(())
    }
}

/// A plate with its motion towards one generated frame.
struct Source<'a> {
    closeness: f32,
    motion: Motion,
    fine: &'a Array3<f32>,
}

fn for_matching(picture: &Array3<f32>) -> Result<Array3<f32>> {
    let (height, width, _) = picture.dim();
    let scale = MATCH_SIDE as f64 / height.min(width).max(1) as f64;
    let side = |side: usize| ((side as f64 * scale).round() as usize).max(1);
    resample(picture, side(width), side(height), Filter::Sharp)
}

/// Adds every source's shifted detail. Sources share by closeness and match; what they add together
/// is as strong as the best match.
fn add(sources: &[Source<'_>], sized: &mut Array3<f32>) {
    let (height, width, _) = sized.dim();
    for y in 0..height {
        let v = (y as f32 + 0.5) / height as f32;
        for x in 0..width {
            let u = (x as f32 + 0.5) / width as f32;
            let (mut sum, mut weights, mut best) = ([0f32; 3], 0f32, 0f32);
            for source in sources {
                let [dx, dy, matched] = source.motion.at(u, v);
                let weight = matched * source.closeness;
                if weight < 1e-4 {
                    continue;
                }
                let (x, y) = (x as f32 + dx * width as f32, y as f32 + dy * height as f32);
                let fine = bilinear(source.fine, x, y);
                (0..3).for_each(|c| sum[c] += weight * fine[c]);
                weights += weight;
                best = best.max(matched);
            }
            if weights > 0.0 {
                (0..3).for_each(|c| sized[[y, x, c]] += best * sum[c] / weights);
            }
        }
    }
}

/// Where each part of one picture is found in another.
struct Motion {
    columns: usize,
    rows: usize,
    /// Per block: motion in shares of the picture's width and height, and how well it matches, 0 to 1.
    blocks: Vec<[f32; 3]>,
    /// Middle of the first block and distance between blocks, in shares of width and height.
    first: [f32; 2],
    step: [f32; 2],
}

impl Motion {
    /// Where blocks of `from` are found in `to`, both of one size.
    fn find(from: &Array3<f32>, to: &Array3<f32>) -> Self {
        let (height, width, _) = from.dim();
        let count = |side: usize| (side.saturating_sub(BLOCK) / STRIDE + 1).max(1);
        let (columns, rows) = (count(width), count(height));
        let size = [width as f32, height as f32];
        let mut blocks = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            for column in 0..columns {
                let found = match_block(from, to, column * STRIDE, row * STRIDE);
                blocks.push([found[0] / size[0], found[1] / size[1], found[2]]);
            }
        }
        let share = |pixels: f32| size.map(|side| pixels / side);
        Self { columns, rows, blocks, first: share(BLOCK as f32 / 2.0), step: share(STRIDE as f32) }
    }

    /// Motion and match at the place `(u, v)`, in shares of width and height, between block middles.
    fn at(&self, u: f32, v: f32) -> [f32; 3] {
        let place = |value: f32, axis: usize, count: usize| {
            let at = ((value - self.first[axis]) / self.step[axis]).clamp(0.0, (count - 1) as f32);
            (at as usize, (at as usize + 1).min(count - 1), at.fract())
        };
        let (left, right, across) = place(u, 0, self.columns);
        let (top, bottom, down) = place(v, 1, self.rows);
        let block = |row: usize, column: usize| self.blocks[row * self.columns + column];
        let (a, b, c, d) = (block(top, left), block(top, right), block(bottom, left), block(bottom, right));
        std::array::from_fn(|i| {
            (a[i] * (1.0 - across) + b[i] * across) * (1.0 - down)
                + (c[i] * (1.0 - across) + d[i] * across) * down
        })
    }
}

/// Motion of the block with its corner at `(left, top)`, in pixels to a fraction, and its match.
fn match_block(from: &Array3<f32>, to: &Array3<f32>, left: usize, top: usize) -> [f32; 3] {
    let difference = |dx: i32, dy: i32| block_difference(from, to, (left, top), (dx, dy));
    let still = difference(0, 0);
    let (mut best, mut least) = ((0, 0), still);
    for dy in -REACH..=REACH {
        for dx in -REACH..=REACH {
            let found = difference(dx, dy);
            if found < least {
                (best, least) = ((dx, dy), found);
            }
        }
    }
    let matched = |difference: f32| (-difference / (2.0 * TOLERANCE * TOLERANCE)).exp();
    if least >= STILL * still {
        return [0.0, 0.0, matched(still)];
    }
    let (shift, least) = refine(from, to, (left, top), [best.0 as f32, best.1 as f32]);
    [shift[0], shift[1], matched(least)]
}

/// A block's motion to a fraction of a pixel, and its mean squared difference there: Gauss-Newton steps
/// on the difference (Lucas and Kanade, "An iterative image registration technique", 1981).
fn refine(
    from: &Array3<f32>,
    to: &Array3<f32>,
    (left, top): (usize, usize),
    mut shift: [f32; 2],
) -> ([f32; 2], f32) {
    let (height, width, _) = from.dim();
    let mut least = f32::INFINITY;
    for _ in 0..REFINEMENTS {
        let (mut xx, mut xy, mut yy, mut xr, mut yr, mut rr) = (1e-6, 0.0, 1e-6, 0.0, 0.0, 0.0);
        let mut count = 0.0;
        for y in top..(top + BLOCK).min(height) {
            for x in left..(left + BLOCK).min(width) {
                let (u, v) = (x as f32 + shift[0], y as f32 + shift[1]);
                let here = bilinear(to, u, v);
                let (east, west) = (bilinear(to, u + 1.0, v), bilinear(to, u - 1.0, v));
                let (south, north) = (bilinear(to, u, v + 1.0), bilinear(to, u, v - 1.0));
                for c in 0..3 {
                    let (gx, gy) = (0.5 * (east[c] - west[c]), 0.5 * (south[c] - north[c]));
                    let r = from[[y, x, c]] - here[c];
                    xx += gx * gx;
                    xy += gx * gy;
                    yy += gy * gy;
                    xr += gx * r;
                    yr += gy * r;
                    rr += r * r;
                    count += 1.0;
                }
            }
        }
        least = rr / count;
        let determinant: f32 = xx * yy - xy * xy;
        if determinant < 1e-3 * xx * yy {
            break;
        }
        let step = [(yy * xr - xy * yr) / determinant, (xx * yr - xy * xr) / determinant];
        (0..2).for_each(|axis| shift[axis] += step[axis].clamp(-0.5, 0.5));
    }
    (shift, least)
}

/// Mean squared difference of a block; infinite where it would leave the picture.
fn block_difference(
    from: &Array3<f32>,
    to: &Array3<f32>,
    (left, top): (usize, usize),
    (dx, dy): (i32, i32),
) -> f32 {
    let (height, width, _) = from.dim();
    let (right, bottom) = ((left + BLOCK).min(width), (top + BLOCK).min(height));
    let inside = |from: usize, until: usize, shift: i32, side: usize| {
        from as i32 + shift >= 0 && until as i32 + shift <= side as i32
    };
    if !inside(left, right, dx, width) || !inside(top, bottom, dy, height) {
        return f32::INFINITY;
    }
    let mut sum = 0.0;
    for y in top..bottom {
        for x in left..right {
            let (tx, ty) = ((x as i32 + dx) as usize, (y as i32 + dy) as usize);
            for c in 0..3 {
                let difference = from[[y, x, c]] - to[[ty, tx, c]];
                sum += difference * difference;
            }
        }
    }
    sum / (3 * (right - left) * (bottom - top)) as f32
}

/// The picture's value between pixels; its border goes on for ever.
fn bilinear(picture: &Array3<f32>, x: f32, y: f32) -> [f32; 3] {
    let (height, width, _) = picture.dim();
    let (x, y) = (x.clamp(0.0, (width - 1) as f32), y.clamp(0.0, (height - 1) as f32));
    let (left, top) = (x as usize, y as usize);
    let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
    let (across, down) = (x - left as f32, y - top as f32);
    std::array::from_fn(|c| {
        let upper = picture[[top, left, c]] * (1.0 - across) + picture[[top, right, c]] * across;
        let lower = picture[[bottom, left, c]] * (1.0 - across) + picture[[bottom, right, c]] * across;
        upper * (1.0 - down) + lower * down
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (180, 320);
    const MODEL: (usize, usize) = (64, 112);

    /// A picture with coarse shapes and fine texture, moved by `shift` pixels to the left.
    fn scene(shift: f32) -> Array3<f32> {
        Array3::from_shape_fn((SIZE.0, SIZE.1, 3), |(y, x, c)| {
            let (x, y) = (x as f32 + shift, y as f32);
            let coarse = (x * 0.071 + c as f32).sin() * (y * 0.093).cos() + 0.5 * (x * 0.19 - y * 0.15).sin();
            let fine = (x * 1.7).sin() * (y * 1.3).cos();
            0.4 * coarse + 0.25 * fine
        })
    }

    /// The scene as a model returns it: small, and so without its texture.
    fn soft(shift: f32) -> Array3<f32> {
        resample(&scene(shift), MODEL.1, MODEL.0, Filter::Sharp).unwrap()
    }

    fn error(a: &Array3<f32>, b: &Array3<f32>) -> f32 {
        // Without the border, where a shifted picture shows what was not there.
        let inside = ndarray::s![20..160, 40..280, ..];
        let difference = &a.slice(inside) - &b.slice(inside);
        (difference.mapv(|value| value * value).mean().unwrap()).sqrt()
    }

    fn carried(made: &Array3<f32>) -> (Array3<f32>, Array3<f32>) {
        let mut details = Details::default();
        details.add(4, &scene(0.0), &soft(0.0)).unwrap();
        let plain = resample(made, SIZE.1, SIZE.0, Filter::Sharp).unwrap();
        let mut sized = plain.clone();
        details.carry(7, made, &mut sized).unwrap();
        (plain, sized)
    }

    #[test]
    fn detail_of_a_still_picture_comes_back() {
        let (plain, sized) = carried(&soft(0.0));
        let truth = scene(0.0);
        assert!(error(&plain, &truth) > 0.1, "the model lost the texture");
        assert!(error(&sized, &truth) < 0.02, "it is back: {}", error(&sized, &truth));
    }

    #[test]
    fn detail_moves_with_the_picture() {
        for shift in [4.0, 9.0, -7.0] {
            let (plain, sized) = carried(&soft(shift));
            let truth = scene(shift);
            let (before, after) = (error(&plain, &truth), error(&sized, &truth));
            assert!(after < 0.75 * before, "moved by {shift}: {before} to {after}");
        }
    }

    #[test]
    fn what_does_not_match_gets_nothing() {
        let other =
            Array3::from_shape_fn(
                (MODEL.0, MODEL.1, 3),
                |(y, x, _)| {
                    if (x / 16 + y / 16) % 2 == 0 { 0.9 } else { -0.9 }
                },
            );
        let (plain, sized) = carried(&other);
        assert!(error(&plain, &sized) < 0.02, "a ghost: {}", error(&plain, &sized));
    }

    #[test]
    fn of_two_sides_the_closer_counts_more() {
        let mut details = Details::default();
        let flat = Array3::zeros((MODEL.0, MODEL.1, 3));
        let level = |value: f32| Array3::from_elem((SIZE.0, SIZE.1, 3), value);
        details.add(0, &level(0.1), &flat).unwrap();
        details.add(4, &level(-0.1), &flat).unwrap();
        let at = |frame: usize| {
            let mut sized = level(0.0);
            details.carry(frame, &flat, &mut sized).unwrap();
            sized[[90, 160, 1]]
        };
        assert!((at(1) - 0.05).abs() < 1e-3 && at(2).abs() < 1e-3 && (at(3) + 0.05).abs() < 1e-3);
        assert!(details.contains(0) && !details.contains(2));
    }
}
