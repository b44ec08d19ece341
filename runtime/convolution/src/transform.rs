//! The transforms of F(4, 3) in one dimension, which are used along rows and then along columns.
//!
//! They evaluate polynomials at five points and at infinity (Toom and Cook's construction, e.g. B. Barabasz et al., "Error
//! Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", arXiv:1803.10986). With the
//! usual points 0, ±1, ±2 a sum of 96 channels of numbers around 1 has an error (root of the mean square, in single
//! precision) of 2.0e-6, where a plain sum has 5.3e-7. At 0, ±1/√2, ±√2 all powers lie between 1/2√2 and 2√2, and it
//! is 9.6e-7.
//!
//! These points' squares are ½ and 2: the rows of the input's transform are the coefficients of (x² − ½)(x² − 2),
//! x(x ± 1/√2)(x² − 2), x(x ± √2)(x² − ½) and x(x² − ½)(x² − 2).

use pulp::Simd;
use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Output pixels of a tile along one side.
pub const TILE: usize = 4;
/// Input pixels of a tile along one side, and products.
pub const SIDE: usize = 6;
/// Products of a tile.
pub const COUNT: usize = SIDE * SIDE;

/// Input pixels to what is multiplied.
#[inline(always)]
pub fn input<S: Simd>(simd: S, x: [S::f32s; SIDE]) -> [S::f32s; SIDE] {
    let add = |factor, x, to| simd.mul_add_e_f32s(simd.splat_f32s(factor), x, to);
    let times = |factor, x| simd.mul_f32s(simd.splat_f32s(factor), x);
    let (even, odd) = (add(-2.0, x[2], x[4]), times(FRAC_1_SQRT_2, add(-2.0, x[1], x[3])));
    let (far_even, far_odd) = (add(-0.5, x[2], x[4]), times(SQRT_2, add(-0.5, x[1], x[3])));
    [
        simd.add_f32s(add(-2.5, x[2], x[0]), x[4]),
        simd.add_f32s(even, odd),
        simd.sub_f32s(even, odd),
        simd.add_f32s(far_even, far_odd),
        simd.sub_f32s(far_even, far_odd),
        simd.add_f32s(add(-2.5, x[3], x[1]), x[5]),
    ]
}

/// Sums of products to output pixels.
#[inline(always)]
pub fn output<S: Simd>(simd: S, x: [S::f32s; SIDE]) -> [S::f32s; TILE] {
    let add = |factor, x, to| simd.mul_add_e_f32s(simd.splat_f32s(factor), x, to);
    let times = |factor, x| simd.mul_f32s(simd.splat_f32s(factor), x);
    let (even, odd) = (simd.add_f32s(x[1], x[2]), simd.sub_f32s(x[1], x[2]));
    let (far_even, far_odd) = (simd.add_f32s(x[3], x[4]), simd.sub_f32s(x[3], x[4]));
    [
        simd.add_f32s(x[0], simd.add_f32s(even, far_even)),
        add(FRAC_1_SQRT_2, odd, times(SQRT_2, far_odd)),
        add(0.5, even, times(2.0, far_even)),
        simd.add_f32s(add(0.5 * FRAC_1_SQRT_2, odd, times(2.0 * SQRT_2, far_odd)), x[5]),
    ]
}

/// A filter's three numbers to what is multiplied; divided by each point's distances to the other points.
#[inline(always)]
pub fn filter(x: [f32; 3]) -> [f32; SIDE] {
    let (even, odd) = ((x[0] + 0.5 * x[2]) / -1.5, FRAC_1_SQRT_2 * x[1] / -1.5);
    let (far_even, far_odd) = ((x[0] + 2.0 * x[2]) / 6.0, SQRT_2 * x[1] / 6.0);
    [x[0], even + odd, even - odd, far_even + far_odd, far_even - far_odd, x[2]]
}
