"""LTX-Video: a picture at the start; clips before and after, and a picture between, each with its strength; text alone.

Noise is drawn from NumPy and kept in the order in which the pipeline asks for it:

    noise.npy                 (1, c, f, h, w) the latent's, that of frames held beside the clip first
    encoding_N.npy            (1, c, n, h, w) what the encoder is unsure of, for each held clip or picture
    step.npy                  (steps, c, f, h, w) over firmly held frames before each step
    decoding.npy              (1, c, f, h, w) the decoder's
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import LTXConditionPipeline
from diffusers.models.autoencoders import vae as diffusers_vae
from diffusers.pipelines.ltx import pipeline_ltx_condition
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

from ..tiny import ltx as tiny
from ..tiny.parts import MAX_TOKENS, TEXT_WIDTH
from . import values
from .values import NEGATIVE, PROMPTS, clean, moving_picture, normal, pictures, save, save_json

NAME = "ltx"
SPATIAL, TEMPORAL = 32, 8
PREFIX = 2  # latent frames of a clip that are held beside the canvas


@dataclass(frozen=True)
class Known:
    """Frames that are known."""
    start: int
    stop: int
    strength: float

    @property
    def latents(self) -> int:
        return (self.stop - self.start - 1) // TEMPORAL + 1

    @property
    def beside(self) -> int:
        return min(self.latents, PREFIX) if self.start else 0


@dataclass(frozen=True)
class Case:
    """One run of the whole pipeline."""
    name: str
    frames: int
    height: int
    width: int
    rate: int
    steps: int
    guidance: float
    rescale: float = 0.0
    sigmas: list[float] | None = None
    known: tuple[Known, ...] = field(default=())

    @property
    def beside(self) -> int:
        return sum(known.beside for known in self.known)

    def shape(self, frames: int) -> tuple[int, ...]:
        """Of a latent of so many frames."""
        return 1, tiny.CHANNELS, frames, self.height // SPATIAL, self.width // SPATIAL


CASES = (Case("picture", 17, 64, 64, 24, 8, 1.0, sigmas=tiny.DISTILLED, known=(Known(0, 1, 1.0),)),
         Case("clips", 41, 32, 64, 30, 20, 3.0, 0.3, known=(Known(0, 9, 1.0), Known(13, 14, 0.6), Known(24, 41, 0.8))),
         Case("text", 9, 64, 32, 25, 5, 4.0))


class Noise:
    """Stands in for diffusers' `randn_tensor`, and remembers what it gave."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.drawn: list[np.ndarray] = []

    def __call__(self, shape, generator=None, device=None, dtype=None, layout=None) -> torch.Tensor:
        self.drawn.append(normal(self.rng, *shape))
        return torch.from_numpy(self.drawn[-1].copy())


@contextmanager
def injected(noise: Noise):
    before = pipeline_ltx_condition.randn_tensor, diffusers_vae.randn_tensor
    pipeline_ltx_condition.randn_tensor = diffusers_vae.randn_tensor = noise
    try:
        yield noise
    finally:
        pipeline_ltx_condition.randn_tensor, diffusers_vae.randn_tensor = before


