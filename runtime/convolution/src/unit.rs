//! A piece of the output: some rows of tiles, frames and channels, in three steps.
//!
//! Vectors hold the same place of tiles that lie side by side; a row of tiles ends with a whole vector.

use pulp::{Simd, WithSimd};
use std::ops::Range;

use crate::product::{BLOCK, Pair, Panels, multiply};
use crate::transform::{self, COUNT, SIDE, TILE};
use crate::{FilterSize, InputSize};

/// Lanes of the widest vector.
const LANES: usize = 16;

/// What all units share.
pub struct Job<'a> {
    pub size: InputSize,
    pub filters: FilterSize,
    pub panels: &'a Panels,
    /// Parts `(batch, inputs, frames, height, width)`, one after another in time.
    pub input: &'a [&'a [f32]],
    pub bias: Option<&'a [f32]>,
    /// Of the output.
    pub frames: usize,
    pub height: usize,
    pub width: usize,
}

impl Job<'_> {
    /// The numbers of a frame in a channel; `frame` counts through all parts.
    fn plane(&self, clip: usize, channel: usize, mut frame: usize) -> &[f32] {
        let size = self.size.height * self.size.width;
        for part in self.input {
            let frames = part.len() / (self.size.batch * self.filters.inputs * size);
            if frame < frames {
                let plane = (clip * self.filters.inputs + channel) * frames + frame;
                return &part[plane * size..][..size];
            }
            frame -= frames;
        }
        &[]
    }
}

/// What is computed at once.
pub struct Unit<'o> {
    /// Which of the batch.
    pub clip: usize,
    /// Of the output.
    pub frames: Range<usize>,
    pub tile_rows: Range<usize>,
    pub blocks: Range<usize>,
    /// For each channel and frame the rows.
    pub output: Vec<&'o mut [f32]>,
}

/// Room that units use one after another.
#[derive(Default)]
pub struct Scratch {
    input: Vec<f32>,
    sums: Vec<f32>,
    lines: Vec<f32>,
}

/// Computes a unit.
pub struct Run<'a, 'o> {
    pub job: &'a Job<'a>,
    pub unit: Unit<'o>,
    pub scratch: &'a mut Scratch,
}

impl WithSimd for Run<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { job, mut unit, scratch } = self;
        let vectors = job.width.div_ceil(TILE).div_ceil(S::F32_LANES);
        // Of the padded input; the empty frames in it are left out.
        let reach = unit.frames.start..unit.frames.end + job.filters.frames - 1;
        let full = job.size.pad_frames[0]..job.size.pad_frames[0] + job.size.frames;
        let grid = Grid {
            frames: unit.frames.len(),
            input_frames: reach.start.max(full.start)..reach.end.min(full.end),
            inputs: job.filters.inputs,
            outputs: unit.blocks.len() * BLOCK,
            rows: unit.tile_rows.len(),
            vectors,
            pairs: (unit.tile_rows.len() * vectors).div_ceil(2),
        };
        let input =
            pairs::<S>(&mut scratch.input, COUNT * grid.input_frames.len() * grid.pairs * grid.inputs);
        let sums = pairs::<S>(&mut scratch.sums, COUNT * grid.outputs * grid.frames * grid.pairs);
        gather(simd, job, &unit, &grid, &mut scratch.lines, input);
        products(simd, job, &unit, &grid, input, sums);
        scatter(simd, job, &mut unit, &grid, sums);
    }
}

/// Sizes of a unit.
struct Grid {
    frames: usize,
    /// That are not empty, counted in the padded input.
    input_frames: Range<usize>,
    inputs: usize,
    outputs: usize,
    /// Rows of tiles, vectors of each, and pairs of vectors of all.
    rows: usize,
    vectors: usize,
    pairs: usize,
}

