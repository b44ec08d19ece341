//! The manifest: everything about a model that code does not have to know.

use std::collections::BTreeMap;

use pickup_core::{FrameRate, Quality};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `manifest.json` of a model package, format 1. Unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the package format; 1.
    pub format: u32,
    /// What requests call this model: 1 to 64 of a–z, 0–9, `.`, `_`, `-`, not starting with a mark.
    pub name: String,
    /// What a person reads.
    pub title: String,
    /// Version of the model or of its export.
    pub version: String,
    /// The code that feeds it: `wan_vace` or `wan_ti2v`.
    pub family: String,
    /// What one may do with it.
    pub licence: Licence,
    /// Where it was made from.
    pub source: Source,
    /// Element type of the weights. Graphs convert at their border, so inputs and outputs may differ.
    pub dtype: Dtype,
    /// Version of the ONNX operator set, 17 to 25; up to 21 runs on every provider.
    pub opset: u32,
    /// The graphs, as paths of `files`.
    pub graphs: Graphs,
    /// How a prompt becomes token ids.
    pub tokenizer: TokenizerSpec,
    /// What the text encoder gives.
    pub text: TextSpec,
    /// What the VAE gives.
    pub latent: LatentSpec,
    /// How known frames, masks and references steer the transformer, in a family whose transformer takes a
    /// control (`wan_vace`); left out in the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlSpec>,
    /// Sizes and lengths the model can make.
    pub limits: Limits,
    /// The frame rate it was trained at.
    pub frame_rate: RateSpec,
    /// What the model can be conditioned on besides text.
    pub conditioning: Vec<Conditioning>,
    /// How noise becomes a clip.
    pub sampler: SamplerSpec,
    /// What each quality means.
    pub presets: Presets,
    /// Negative prompt where the user gives none.
    pub guidance_default_negative: String,
    /// Every file of the package except `manifest.json`, by its path with `/`.
    pub files: BTreeMap<String, FileRecord>,
}

impl Manifest {
    /// Most reference pictures at once.
    pub fn max_references(&self) -> usize {
        self.control.as_ref().map_or(0, |control| control.max_references)
    }

    /// Whether the model can be conditioned on `kind`; frames anywhere include those at either end.
    pub fn takes(&self, kind: Conditioning) -> bool {
        use Conditioning::{ClipEnd, ClipStart, First, Keyframe, Last};
        let listed = |kind| self.conditioning.contains(&kind);
        match kind {
            First => listed(First) || listed(ClipStart) || listed(Keyframe),
            Last => listed(Last) || listed(ClipEnd) || listed(Keyframe),
            ClipStart | ClipEnd => listed(kind) || listed(Keyframe),
            other => listed(other),
        }
    }
}

/// What one may do with a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// SPDX expression, or `LicenseRef-…` for a licence without one.
    pub spdx: String,
    /// Its text, a path of `files`.
    pub file: String,
    /// Whether the user has to accept it before the model is installed.
    pub acceptance_required: bool,
}

/// Where a model was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name or address of the checkpoint, or how it was trained.
    pub origin: String,
    /// Its exact revision.
    pub revision: String,
}

/// Element type of a package's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE half precision.
    Fp16,
    /// IEEE single precision.
    Fp32,
}

/// The graphs of a package, as paths of `files`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Graphs {
    /// `input_ids`, `attention_mask` (1, l) → embedding (1, l, d).
    pub text_encoder: String,
    /// Latent, noise level, text and what else its family takes → velocity.
    pub transformer: String,
    /// The first frame (1, 3, 1, h, w) → one latent frame and the caches.
    pub vae_enc_first: String,
    /// Frames (1, 3, temporal·n, h, w) and caches → n latent frames and the next caches.
    pub vae_enc_next: String,
    /// The first latent frame → one frame and the caches.
    pub vae_dec_first: String,
    /// n latent frames and caches → temporal·n frames and the next caches.
    pub vae_dec_next: String,
}

impl Graphs {
    /// Field name and path of each graph.
    pub fn entries(&self) -> [(&'static str, &str); 6] {
        [
            ("text_encoder", &self.text_encoder),
            ("transformer", &self.transformer),
            ("vae_enc_first", &self.vae_enc_first),
            ("vae_enc_next", &self.vae_enc_next),
            ("vae_dec_first", &self.vae_dec_first),
            ("vae_dec_next", &self.vae_dec_next),
        ]
    }
}

/// How a prompt becomes token ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenizerSpec {
    /// A Hugging Face `tokenizer.json`, a path of `files`.
    pub file: String,
    /// Length that prompts are cut and padded to, 1 to 4096 tokens.
    pub max_tokens: usize,
    /// The id that pads.
    pub pad_id: u32,
}

