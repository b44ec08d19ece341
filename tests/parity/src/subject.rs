//! The tiny models, and what each is held to.

use pickup_families::Purpose;
use pickup_families::ltx::Ltx;
use pickup_families::wan_ti2v::WanTi2v;
use pickup_families::wan_vace::WanVace;

use crate::Variation;

/// A tiny model with diffusers' runs of it.
#[derive(Debug)]
pub struct Subject {
    /// Its family. Its golden values lie in the folder of this name, its package in `tiny_` and this name.
    pub family: &'static str,
    /// Least peak signal-to-noise ratio of its pipeline against diffusers, in dB.
    pub pipeline_bound: f64,
    /// The runs of its pipeline.
    pub runs: &'static [Run],
}

/// One run that diffusers made.
#[derive(Debug)]
pub struct Run {
    /// Name of its folder.
    pub name: &'static str,
    /// Gross mistakes that must be noticed.
    pub controls: &'static [Variation],
    /// Smaller mistakes that must be noticed too.
    pub smaller: &'static [Variation],
}

use Variation as V;

/// All tiny models.
///
/// `wan_vace`: a gap filled in 20 steps with one reference and half known frames; a shot extended in 8 steps
/// with two references. `wan_ti2v`: a clip from text in 8 steps without guidance; one from text and its first
/// frame in 20 steps. `ltx`: a clip from a picture in 8 listed steps without guidance; one between two others,
/// with a picture amid it, each with a strength, in 20 steps; one from text.
pub static SUBJECTS: [Subject; 3] = [
    Subject {
        family: WanVace::NAME,
        pipeline_bound: 120.0,
        runs: &[
            Run { name: "fill", controls: &[V::MaskInverted, V::GuidanceDropped], smaller: &[V::FirstOrder] },
            Run {
                name: "extend",
                controls: &[V::MaskInverted, V::GuidanceDropped],
                smaller: &[V::FirstOrder, V::ReferencesReversed],
            },
        ],
    },
    Subject {
        family: WanTi2v::NAME,
        pipeline_bound: 110.0,
        runs: &[
            Run { name: "text", controls: &[V::PromptDropped, V::ShiftDropped], smaller: &[V::FirstOrder] },
            Run {
                name: "first",
                controls: &[V::FirstFrameDropped, V::LevelsEven, V::GuidanceDropped],
                smaller: &[V::FirstOrder],
            },
        ],
    },
    Subject {
        family: Ltx::NAME,
        pipeline_bound: 110.0,
        runs: &[
            Run {
                name: "picture",
                controls: &[V::PromptDropped, V::FirstFrameDropped, V::LevelsEven],
                smaller: &[V::RateHalved, V::LevelsUnlisted, V::NoiseDropped(Purpose::Decoding)],
            },
            Run {
                name: "clips",
                controls: &[V::GuidanceDropped, V::StrengthsFull, V::LevelsEven],
                smaller: &[V::RateHalved, V::RescaleDropped, V::NoiseDropped(Purpose::Step)],
            },
            Run {
                name: "text",
                controls: &[V::PromptDropped, V::GuidanceDropped],
                smaller: &[V::RateHalved, V::NoiseDropped(Purpose::Decoding)],
            },
        ],
    },
];
