//! How much memory a job takes.

use serde::{Deserialize, Serialize};

use crate::Phase;

/// Bytes that the worker holds at the peak of each phase; 0 where it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseBytes {
    /// Prompt to embedding.
    pub text: u64,
    /// Known frames to latents.
    pub encode: u64,
    /// All denoising steps.
    pub denoise: u64,
    /// Latents to frames.
    pub decode: u64,
    /// Resizing and joining.
    pub join: u64,
}

impl PhaseBytes {
    /// The phases that are told apart.
    pub const PHASES: [Phase; 5] = [Phase::Text, Phase::Encode, Phase::Denoise, Phase::Decode, Phase::Join];

    /// The bytes of a phase; `None` for one that is not told apart.
    pub fn of(&mut self, phase: Phase) -> Option<&mut u64> {
        match phase {
            Phase::Text => Some(&mut self.text),
            Phase::Encode => Some(&mut self.encode),
            Phase::Denoise => Some(&mut self.denoise),
            Phase::Decode => Some(&mut self.decode),
            Phase::Join => Some(&mut self.join),
            Phase::Load | Phase::Store => None,
        }
    }

    /// Each phase with its bytes.
    pub fn each(mut self) -> [(Phase, u64); 5] {
        Self::PHASES.map(|phase| (phase, self.of(phase).copied().unwrap_or_default()))
    }

    /// In each phase the more of the two.
    pub fn or_more(self, other: Self) -> Self {
        Self {
            text: self.text.max(other.text),
            encode: self.encode.max(other.encode),
            denoise: self.denoise.max(other.denoise),
            decode: self.decode.max(other.decode),
            join: self.join.max(other.join),
        }
    }

    /// The most of any phase.
    pub fn peak(self) -> u64 {
        self.each().into_iter().map(|(_, bytes)| bytes).max().unwrap_or_default()
    }
}

/// What is in memory when, before anything is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPlan {
    /// Whether each component is closed before the next one is opened. If not, all but the text encoder stay open
    /// together and wait for the next job.
    pub in_turn: bool,
    /// Side in pixels of the tiles in which frames are decoded; whole without.
    pub tile: Option<u32>,
    /// Bytes at the peak of each phase.
    pub phases: PhaseBytes,
    /// Whether they rest on what was measured of the model; if not, they may be off by a factor of two.
    pub measured: bool,
}

/// Bytes at the peak up to which a job is small: taking pages anew in each run then costs more than what they hold is worth, up to
/// twice the time of a VAE.
const SMALL: u64 = 64 << 20;

impl MemoryPlan {
    /// Whether the process should keep what each run frees for what comes next.
    pub fn is_small(&self) -> bool {
        !self.in_turn && self.peak() <= SMALL
    }

    /// Bytes at the peak of the job.
    pub fn peak(&self) -> u64 {
        self.phases.peak()
    }
}
