"""A tiny WanVACE."""

from __future__ import annotations

from pathlib import Path

from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanVACEPipeline, WanVACETransformer3DModel

from ..families import wan_vace as FAMILY
from .parts import FIELDS, TEXT_WIDTH, build_text_encoder, build_tokenizer, seeded, write_package

NAME, CONTROL_SCALE = "tiny_wan_vace", 0.9


def build() -> WanVACEPipeline:
    tokenizer = build_tokenizer()
    # With fewer channels its norms divide by almost nothing here and there, and rounding alone is 5e-5.
    vae = AutoencoderKLWan(base_dim=8, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True])
    transformer = WanVACETransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=16, in_channels=16, out_channels=16, text_dim=TEXT_WIDTH,
        freq_dim=64, ffn_dim=64, num_layers=3, vace_layers=[0, 2], vace_in_channels=96, rope_max_seq_len=64)
    pipeline = WanVACEPipeline(
        tokenizer=tokenizer, text_encoder=build_text_encoder(tokenizer), vae=seeded(vae, 5), transformer=seeded(transformer, 3),
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def write(pipeline: WanVACEPipeline, folder: Path) -> None:
    fields = {
        **FIELDS, "name": "tiny-wan-vace", "title": "Tiny WanVACE with random weights, for tests",
        "control": {"scale": CONTROL_SCALE, "max_references": 3},
        "limits": {"size_multiple": 16, "frame_multiple": 4, "frame_offset": 1, "min_frames": 5, "max_frames": 33,
                   "max_pixels": 16384, "native_pixels": 3072, "min_side": 16, "max_side": 256},
        "frame_rate": {"native": [16, 1], "follows_timeline": True},
    }
    write_package(pipeline, FAMILY, fields, folder)
