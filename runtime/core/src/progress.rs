//! How far a job is.

use serde::{Deserialize, Serialize};

/// The named stretches of a job, in the order they are passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Opening the model's graphs.
    Load,
    /// Prompt to embedding.
    Text,
    /// Known frames to latents.
    Encode,
    /// Denoising, step by step.
    Denoise,
    /// Latents to frames.
    Decode,
    /// Bringing generated frames to the timeline's size, beside the known ones.
    Join,
    /// Writing the take.
    Store,
}

impl Phase {
    /// The word an editor reads.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Load => "Loading model",
            Self::Text => "Reading prompt",
            Self::Encode => "Reading frames",
            Self::Denoise => "Generating",
            Self::Decode => "Decoding",
            Self::Join => "Joining",
            Self::Store => "Saving take",
        }
    }
}

/// One report of how far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Steps of this phase that are done.
    pub step: u32,
    /// Steps of this phase in all; 0 where it has none.
    pub steps: u32,
    /// Share of the whole job that is done, 0 to 1, never falling.
    pub fraction: f32,
    /// Estimated time to the end, in seconds, once there is something to judge by.
    pub seconds_left: Option<f32>,
}

impl Progress {
    /// One line such as `Generating 3 of 12, 8 s left`.
    pub fn line(&self) -> String {
        let mut line = self.phase.label().to_owned();
        if self.steps > 0 {
            line += &format!(" {} of {}", self.step, self.steps);
        }
        if let Some(seconds) = self.seconds_left {
            line += &format!(", {:.0} s left", seconds.max(0.0).ceil());
        }
        line
    }
}
