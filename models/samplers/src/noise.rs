//! Noise that a seed means everywhere.
//!
//! The normal number at latent frame `t`, channel `c`, row `y`, column `x` of a stream is
//!
//! ```text
//! block = philox4x32_10(counter = [x, y, c + 2^16 · stream, t], key = [low, high word of seed])
//! u     = ((block[0] + 2^32 · block[1]) >> 11 + 1) · 2^−53        0 < u ≤ 1
//! v     = ((block[2] + 2^32 · block[3]) >> 11) · 2^−53            0 ≤ v < 1
//! n     = √(−2 ln u) · cos(2π v)                                  Box and Muller 1958
//! ```
//!
//! in double precision, rounded to single at the end. `t` is a latent frame of the whole canvas, as a
//! 32-bit two's complement number, so a window gets the same noise as the whole. Logarithm and cosine
//! are crate `libm`'s, the other operations are exact or correctly rounded (IEEE 754): nothing depends
//! on a machine's own mathematics library, on threads or on order.

use std::f64::consts::TAU;

use ndarray::Array5;

use crate::philox4x32_10;

/// Independent noises under one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Stream {
    /// The clip's latent.
    Clip = 0,
    /// Latent frames that stand for references; `t` counts them.
    Reference = 1,
    /// A coarse pass over a long span; `t` counts its own latent frames.
    Coarse = 2,
    /// What an encoder is unsure of.
    Encoding = 3,
    /// Known frames that a model is shown with some noise in each step.
    Step = 4,
    /// What a decoder is given besides the latent.
    Decoding = 5,
}

/// The noise of one seed and stream.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    seed: u64,
    stream: Stream,
}

impl Noise {
    /// The noise of `seed` in `stream`.
    pub const fn new(seed: u64, stream: Stream) -> Self {
        Self { seed, stream }
    }

    /// The number at latent frame `frame` of the canvas. `channel` is below 65 536.
    pub fn at(&self, frame: i32, channel: u16, y: u32, x: u32) -> f32 {
        let lane = u32::from(channel) | u32::from(self.stream as u16) << 16;
        let key = [self.seed as u32, (self.seed >> 32) as u32];
        let block = philox4x32_10([x, y, lane, frame as u32], key);
        let radius = (-2.0 * libm::log(unit(block[0], block[1], 1))).sqrt();
        (radius * libm::cos(TAU * unit(block[2], block[3], 0))) as f32
    }

    /// A latent of `shape` `(1, c, f, h, w)` whose first frame is `first` on the canvas.
    pub fn latent(&self, shape: [usize; 5], first: i32) -> Array5<f32> {
        Array5::from_shape_fn(shape, |(_, c, t, y, x)| {
            self.at(first.wrapping_add(t as i32), c as u16, y as u32, x as u32)
        })
    }
}

/// The upper 53 bits of two words, plus `offset`, as a fraction.
fn unit(low: u32, high: u32, offset: u64) -> f64 {
    let bits = u64::from(low) | u64::from(high) << 32;
    ((bits >> 11) + offset) as f64 * (0.5_f64).powi(53)
}

#[cfg(test)]
mod tests;
