"""A tiny LTX-Video, with the VAE of version 0.9.5."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKLLTXVideo, FlowMatchEulerDiscreteScheduler, LTXConditionPipeline, LTXVideoTransformer3DModel
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from ..families import ltx as FAMILY
from .parts import FIELDS, TEXT_WIDTH, build_tokenizer, seeded, write_package

NAME, CHANNELS = "tiny_ltx", 16
HELD = {"strength": 1.0, "noise": 0.15}
DECODE = {"timestep": 0.05, "noise": 0.025}
#: noise levels of the distilled 0.9.7 and 0.9.8
DISTILLED = [1.0, 0.993, 0.987, 0.981, 0.975, 0.909, 0.725, 0.03]


def build_text_encoder(tokenizer: PreTrainedTokenizerFast) -> T5EncoderModel:
    config = T5Config(vocab_size=len(tokenizer), d_model=TEXT_WIDTH, d_kv=8, d_ff=48, num_layers=2, num_heads=4,
                      feed_forward_proj="gated-gelu")
    return seeded(T5EncoderModel(config), 11)


def build_vae() -> AutoencoderKLLTXVideo:
    """32 pixels and 8 frames to a latent: patches of 4×4 pixels, then one halving of space, one of time, two of both.

    Means and deviations of its latents are made up, and differ from channel to channel.
    """
    vae = AutoencoderKLLTXVideo(
        latent_channels=CHANNELS, block_out_channels=(16, 16, 16, 16, 16), decoder_block_out_channels=(16, 16, 16),
        down_block_types=("LTXVideo095DownBlock3D",) * 4, layers_per_block=(1, 1, 1, 1, 1), decoder_layers_per_block=(1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, True, True), decoder_spatio_temporal_scaling=(True, True, True),
        decoder_inject_noise=(False,) * 4, downsample_type=("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        upsample_residual=(True,) * 3, upsample_factor=(2, 1, 1), timestep_conditioning=True, patch_size=4, patch_size_t=1,
        encoder_causal=True, decoder_causal=False, spatial_compression_ratio=32, temporal_compression_ratio=8)
    seeded(vae, 12)
    with torch.no_grad():
        vae.decoder.timestep_scale_multiplier.fill_(1000.0)
        channel = torch.arange(CHANNELS)
        vae.latents_mean.copy_(0.05 * (channel % 7 - 3))
        vae.latents_std.copy_(0.8 + 0.1 * (channel % 5))
    return vae


def build() -> LTXConditionPipeline:
    tokenizer = build_tokenizer()
    transformer = LTXVideoTransformer3DModel(
        in_channels=CHANNELS, out_channels=CHANNELS, patch_size=1, patch_size_t=1, num_attention_heads=2, attention_head_dim=16,
        cross_attention_dim=32, num_layers=3, caption_channels=TEXT_WIDTH)
    pipeline = LTXConditionPipeline(
        tokenizer=tokenizer, text_encoder=build_text_encoder(tokenizer), vae=build_vae(), transformer=seeded(transformer, 13),
        scheduler=FlowMatchEulerDiscreteScheduler())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def write(pipeline: LTXConditionPipeline, folder: Path) -> None:
    fields = {
        **FIELDS, "name": "tiny-ltx", "title": "Tiny LTX-Video with random weights, for tests",
        "held": HELD, "decode": DECODE,
        "limits": {"size_multiple": 32, "frame_multiple": 8, "frame_offset": 1, "min_frames": 9, "max_frames": 65,
                   "max_pixels": 65536, "native_pixels": 6144, "min_side": 32, "max_side": 256},
        "frame_rate": {"native": [24, 1], "follows_timeline": True},
        "presets": {"draft": {"steps": 8, "guidance": 1.0, "sigmas": DISTILLED}, "final": {"steps": 20, "guidance": 3.0, "guidance_rescale": 0.3}},
    }
    write_package(pipeline, FAMILY, fields, folder)