def sorted_noise(case: Case, drawn: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The draws of one run by what they were for."""
    draws = iter(drawn)
    clip, beside, named = next(draws), [], {}
    for index, known in enumerate(case.known):
        named[f"encoding_{index}"] = next(draws)
        if known.beside:
            beside.append(next(draws))
    walked = case.shape(clip.shape[2] + case.beside)
    if case.known:
        steps = [next(draws) for _ in range(case.steps)]
        named["step"] = np.concatenate([tokens.transpose(0, 2, 1).reshape(walked) for tokens in steps])
    named["decoding"] = next(draws)
    if next(draws, None) is not None:
        raise ValueError("the pipeline drew more noise than it should")
    return {**named, "noise": np.concatenate([*beside, clip], 2)}


def conditions(case: Case, video: np.ndarray) -> list[LTXVideoCondition]:
    def one(known: Known) -> LTXVideoCondition:
        frames = pictures(video[known.start:known.stop])
        what = {"image": frames[0]} if len(frames) == 1 else {"video": frames}
        return LTXVideoCondition(frame_index=known.start, strength=known.strength, **what)
    return [one(known) for known in case.known]


def run_case(pipeline: LTXConditionPipeline, case: Case, seed: int, folder: Path) -> None:
    rng = np.random.default_rng(seed)
    video = moving_picture(rng, case.frames, case.height, case.width)
    mask = np.ones(video.shape[:3], np.uint8)
    for known in case.known:
        mask[known.start:known.stop] = 0
    video[mask == 1] = 0
    arguments = dict(
        conditions=conditions(case, video) or None, prompt=PROMPTS[0], negative_prompt=NEGATIVE, max_sequence_length=MAX_TOKENS,
        height=case.height, width=case.width, num_frames=case.frames, frame_rate=case.rate, num_inference_steps=case.steps,
        timesteps=None if case.sigmas is None else [1000 * sigma for sigma in case.sigmas],
        guidance_scale=case.guidance, guidance_rescale=case.rescale, image_cond_noise_scale=tiny.HELD["noise"],
        decode_timestep=tiny.DECODE["timestep"], decode_noise_scale=tiny.DECODE["noise"])
    if case.sigmas is not None:
        del arguments["num_inference_steps"]
    with injected(Noise(seed + 50)) as noise:
        frames = pipeline(output_type="pt", **arguments).frames[0].permute(0, 2, 3, 1)
    save_json(folder / "case.json", {
        "steps": case.steps, "guidance": case.guidance, "guidance_rescale": case.rescale, "sigmas": case.sigmas, "rate": case.rate,
        "strengths": [[known.start, known.stop, known.strength] for known in case.known], "prompt": PROMPTS[0], "negative": NEGATIVE})
    references = np.zeros((0, case.height, case.width, 3), np.uint8)
    for name, array in {"video": video, "mask": mask, "references": references, "frames": frames, **sorted_noise(case, noise.drawn)}.items():
        save(folder / f"{name}.npy", array)
    print(f"{folder.name}: frames {tuple(frames.shape)}, mean {frames.mean():.3f}, deviation {frames.std():.3f}")


def run_text(pipeline: LTXConditionPipeline, folder: Path) -> None:
    """Tokens of `PROMPTS`, and their embeddings `(n, l, d)`, zero beyond each prompt's tokens."""
    prompts = [clean(prompt) for prompt in PROMPTS]
    embeddings, masks, _, _ = pipeline.encode_prompt(prompts, None, False, max_sequence_length=MAX_TOKENS)
    tokens = [pipeline.tokenizer(prompt, padding="max_length", max_length=MAX_TOKENS, truncation=True) for prompt in prompts]
    save_json(folder / "tokens.json", [{"prompt": prompt, "ids": t.input_ids, "mask": t.attention_mask} for prompt, t in zip(PROMPTS, tokens)])
    save(folder / "text.out.npy", embeddings * masks[..., None])


def run_vae(pipeline: LTXConditionPipeline, rng: np.random.Generator, folder: Path) -> None:
    vae = pipeline.vae
    mean, std = (x.view(1, -1, 1, 1, 1) for x in (vae.latents_mean, vae.latents_std))
    frames = np.clip(0.5 * normal(rng, 1, 3, 17, 64, 32), -1, 1)
    found = vae.encode(torch.from_numpy(frames)).latent_dist
    save(folder / "encode.in.npy", frames)
    save(folder / "encode.out.npy", torch.cat([(found.mean - mean) / std, found.std / std], 1))

    latent, noise = normal(rng, 2, 1, tiny.CHANNELS, 3, 2, 1)
    scale = tiny.DECODE["noise"]
    mixed = (1 - scale) * (torch.from_numpy(latent) * std + mean) + scale * torch.from_numpy(noise)
    save(folder / "decode.in.npy", latent)
    save(folder / "decode.noise.npy", noise)
    save(folder / "decode.out.npy", vae.decode(mixed, torch.tensor([tiny.DECODE["timestep"]])).sample.clamp(-1, 1))


def run_components(pipeline: LTXConditionPipeline, folder: Path) -> None:
    rng = np.random.default_rng(9)
    run_text(pipeline, folder)
    run_vae(pipeline, rng, folder)
    grid = (4, 2, 3)
    inputs = {"latent": normal(rng, 1, tiny.CHANNELS, *grid), "text": normal(rng, 1, 7, TEXT_WIDTH),
              "coordinates": (300 * rng.random((1, 3, *grid))).astype(np.float32), "ceilings": rng.random(grid).astype(np.float32)}
    latent, text, coordinates, ceilings = values.save_inputs(folder, inputs)
    levels = [torch.full(grid, t) for t in (999.0, 713.0, 20.0)]
    levels += [torch.minimum(level, 1000 * ceilings) for level in levels]
    velocity = [pipeline.transformer(
        latent.flatten(2).transpose(1, 2), text, level.flatten()[None], torch.ones(1, 7), video_coords=coordinates.flatten(2),
        return_dict=False)[0].transpose(1, 2).reshape(latent.shape) for level in levels]
    save(folder / "transformer.out.npy", torch.cat(velocity))


def make(folder: Path) -> None:
    pipeline = tiny.build()
    run_components(pipeline, folder / NAME / "components")
    for seed, case in enumerate(CASES):
        run_case(pipeline, case, 300 + seed, folder / NAME / "pipeline" / case.name)
    tiny.write(pipeline, folder / tiny.NAME)
