//! Pixel depths of OpenFX. The white point is 255, 65535 or 1.0.

use half::f16;

use crate::plan::Depth;

/// A sample of a source file.
pub trait Sample: Copy {
    /// As 8 bits: exact from 8 bits, rounded to nearest otherwise.
    fn byte(self) -> u8;
    /// As 16 bits: exact from 8 and 16 bits (255 × 257 = 65535).
    fn short(self) -> u16;
    /// As floating point.
    fn float(self) -> f32;
}

impl Sample for u8 {
    fn byte(self) -> u8 {
        self
    }
    fn short(self) -> u16 {
        u16::from(self) * 257
    }
    fn float(self) -> f32 {
        f32::from(self) / 255.0
    }
}

impl Sample for u16 {
    fn byte(self) -> u8 {
        ((u32::from(self) * 255 + 32767) / 65535) as u8
    }
    fn short(self) -> u16 {
        self
    }
    fn float(self) -> f32 {
        f32::from(self) / 65535.0
    }
}

impl Sample for f32 {
    fn byte(self) -> u8 {
        (self.clamp(0.0, 1.0) * 255.0).round() as u8
    }
    fn short(self) -> u16 {
        (self.clamp(0.0, 1.0) * 65535.0).round() as u16
    }
    fn float(self) -> f32 {
        self
    }
}

/// Samples as bytes of a depth, in the machine's byte order.
#[must_use]
pub fn encode<S: Sample>(samples: &[S], depth: Depth) -> Vec<u8> {
    match depth {
        Depth::Byte => samples.iter().map(|s| s.byte()).collect(),
        Depth::Short => samples.iter().flat_map(|s| s.short().to_ne_bytes()).collect(),
        Depth::Half => samples.iter().flat_map(|s| f16::from_f32(s.float()).to_ne_bytes()).collect(),
        Depth::Float => samples.iter().flat_map(|s| s.float().to_ne_bytes()).collect(),
    }
}

/// Bytes of a depth as floating-point samples.
#[must_use]
pub fn decode(bytes: &[u8], depth: Depth) -> Vec<f32> {
    match depth {
        Depth::Byte => bytes.iter().map(|b| b.float()).collect(),
        Depth::Short => pairs(bytes).map(|pair| u16::from_ne_bytes(pair).float()).collect(),
        Depth::Half => pairs(bytes).map(|pair| f16::from_ne_bytes(pair).to_f32()).collect(),
        Depth::Float => bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_ne_bytes(four)).collect(),
    }
}

/// Bytes of short depth as samples.
#[must_use]
pub fn shorts(bytes: &[u8]) -> Vec<u16> {
    pairs(bytes).map(u16::from_ne_bytes).collect()
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = [u8; 2]> + '_ {
    bytes.as_chunks::<2>().0.iter().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whites_meet() {
        assert_eq!((255u8.short(), 255u8.float()), (65535, 1.0));
        assert_eq!((65535u16.byte(), 65535u16.float()), (255, 1.0));
        assert_eq!((1.0f32.byte(), 1.0f32.short()), (255, 65535));
    }

    proptest! {
        #[test]
        fn eight_bits_come_back_from_every_depth(value: u8) {
            prop_assert_eq!(value.short().byte(), value);
            prop_assert_eq!(value.float().byte(), value);
            prop_assert_eq!(f16::from_f32(value.float()).to_f32().byte(), value);
        }

        #[test]
        fn sixteen_bits_come_back_from_float_but_not_from_half(value: u16) {
            prop_assert_eq!(value.float().short(), value);
        }

        #[test]
        fn encoded_bytes_decode(samples in proptest::collection::vec(-4.0f32..4.0, 0..64)) {
            prop_assert_eq!(decode(&encode(&samples, Depth::Float), Depth::Float), samples);
        }
    }

    #[test]
    fn half_loses_sixteen_bits() {
        assert!((0..=u16::MAX).any(|value| f16::from_f32(value.float()).to_f32().short() != value));
    }
}
