"""A tiny Wan2.2-TI2V."""

from __future__ import annotations

from pathlib import Path

from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel

from ..families import wan_ti2v as FAMILY
from .parts import FIELDS, TEXT_WIDTH, build_text_encoder, build_tokenizer, seeded, write_package

NAME, CHANNELS = "tiny_wan_ti2v", 48


def build_vae() -> AutoencoderKLWan:
    """The configuration of Wan2.2's VAE with 8 channels inside: shortcuts, patches of 2×2 pixels, 16 pixels to a latent.

    Means and deviations of its latents are made up, and differ from channel to channel.
    """
    mean = [round(0.05 * (channel % 7 - 3), 2) for channel in range(CHANNELS)]
    deviation = [round(0.8 + 0.1 * (channel % 5), 1) for channel in range(CHANNELS)]
    vae = AutoencoderKLWan(
        base_dim=8, z_dim=CHANNELS, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True],
        is_residual=True, in_channels=12, out_channels=12, patch_size=2, scale_factor_spatial=16, scale_factor_temporal=4,
        latents_mean=mean, latents_std=deviation)
    return seeded(vae, 6)


def build() -> WanPipeline:
    tokenizer = build_tokenizer()
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=16, in_channels=CHANNELS, out_channels=CHANNELS,
        text_dim=TEXT_WIDTH, freq_dim=64, ffn_dim=64, num_layers=3, rope_max_seq_len=64)
    pipeline = WanPipeline(
        tokenizer=tokenizer, text_encoder=build_text_encoder(tokenizer), vae=build_vae(), transformer=seeded(transformer, 4),
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0),
        transformer_2=None, boundary_ratio=None, expand_timesteps=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def write(pipeline: WanPipeline, folder: Path) -> None:
    fields = {
        **FIELDS, "name": "tiny-wan-ti2v", "title": "Tiny Wan TI2V with random weights, for tests",
        "limits": {"size_multiple": 32, "frame_multiple": 4, "frame_offset": 1, "min_frames": 5, "max_frames": 33,
                   "max_pixels": 16384, "native_pixels": 6144, "min_side": 32, "max_side": 256},
        "frame_rate": {"native": [24, 1], "follows_timeline": True},
    }
    write_package(pipeline, FAMILY, fields, folder)
