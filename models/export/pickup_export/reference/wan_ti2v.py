"""Wan2.2-TI2V: text alone, and text with the first frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline
from diffusers.pipelines.wan import pipeline_wan, pipeline_wan_i2v

from ..tiny import wan_ti2v as tiny
from ..tiny.parts import MAX_TOKENS, TEXT_WIDTH
from . import values
from .values import NEGATIVE, PROMPTS, moving_picture, normal, pictures

NAME = "wan_ti2v"


@dataclass(frozen=True)
class Case:
    """One run of the whole pipeline."""
    name: str
    frames: int
    height: int
    width: int
    first: bool  # the first frame is known
    steps: int
    guidance: float


CASES = (Case("text", 5, 64, 96, False, 8, 1.0),
         Case("first", 13, 32, 64, True, 20, 5.0))


def from_first_frame(pipeline: WanPipeline) -> WanImageToVideoPipeline:
    """The same model as the pipeline that takes a first frame."""
    return WanImageToVideoPipeline(**pipeline.components, image_encoder=None, image_processor=None,
                                   boundary_ratio=None, expand_timesteps=True)


def run_case(pipeline: WanPipeline, case: Case, seed: int, folder: Path) -> None:
    rng = np.random.default_rng(seed)
    video = np.zeros((case.frames, case.height, case.width, 3), np.uint8)
    mask = np.ones((case.frames, case.height, case.width), np.uint8)
    arguments = {}
    if case.first:
        video[0], mask[0] = moving_picture(rng, 1, case.height, case.width)[0], 0
        pipeline, arguments = from_first_frame(pipeline), {"image": pictures(video)[0]}
        pipeline.set_progress_bar_config(disable=True)
    noise = normal(rng, 1, tiny.CHANNELS, (case.frames - 1) // 4 + 1, case.height // 16, case.width // 16)
    settings = {"steps": case.steps, "guidance": case.guidance, "prompt": PROMPTS[0], "negative": NEGATIVE}
    arrays = {"video": video, "mask": mask, "references": np.zeros((0, case.height, case.width, 3), np.uint8)}
    values.run_case(folder, settings, arrays, pipeline, noise, prompt=PROMPTS[0], negative_prompt=NEGATIVE,
                    max_sequence_length=MAX_TOKENS, height=case.height, width=case.width, num_frames=case.frames,
                    num_inference_steps=case.steps, guidance_scale=case.guidance, **arguments)


def run_components(pipeline: WanPipeline, folder: Path) -> None:
    rng = np.random.default_rng(8)
    values.run_text(pipeline, folder)
    values.run_vae(pipeline, rng, (1, 3, 13, 32, 64), (1, tiny.CHANNELS, 4, 2, 4), folder)
    inputs = {"latent": normal(rng, 1, tiny.CHANNELS, 3, 4, 6), "text": normal(rng, 1, MAX_TOKENS, TEXT_WIDTH)}
    latent, text = values.save_inputs(folder, inputs)
    noisy = torch.ones(3, 2, 3)
    later = noisy.clone()
    later[0] = 0
    # three levels on every token, then on all but those of the first latent frame
    levels = [(mask * t).flatten()[None] for mask in (noisy, later) for t in (999, 713, 20)]
    velocity = [pipeline.transformer(latent, level, text, return_dict=False)[0] for level in levels]
    values.save(folder / "transformer.out.npy", torch.cat(velocity))


def make(folder: Path) -> None:
    pipeline_wan.prompt_clean = pipeline_wan_i2v.prompt_clean = values.clean
    pipeline = tiny.build()
    run_components(pipeline, folder / NAME / "components")
    for seed, case in enumerate(CASES):
        run_case(pipeline, case, 200 + seed, folder / NAME / "pipeline" / case.name)
    tiny.write(pipeline, folder / tiny.NAME)
