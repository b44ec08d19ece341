//! Matrix products: transformed filters by transformed input.

use pulp::Simd;

use crate::FilterSize;
use crate::transform::{self, COUNT, SIDE};

/// Output channels that are computed at once: with two vectors of tiles their sums take 12 of 16 registers.
pub const BLOCK: usize = 6;

/// Two vectors of tiles.
pub type Pair<V> = [V; 2];

/// Transformed filters `(block, product, frame, input, BLOCK)`, in the order in which the products read them.
#[derive(Debug)]
pub struct Panels {
    numbers: Vec<f32>,
    /// Numbers of a block, and of one of its products.
    block: usize,
    product: usize,
}

impl Panels {
    pub fn new(size: FilterSize) -> Self {
        let product = size.frames * size.inputs * BLOCK;
        let (block, blocks) = (COUNT * product, size.outputs.div_ceil(BLOCK));
        Self { numbers: vec![0.0; blocks * block], block, product }
    }

    pub fn blocks(&self) -> usize {
        self.numbers.len() / self.block
    }

    pub fn blocks_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.numbers.chunks_mut(self.block)
    }

    /// The numbers of a block's `product`: for each frame and input channel one for each channel of the block.
    #[inline(always)]
    pub fn of(&self, block: usize, product: usize) -> &[[f32; BLOCK]] {
        let start = block * self.block + product * self.product;
        self.numbers[start..start + self.product].as_chunks().0
    }
}

/// Writes the transformed filters of a block's output channels, of which `rows` gives the weights `(inputs, frames, 3, 3)`.
#[inline(always)]
pub fn fill_block<'w, W: Copy + Into<f32> + 'w>(
    size: FilterSize,
    rows: impl Iterator<Item = &'w [W]>,
    block: &mut [f32],
) {
    let depth = size.frames * size.inputs;
    for (lane, weights) in rows.enumerate() {
        for (index, weights) in weights.as_chunks::<9>().0.iter().enumerate() {
            let place = index % size.frames * size.inputs + index / size.frames;
            let [a, b, c, d, e, f, g, h, i] = *weights;
            let rows = [[a, b, c], [d, e, f], [g, h, i]]
                .map(|[a, b, c]| transform::filter([a.into(), b.into(), c.into()]));
            for x in 0..SIDE {
                let column = transform::filter([rows[0][x], rows[1][x], rows[2][x]]);
                for (y, &number) in column.iter().enumerate() {
                    block[((y * SIDE + x) * depth + place) * BLOCK + lane] = number;
                }
            }
        }
    }
}

/// Adds to `sums` the products of each input channel's filters, one for each output channel of a block, by its two vectors.
#[inline(always)]
pub fn multiply<S: Simd>(
    simd: S,
    filters: &[[f32; BLOCK]],
    input: &[Pair<S::f32s>],
    mut sums: [Pair<S::f32s>; BLOCK],
) -> [Pair<S::f32s>; BLOCK] {
    for (filters, input) in filters.iter().zip(input) {
        for (filter, sums) in filters.iter().zip(&mut sums) {
            let filter = simd.splat_f32s(*filter);
            sums[0] = simd.mul_add_e_f32s(filter, input[0], sums[0]);
            sums[1] = simd.mul_add_e_f32s(filter, input[1], sums[1]);
        }
    }
    sums
}