impl Grid {
    /// Where the transformed input of a pair lies, the first channel's: `(product, frame, pair, input)`.
    #[inline(always)]
    fn input(&self, product: usize, frame: usize, pair: usize) -> usize {
        let frames = &self.input_frames;
        ((product * frames.len() + frame - frames.start) * self.pairs + pair) * self.inputs
    }

    /// Where a pair's sums lie: `(product, output, frame, pair)`.
    #[inline(always)]
    fn sums(&self, product: usize, output: usize, frame: usize, pair: usize) -> usize {
        ((product * self.outputs + output) * self.frames + frame) * self.pairs + pair
    }
}

/// Room for `count` pairs of vectors; what it held before stays in it.
#[inline(always)]
fn pairs<S: Simd>(room: &mut Vec<f32>, count: usize) -> &mut [Pair<S::f32s>] {
    let length = 2 * S::F32_LANES * count;
    if room.len() < length {
        room.resize(length, 0.0);
    }
    &mut S::as_mut_simd_f32s(&mut room[..length]).0.as_chunks_mut().0[..count]
}

/// Transforms the input.
#[inline(always)]
fn gather<S: Simd>(
    simd: S,
    job: &Job<'_>,
    unit: &Unit<'_>,
    grid: &Grid,
    lines: &mut Vec<f32>,
    out: &mut [Pair<S::f32s>],
) {
    let size = &job.size;
    let length = TILE * S::F32_LANES * grid.vectors + 2;
    if lines.len() < SIDE * length {
        lines.resize(SIDE * length, 0.0);
    }
    let step = grid.input(1, grid.input_frames.start, 0);
    for frame in grid.input_frames.clone() {
        for channel in 0..grid.inputs {
            let plane = job.plane(unit.clip, channel, frame - size.pad_frames[0]);
            for (row, tile_row) in unit.tile_rows.clone().enumerate() {
                for (index, line) in lines.chunks_exact_mut(length).take(SIDE).enumerate() {
                    copy_line(size, plane, tile_row * TILE + index, line);
                }
                for vector in 0..grid.vectors {
                    let start = TILE * S::F32_LANES * vector;
                    let mut tiles = [[simd.splat_f32s(0.0); SIDE]; SIDE];
                    for (line, tiles) in lines.chunks_exact(length).zip(&mut tiles) {
                        *tiles = transform::input(simd, columns(simd, &line[start..]));
                    }
                    let (pair, half) = ((row * grid.vectors + vector) / 2, (row * grid.vectors + vector) % 2);
                    let first = grid.input(0, frame, pair) + channel;
                    for x in 0..SIDE {
                        let [a, b, c, d, e, f] = &tiles;
                        let mut at = first + x * step;
                        for numbers in transform::input(simd, [a[x], b[x], c[x], d[x], e[x], f[x]]) {
                            out[at][half] = numbers;
                            at += SIDE * step;
                        }
                    }
                }
            }
        }
    }
}

/// Copies row `y` of the padded `plane` to `line`, with zeros beyond its ends.
#[inline(always)]
fn copy_line(size: &InputSize, plane: &[f32], y: usize, line: &mut [f32]) {
    let row = y.checked_sub(size.pad_height).filter(|&row| row < size.height);
    let Some(row) = row else { return line.fill(0.0) };
    let (before, rest) = line.split_at_mut(size.pad_width.min(line.len()));
    let (inside, after) = rest.split_at_mut(size.width.min(rest.len()));
    before.fill(0.0);
    inside.copy_from_slice(&plane[row * size.width..][..inside.len()]);
    after.fill(0.0);
}

/// The six columns of tiles that begin every four pixels.
#[inline(always)]
fn columns<S: Simd>(simd: S, line: &[f32]) -> [S::f32s; SIDE] {
    let line = &line[..TILE * S::F32_LANES + 2];
    let mut columns = [[0.0; LANES]; SIDE];
    for tile in 0..S::F32_LANES {
        for (x, column) in columns.iter_mut().enumerate() {
            column[tile] = line[TILE * tile + x];
        }
    }
    let mut vectors = [simd.splat_f32s(0.0); SIDE];
    for (vector, column) in vectors.iter_mut().zip(&columns) {
        *vector = S::as_simd_f32s(column).0[0];
    }
    vectors
}

