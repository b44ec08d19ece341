"""WanVACE: gaps and extensions with masks and references."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import WanVACEPipeline
from diffusers.pipelines.wan import pipeline_wan_vace

from ..tiny import wan_vace as tiny
from ..tiny.parts import MAX_TOKENS, TEXT_WIDTH
from . import values
from .values import NEGATIVE, PROMPTS, moving_picture, normal, pictures

NAME = "wan_vace"


@dataclass(frozen=True)
class Case:
    """One run of the whole pipeline."""
    name: str
    frames: int
    height: int
    width: int
    known: tuple[tuple[int, int], ...]  # runs of known frames
    region: bool                        # the left half of two more frames is known too
    references: int
    steps: int
    guidance: float
    prompt: str = PROMPTS[0]
    negative: str = NEGATIVE


CASES = (Case("fill", 17, 32, 48, ((0, 5), (14, 17)), True, 1, 20, 5.0),
         Case("extend", 13, 48, 32, ((0, 5),), False, 2, 8, 3.0))


def case_mask(case: Case) -> np.ndarray:
    """1 where a pixel is to be made: `(t, h, w)` bytes."""
    mask = np.ones((case.frames, case.height, case.width), np.uint8)
    for start, stop in case.known:
        mask[start:stop] = 0
    if case.region:
        mask[8:10, :, : case.width // 2] = 0
    return mask


def run_case(pipeline: WanVACEPipeline, case: Case, seed: int, folder: Path) -> None:
    rng = np.random.default_rng(seed)
    video = moving_picture(rng, case.frames, case.height, case.width)
    mask = case_mask(case)
    references = np.concatenate([moving_picture(rng, 1, case.height, case.width) for _ in range(case.references)])
    noise = normal(rng, 1, 16, (case.frames - 1) // 4 + 1 + case.references, case.height // 8, case.width // 8)
    positive, negative = pipeline.encode_prompt(case.prompt, case.negative, max_sequence_length=MAX_TOKENS)
    settings = {"steps": case.steps, "guidance": case.guidance, "prompt": case.prompt, "negative": case.negative}
    arrays = {"video": video, "mask": mask, "references": references, "positive": positive, "negative": negative}
    values.run_case(folder, settings, arrays, pipeline, noise, video=pictures(video), mask=pictures(mask * 255),
                    reference_images=pictures(references), prompt=case.prompt, negative_prompt=case.negative,
                    max_sequence_length=MAX_TOKENS, conditioning_scale=tiny.CONTROL_SCALE, height=case.height, width=case.width,
                    num_frames=case.frames, num_inference_steps=case.steps, guidance_scale=case.guidance)


def run_components(pipeline: WanVACEPipeline, folder: Path) -> None:
    rng = np.random.default_rng(7)
    values.run_text(pipeline, folder)
    values.run_vae(pipeline, rng, (1, 3, 17, 32, 48), (1, 16, 6, 4, 6), folder)
    inputs = {"latent": normal(rng, 1, 16, 5, 6, 4), "text": normal(rng, 1, MAX_TOKENS, TEXT_WIDTH), "control": normal(rng, 1, 96, 5, 6, 4)}
    latent, text, control = values.save_inputs(folder, inputs)
    scale = torch.full((2,), tiny.CONTROL_SCALE)
    velocity = [pipeline.transformer(latent, torch.tensor([t]), text, control_hidden_states=control, control_hidden_states_scale=scale,
                                     return_dict=False)[0] for t in (999, 713, 20)]
    values.save(folder / "transformer.out.npy", torch.cat(velocity))


def make(folder: Path) -> None:
    pipeline_wan_vace.prompt_clean = values.clean
    pipeline = tiny.build()
    run_components(pipeline, folder / NAME / "components")
    for seed, case in enumerate(CASES):
        run_case(pipeline, case, 100 + seed, folder / NAME / "pipeline" / case.name)
    tiny.write(pipeline, folder / tiny.NAME)
