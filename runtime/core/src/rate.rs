//! Rational frame rates.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use crate::Error;

/// Frames per second as an exact fraction in lowest terms: 23.976 is 24000/1001 and never 23.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct FrameRate {
    numerator: u32,
    denominator: u32,
}

impl FrameRate {
    /// `numerator / denominator` frames per second, reduced.
    ///
    /// # Errors
    /// If either is zero, or the rate lies outside 1 to 1000 frames per second.
    pub fn new(numerator: u32, denominator: u32) -> Result<Self, Error> {
        let bad = || {
            Error::input(format!("expected a frame rate between 1 and 1000, got {numerator}/{denominator}."))
        };
        if denominator == 0
            || numerator < denominator
            || f64::from(numerator) > 1000.0 * f64::from(denominator)
        {
            return Err(bad());
        }
        let divisor = gcd(numerator, denominator);
        Ok(Self { numerator: numerator / divisor, denominator: denominator / divisor })
    }

    /// The rate a host means by a decimal number: the NTSC fraction `n·1000/1001` where `fps` lies
    /// within 0.005 of one and further from a whole number (SMPTE ST 12), else the nearest
    /// thousandth.
    ///
    /// # Errors
    /// If `fps` is not a number between 1 and 1000.
    pub fn from_f64(fps: f64) -> Result<Self, Error> {
        if !(1.0..=1000.0).contains(&fps) {
            return Err(Error::input(format!("expected a frame rate between 1 and 1000, got {fps}.")));
        }
        let whole = fps.round();
        if (fps - whole).abs() < 1e-6 {
            return Self::new(whole as u32, 1);
        }
        let ntsc = fps.ceil();
        if (fps - ntsc * 1000.0 / 1001.0).abs() < 0.005 {
            return Self::new(ntsc as u32 * 1000, 1001);
        }
        Self::new((fps * 1000.0).round() as u32, 1000)
    }

    /// The fraction's upper part.
    pub const fn numerator(self) -> u32 {
        self.numerator
    }

    /// The fraction's lower part.
    pub const fn denominator(self) -> u32 {
        self.denominator
    }

    /// Frames per second, rounded to a double.
    pub fn as_f64(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    /// How long `frames` last, in seconds.
    pub fn seconds(self, frames: u32) -> f64 {
        f64::from(frames) * f64::from(self.denominator) / f64::from(self.numerator)
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 {
            write!(f, "{}", self.numerator)
        } else {
            write!(f, "{:.3}", self.as_f64())
        }
    }
}

impl FromStr for FrameRate {
    type Err = Error;

    /// Reads `25`, `23.976` or `24000/1001`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad =
            || Error::input(format!("expected a frame rate such as 25, 23.976 or 24000/1001, got {text:?}."));
        if let Some((numerator, denominator)) = text.split_once('/') {
            return Self::new(
                numerator.trim().parse().map_err(|_| bad())?,
                denominator.trim().parse().map_err(|_| bad())?,
            );
        }
        Self::from_f64(text.trim().parse().map_err(|_| bad())?)
    }
}

impl TryFrom<(u32, u32)> for FrameRate {
    type Error = Error;
    fn try_from((numerator, denominator): (u32, u32)) -> Result<Self, Error> {
        Self::new(numerator, denominator)
    }
}

impl From<FrameRate> for (u32, u32) {
    fn from(rate: FrameRate) -> Self {
        (rate.numerator, rate.denominator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_the_fraction_they_mean() {
        for (text, numerator, denominator) in [
            ("23.976", 24000, 1001),
            ("23.98", 24000, 1001),
            ("24", 24, 1),
            ("25.0", 25, 1),
            ("29.97", 30000, 1001),
            ("30", 30, 1),
            ("59.94", 60000, 1001),
            ("12.5", 25, 2),
            ("48000/2002", 24000, 1001),
        ] {
            let rate: FrameRate = text.parse().unwrap();
            assert_eq!((rate.numerator(), rate.denominator()), (numerator, denominator), "{text}");
        }
        for bad in ["0", "-25", "nan", "25/0", "0/1", "1001", "fast"] {
            assert!(bad.parse::<FrameRate>().is_err(), "{bad} must be refused");
        }
    }

    #[test]
    fn a_day_of_ntsc_frames_does_not_drift() {
        let rate = FrameRate::new(24000, 1001).unwrap();
        assert_eq!(rate.seconds(24000 * 60), 60.0 * 1001.0);
    }
}
