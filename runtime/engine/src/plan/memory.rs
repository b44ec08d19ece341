//! How much memory a plan takes, estimated.
//!
//! Only weights and pictures are exact. What the networks hold while they run is scaled from
//! Wan2.1-VACE-1.3B at 832×480×81, and may be off by a factor of two for other models.

use pickup_package::{Dtype, Manifest};

use super::Plan;

/// Bytes that its transformer holds for each token in half precision: the widest
/// feed-forward layer (8,960 numbers) and about eight states of 1,536.
const TRANSFORMER_BYTES_PER_TOKEN: f64 = 42_500.0;
/// Its transformer's weights, in numbers.
const TRANSFORMER_WEIGHTS: f64 = 2.15e9;
/// Bytes that its VAE holds per pixel in half precision: 1.89 GB of caches at 832×480, and about as
/// much again in a run.
const VAE_BYTES_PER_PIXEL: f64 = 9_500.0;
/// Its VAE's weights, in numbers.
const VAE_WEIGHTS: f64 = 0.127e9;
/// Bytes that the VAE of LTX-Video 0.9.5, which takes whole clips, holds per pixel and frame in half precision:
/// five states of 128 numbers for each 4×4 pixels, counted from its last layers.
const WHOLE_VAE_BYTES_PER_PIXEL: f64 = 80.0;
/// Its weights, in numbers.
const WHOLE_VAE_WEIGHTS: f64 = 1.25e9;

/// Bytes at the peak: the largest of reading the prompt, denoising, and encoding or decoding.
pub(super) fn peak_bytes(plan: &Plan, references: usize, manifest: &Manifest) -> u64 {
    let graphs = &manifest.graphs;
    let transformer = folder_bytes(manifest, &graphs.transformer);
    let vae = folder_bytes(manifest, &graphs.vae_dec_first);
    let longest = plan.passes.iter().map(|pass| plan.latents(pass, references, manifest)).max().unwrap_or(0);
    let frames = plan.windows().into_iter().max().unwrap_or(0);
    let pixels = f64::from(plan.width) * f64::from(plan.height);
    // Canvas, its two encoded halves and the decoded clip, as 32-bit floats.
    let pictures = pixels * f64::from(frames) * 3.0 * 4.0 * 4.0;
    // A token is a square of latents, as wide as the step in which sides can grow.
    let patch = f64::from(manifest.limits.size_multiple) / manifest.latent.spatial as f64;
    let denoise = longest as f64 / patch.powi(2)
        * activation(TRANSFORMER_BYTES_PER_TOKEN, transformer, TRANSFORMER_WEIGHTS, manifest);
    let decode = match graphs.is_stepped() {
        true => pixels * activation(VAE_BYTES_PER_PIXEL, vae, VAE_WEIGHTS, manifest),
        false => {
            let each = activation(WHOLE_VAE_BYTES_PER_PIXEL, vae, WHOLE_VAE_WEIGHTS, manifest);
            pixels * f64::from(frames) * each
        }
    };
    let resident = transformer as f64 + vae as f64 + pictures;
    let text = folder_bytes(manifest, &graphs.text_encoder) as f64;
    text.max(resident + denoise.max(decode)) as u64
}

/// What a network of `bytes` of weights holds, if one of `weights` numbers holds `known` in half
/// precision: widths go with the square root of the number of weights.
fn activation(known: f64, bytes: u64, weights: f64, manifest: &Manifest) -> f64 {
    let size = match manifest.dtype {
        Dtype::Fp16 => 2.0,
        Dtype::Fp32 => 4.0,
    };
    known * (bytes as f64 / size / weights).sqrt() * size / 2.0
}

/// Bytes of all files in the folder of `graph`; of the graph alone if it lies in the package's root.
fn folder_bytes(manifest: &Manifest, graph: &str) -> u64 {
    let beside = |path: &str| match graph.rsplit_once('/') {
        Some((folder, _)) => path.rsplit_once('/').is_some_and(|(other, _)| other == folder),
        None => path == graph,
    };
    manifest.files.iter().filter(|(path, _)| beside(path)).map(|(_, record)| record.bytes).sum()
}