/// What the text encoder gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextSpec {
    /// Numbers to a token.
    pub width: usize,
}

/// What the VAE gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatentSpec {
    /// Channels of a latent frame.
    pub channels: usize,
    /// Pixels to a latent, in each direction.
    pub spatial: usize,
    /// Frames to a latent frame, after the first, which stands alone.
    pub temporal: usize,
}

/// How known frames, masks and references steer the transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlSpec {
    /// Length of the transformer's `control_scale`: its layers that take control.
    pub layers: usize,
    /// Value of each element of `control_scale`, 0 to 2.
    pub scale: f32,
    /// Most reference pictures at once.
    pub max_references: usize,
}

/// Sizes and lengths a model can make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Width and height are multiples of this many pixels; itself a multiple of `latent.spatial`.
    pub size_multiple: u32,
    /// A clip has `frame_multiple · n + frame_offset` frames.
    pub frame_multiple: u32,
    /// See `frame_multiple`.
    pub frame_offset: u32,
    /// Shortest clip, in frames.
    pub min_frames: u32,
    /// Longest clip in one pass, in frames.
    pub max_frames: u32,
    /// Most pixels of a frame.
    pub max_pixels: u32,
    /// Pixels of a frame at which the model is at its best.
    pub native_pixels: u32,
    /// Shortest side, in pixels.
    pub min_side: u32,
    /// Longest side, in pixels.
    pub max_side: u32,
}

impl Limits {
    /// Whether a clip may have `frames` frames as far as the rule `multiple · n + offset` goes.
    pub fn allows_length(&self, frames: u32) -> bool {
        frames >= self.frame_offset && (frames - self.frame_offset).is_multiple_of(self.frame_multiple)
    }

    /// The shortest length of at least `frames` that the rule allows, and no less than `min_frames`.
    pub fn length_for(&self, frames: u32) -> u32 {
        let wanted = frames.max(self.min_frames).max(self.frame_offset);
        self.frame_offset + (wanted - self.frame_offset).next_multiple_of(self.frame_multiple)
    }
}

/// The frame rate a model was trained at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateSpec {
    /// Numerator and denominator of the frames per second.
    #[schemars(with = "(u32, u32)")]
    pub native: FrameRate,
    /// Whether clips at other rates come out well, so that generation may run at the timeline's.
    pub follows_timeline: bool,
}

/// What a model can be conditioned on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conditioning {
    /// The first frame.
    First,
    /// The last frame.
    Last,
    /// Frames at the start.
    ClipStart,
    /// Frames at the end.
    ClipEnd,
    /// Frames anywhere.
    Keyframe,
    /// Parts of frames.
    Mask,
    /// Pictures of what should be seen.
    Reference,
}

/// How noise becomes a clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SamplerSpec {
    /// Which sampler.
    pub kind: SamplerKind,
    /// Its order, 1 to 3; Euler's is always 1.
    #[serde(default = "default_order")]
    pub order: usize,
    /// Shift of the noise levels towards noise, above 0 and up to 100; 1 leaves them.
    pub shift: f64,
    /// The timestep at full noise.
    pub train_timesteps: u32,
}

fn default_order() -> usize {
    2
}

/// Which sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// UniPC, B(h) = e^h − 1, predicting the clean latent.
    Unipc,
    /// Euler steps along the flow.
    FlowEuler,
}

/// What each quality means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Presets {
    /// A look at where it goes.
    pub draft: Preset,
    /// What the package's makers recommend.
    #[serde(rename = "final")]
    pub full: Preset,
    /// What takes the place of both where known frames lead in or out, for a model that does that best in
    /// steps of its own. Left out where there is no such difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuing: Option<Preset>,
}

impl Presets {
    /// The preset of `quality`, for a canvas on which frames are known if it `continues`.
    pub fn of(&self, quality: Quality, continues: bool) -> &Preset {
        match (&self.continuing, quality) {
            (Some(continuing), _) if continues => continuing,
            (_, Quality::Draft) => &self.draft,
            (_, Quality::Final) => &self.full,
        }
    }
}

/// Steps and guidance of a quality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Denoising steps, 1 to 200.
    pub steps: u32,
    /// Classifier-free guidance, 1 to 30; 1 leaves it out.
    pub guidance: f32,
}

/// What a file must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, 64 lower-case hex digits.
    pub sha256: String,
}