/// Multiplies and adds up over channels and frames.
#[inline(always)]
fn products<S: Simd>(
    simd: S,
    job: &Job<'_>,
    unit: &Unit<'_>,
    grid: &Grid,
    input: &[Pair<S::f32s>],
    out: &mut [Pair<S::f32s>],
) {
    let step = grid.sums(0, 1, 0, 0);
    for product in 0..COUNT {
        for frame in 0..grid.frames {
            for pair in 0..grid.pairs {
                for (index, block) in unit.blocks.clone().enumerate() {
                    let filters = job.panels.of(block, product);
                    let mut sums = [[simd.splat_f32s(0.0); 2]; BLOCK];
                    for (step, filters) in filters.chunks_exact(grid.inputs).enumerate() {
                        let frame = unit.frames.start + frame + step;
                        if !grid.input_frames.contains(&frame) {
                            continue;
                        }
                        let input = &input[grid.input(product, frame, pair)..][..grid.inputs];
                        sums = multiply(simd, filters, input, sums);
                    }
                    let mut at = grid.sums(product, index * BLOCK, frame, pair);
                    for sums in sums {
                        out[at] = sums;
                        at += step;
                    }
                }
            }
        }
    }
}

/// Transforms the sums back and adds the bias.
#[inline(always)]
fn scatter<S: Simd>(simd: S, job: &Job<'_>, unit: &mut Unit<'_>, grid: &Grid, sums: &[Pair<S::f32s>]) {
    let step = grid.sums(1, 0, 0, 0);
    for (index, out) in unit.output.iter_mut().enumerate() {
        let (channel, frame) = (index / grid.frames, index % grid.frames);
        let bias = job.bias.map_or(0.0, |bias| bias[unit.blocks.start * BLOCK + channel]);
        let bias = simd.splat_f32s(bias);
        for at in 0..grid.rows * grid.vectors {
            let first = grid.sums(0, channel, frame, at / 2);
            let mut columns = [[simd.splat_f32s(0.0); TILE]; SIDE];
            for (x, column) in columns.iter_mut().enumerate() {
                let mut numbers = [simd.splat_f32s(0.0); SIDE];
                let mut from = first + x * step;
                for number in &mut numbers {
                    *number = sums[from][at % 2];
                    from += SIDE * step;
                }
                *column = transform::output(simd, numbers);
            }
            let (row, start) = (at / grid.vectors * TILE, at % grid.vectors * TILE * S::F32_LANES);
            let count = (TILE * S::F32_LANES).min(job.width - start);
            for (y, line) in out.chunks_mut(job.width).skip(row).take(TILE).enumerate() {
                let [a, b, c, d, e, f] = &columns;
                let mut pixels = transform::output(simd, [a[y], b[y], c[y], d[y], e[y], f[y]]);
                for pixels in &mut pixels {
                    *pixels = simd.add_f32s(*pixels, bias);
                }
                interleave::<S>(pixels, &mut line[start..start + count]);
            }
        }
    }
}

/// Writes the four columns of tiles side by side, as far as `line` goes.
#[inline(always)]
fn interleave<S: Simd>(columns: [S::f32s; TILE], line: &mut [f32]) {
    let mut numbers = [[0.0; LANES]; TILE];
    for (numbers, column) in numbers.iter_mut().zip(columns) {
        S::as_mut_simd_f32s(numbers).0[0] = column;
    }
    let mut pixels = [0.0; TILE * LANES];
    for tile in 0..S::F32_LANES {
        for (x, numbers) in numbers.iter().enumerate() {
            pixels[TILE * tile + x] = numbers[tile];
        }
    }
    line.copy_from_slice(&pixels[..line.len()]);
}
