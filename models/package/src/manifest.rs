//! The manifest: everything about a model that code does not have to know.

use std::collections::BTreeMap;

use pickup_core::{FrameRate, Quality};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Demands, GraphKind};

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
    /// The code that feeds it: `wan_vace`, `wan_ti2v` or `ltx`.
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
    /// How known frames are held, in a family whose latents have a noise level of their own each (`ltx`);
    /// left out in the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldSpec>,
    /// What the decoder is told besides the latent, in a family whose decoder takes a timestep (`ltx`); left
    /// out in the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<DecodeSpec>,
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
    /// Inputs of each component and what diffusers made of them; left out in a package that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden: Option<Golden>,
    /// What each component holds in memory, measured on a processor; left out in a package where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Demands>,
    /// The same of a GPU's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory: Option<Demands>,
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

/// How a text encoder's weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TextWeights {
    /// 8 bits and a scale to every 32 numbers; the table of tokens in half precision.
    Int8,
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
    /// Frames (1, 3, temporal·n, h, w) and caches → n latent frames and the next caches. Left out, with
    /// `vae_dec_next`, where the first graphs take whole clips, because the VAE looks ahead in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vae_enc_next: Option<String>,
    /// The part of the decoder that mixes the whole picture, as attention does, where the rest sees a neighbourhood
    /// only and can be run on tiles: the first latent frame → features of its height and width, and the caches.
    /// Left out where the decoder is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vae_mid_first: Option<String>,
    /// n latent frames and caches → their features and the next caches. Left out where `vae_mid_first` or
    /// `vae_dec_next` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vae_mid_next: Option<String>,
    /// The first latent frame, or its features → one frame and the caches.
    pub vae_dec_first: String,
    /// n latent frames, or their features, and caches → temporal·n frames and the next caches. See `vae_enc_next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vae_dec_next: Option<String>,
}

impl Graphs {
    /// Whether the VAE takes a clip in steps, its memory handed on as caches; if not, in one run.
    pub fn is_stepped(&self) -> bool {
        self.vae_enc_next.is_some()
    }

    /// Where a graph is, if the package has it.
    pub fn path(&self, kind: GraphKind) -> Option<&str> {
        match kind {
            GraphKind::TextEncoder => Some(&self.text_encoder),
            GraphKind::Transformer => Some(&self.transformer),
            GraphKind::VaeEncFirst => Some(&self.vae_enc_first),
            GraphKind::VaeEncNext => self.vae_enc_next.as_deref(),
            GraphKind::VaeMidFirst => self.vae_mid_first.as_deref(),
            GraphKind::VaeMidNext => self.vae_mid_next.as_deref(),
            GraphKind::VaeDecFirst => Some(&self.vae_dec_first),
            GraphKind::VaeDecNext => self.vae_dec_next.as_deref(),
        }
    }

    /// Kind and path of each graph that the package has.
    pub fn kinds(&self) -> impl Iterator<Item = (GraphKind, &str)> {
        GraphKind::ALL.into_iter().filter_map(|kind| Some((kind, self.path(kind)?)))
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
    /// How the text encoder's weights are stored, where that differs from `dtype`. Inputs, output and arithmetic
    /// are in single precision in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<TextWeights>,
    /// Whether the transformer is given a token for each that pads, all zero. If not, the embedding ends with
    /// the prompt, which is what a transformer sees that is given a mask over the padding.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub padded: bool,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_true(value: &bool) -> bool {
    *value
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

/// How known frames are held while the others are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldSpec {
    /// How firmly, above 0 and up to 1. With 1 a known frame stays as it is; with less it is taken to the noise
    /// level `1 − strength` and made from there.
    pub strength: f32,
    /// Noise that is laid over firmly held frames at timestep t of T: this much times (t/T)², 0 to 1. It
    /// helps the model to go on from them in motion.
    pub noise: f32,
}

/// What a decoder that takes a timestep is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecodeSpec {
    /// Its timestep, 0 to 1.
    pub timestep: f32,
    /// Share of noise, 0 to 1, that the latent is mixed with before.
    pub noise: f32,
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
    /// Its order, 1 to 3 (DPM-Solver++: 1 or 2); Euler's is always 1.
    #[serde(default = "default_order")]
    pub order: usize,
    /// How its noise levels lie, where a preset does not list them.
    #[serde(default, skip_serializing_if = "ScheduleKind::is_default")]
    pub schedule: ScheduleKind,
    /// Shift of the noise levels towards noise, above 0 and up to 100; 1 leaves them, as it must for
    /// `linear_quadratic`.
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
    /// Euler steps along the flow; each token on its own where some are held.
    FlowEuler,
    /// DPM-Solver++ (2M), predicting the clean latent.
    DpmPlusPlus,
}

/// How noise levels lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Even, then shifted.
    #[default]
    Shifted,
    /// Even over the first half of the steps, which takes away 1/40 of the noise, then ever further apart
    /// (LTX-Video).
    LinearQuadratic,
}

impl ScheduleKind {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
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
    /// Sides at which the model works, 0.1 to 4 times those of `limits.native_pixels`.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub scale: f32,
    /// How much of the guided velocity, 0 to 1, is brought back to the spread of the unguided one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub guidance_rescale: f32,
    /// First and last share of the steps, 0 to 1, between which there is guidance; all of them if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guidance_interval: Option<[f64; 2]>,
    /// The noise level before each step, falling, above 0 and up to 1: one for each of `steps`. For models that
    /// were distilled to a few; they stand as they are, without shift. Left out, and where a request sets
    /// another number of steps, `sampler.schedule` says how they lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigmas: Option<Vec<f64>>,
}

fn one() -> f32 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_one(value: &f32) -> bool {
    *value == one()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

/// Golden values: what each component has to give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Tokens to embedding.
    pub text_encoder: GoldenSpec,
    /// Noisy latent to velocity.
    pub transformer: GoldenSpec,
    /// Frames to latent.
    pub vae_encoder: GoldenSpec,
    /// Latent to frames.
    pub vae_decoder: GoldenSpec,
}

impl Golden {
    /// Golden values of each component.
    pub fn entries(&self) -> [(Component, &GoldenSpec); 4] {
        [
            (Component::TextEncoder, &self.text_encoder),
            (Component::Transformer, &self.transformer),
            (Component::VaeEncoder, &self.vae_encoder),
            (Component::VaeDecoder, &self.vae_decoder),
        ]
    }
}

/// A part of a model that can be run on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Tokens to embedding.
    TextEncoder,
    /// Noisy latent to velocity.
    Transformer,
    /// Frames to latent.
    VaeEncoder,
    /// Latent to frames.
    VaeDecoder,
}

impl Component {
    /// Its field of `golden` in the manifest.
    pub const fn field(self) -> &'static str {
        match self {
            Self::TextEncoder => "text_encoder",
            Self::Transformer => "transformer",
            Self::VaeEncoder => "vae_encoder",
            Self::VaeDecoder => "vae_decoder",
        }
    }
}

/// Golden values of one component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GoldenSpec {
    /// Folders of `files`, 1 to 64, each with `expected.npy` and an `.npy` of each input by its name in the graph.
    pub cases: Vec<String>,
    /// Largest root mean square of the error, over the deviation of the expected values; above 0 and up to 1.
    pub bound: f64,
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
