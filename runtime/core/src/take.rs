//! What a request produced.

use serde::{Deserialize, Serialize};

use crate::{PhaseBytes, Progress, Provider, Request, TakeId};

/// What a running job says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// How far it is.
    Progress(Progress),
    /// Something the user must see although the job goes on (a fall-back to the CPU, say).
    Warning(String),
}

/// Seconds spent in each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Opening graphs.
    pub load: f64,
    /// Prompt to embedding.
    pub text: f64,
    /// Known frames to latents.
    pub encode: f64,
    /// All denoising steps.
    pub denoise: f64,
    /// Latents to frames.
    pub decode: f64,
    /// Resizing and joining.
    pub join: f64,
    /// Writing the take.
    pub store: f64,
}

impl Timing {
    /// Seconds in all.
    pub fn total(&self) -> f64 {
        self.load + self.text + self.encode + self.denoise + self.decode + self.join + self.store
    }
}

/// The record beside a take's frames: what was asked, and how it was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TakeRecord {
    /// Format of this record; [`TakeRecord::VERSION`].
    pub version: u32,
    /// The take's id.
    pub id: TakeId,
    /// What was asked.
    pub request: Request,
    /// Frames in the take: those of the canvas that were to be made, whole or in part, in order. Their alpha is 1
    /// where a pixel was made and 0 where it is the known one.
    pub frames: u32,
    /// SHA-256 of the package's manifest, which holds the hash of every other file of it.
    pub model_hash: String,
    /// Denoising steps that were run.
    pub steps: u32,
    /// Guidance scale that was used.
    pub guidance: f32,
    /// Sampler that was used.
    pub sampler: String,
    /// Width of the frames that the model made, in pixels.
    pub model_width: u32,
    /// Height of the frames that the model made, in pixels.
    pub model_height: u32,
    /// Frames the model made in each of its windows, known ones and surplus included.
    pub windows: Vec<u32>,
    /// Version of ONNX Runtime.
    pub runtime: String,
    /// The provider that really ran.
    pub provider: Provider,
    /// What the user was told while it ran.
    pub warnings: Vec<String>,
    /// Seconds per phase.
    pub timing: Timing,
    /// Peak memory of the worker in bytes, where the system tells.
    pub peak_memory: Option<u64>,
    /// The same for each phase, where the system tells it apart.
    #[serde(default)]
    pub phase_memory: PhaseBytes,
    /// Side in pixels of the tiles in which it was decoded; `None` if frames were decoded whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<u32>,
    /// Pickup's version.
    pub made_by: String,
    /// When it was made, seconds since 1970 (UTC).
    pub made_at: u64,
    /// IPTC digital source type: `trainedAlgorithmicMedia` or
    /// `compositeWithTrainedAlgorithmicMedia`.
    pub digital_source_type: String,
}

impl TakeRecord {
    /// The format that this version writes and reads.
    pub const VERSION: u32 = 1;
}
