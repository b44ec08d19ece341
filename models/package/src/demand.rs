//! What a model holds in memory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Component;

/// What each component holds while it runs, as `pickup models measure` found it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Demands {
    /// Tokens to embedding, for a prompt of `tokenizer.max_tokens`.
    pub text_encoder: Demand,
    /// Noisy latent to velocity; `each` is of a position of the latent.
    pub transformer: Demand,
    /// Frames to latent; `each` is of a pixel of the frames of one run.
    pub vae_encoder: Demand,
    /// Latent to frames; `each` is of a pixel of the frames of one run.
    pub vae_decoder: Demand,
}

impl Demands {
    /// The demand of each component.
    pub fn entries(&self) -> [(Component, &Demand); 4] {
        [
            (Component::TextEncoder, &self.text_encoder),
            (Component::Transformer, &self.transformer),
            (Component::VaeEncoder, &self.vae_encoder),
            (Component::VaeDecoder, &self.vae_decoder),
        ]
    }

    /// The demand of one.
    pub fn of(&self, component: Component) -> &Demand {
        match component {
            Component::TextEncoder => &self.text_encoder,
            Component::Transformer => &self.transformer,
            Component::VaeEncoder => &self.vae_encoder,
            Component::VaeDecoder => &self.vae_decoder,
        }
    }
}

/// Bytes that a component holds, weights included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// While it runs, whatever it is given.
    pub resident: u64,
    /// At least, however little it is given, where that is more than `resident`: while it is opened, or runs its widest weights.
    #[serde(default, skip_serializing_if = "is_none")]
    pub least: u64,
    /// Of `resident`, what it holds while it is open and does not run.
    #[serde(default, skip_serializing_if = "is_none")]
    pub idle: u64,
    /// More for each number of what it is given; see [`Demands`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub each: f64,
    /// More for each pixel of a frame, through all runs: the memory of a VAE that works in steps.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kept: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_none(value: &u64) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}
