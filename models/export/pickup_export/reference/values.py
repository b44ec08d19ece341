"""What every family's golden values are made with: prompts, pictures, files, and the components they all have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import DiffusionPipeline
from PIL import Image

from ..tiny.parts import MAX_TOKENS

PROMPTS = ["a red ball moves left over the water", "", "  Blue\n box,  slowly ", "unknown Ünïcode ☃ and № 42", "the green ball " * 12]
NEGATIVE = "blue box slowly"


def save(path: Path, array: np.ndarray | torch.Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.ascontiguousarray(array.numpy() if isinstance(array, torch.Tensor) else array))


def save_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def moving_picture(rng: np.random.Generator, frames: int, height: int, width: int) -> np.ndarray:
    """Colours that drift, with grain: `(t, h, w, 3)` bytes."""
    t, y, x = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), indexing="ij")
    phase = rng.uniform(0, 6, 3)
    smooth = np.stack([np.sin(0.19 * x + 0.11 * (c + 1) * y + 0.4 * t + phase[c]) for c in range(3)], -1)
    return np.clip(127.5 + 90 * smooth + 12 * rng.standard_normal(smooth.shape), 0, 255).round().astype(np.uint8)


def pictures(frames: np.ndarray) -> list[Image.Image]:
    return [Image.fromarray(frame) for frame in frames]


def clean(text: str) -> str:
    """In place of diffusers' `prompt_clean`, which also repairs wrongly decoded text; Pickup leaves that to whoever wrote it."""
    return " ".join(text.split())


def run_case(folder: Path, settings: dict, arrays: dict, pipeline: DiffusionPipeline, noise: np.ndarray, **arguments) -> None:
    """Run `pipeline` from `noise` and keep `settings`, `arrays`, the latent and the frames `(t, h, w, 3)`."""
    call = lambda kind: pipeline(output_type=kind, latents=torch.from_numpy(noise.copy()), **arguments).frames
    frames = call("pt")[0].permute(0, 2, 3, 1)
    save_json(folder / "case.json", settings)
    for name, array in {**arrays, "noise": noise, "latent": call("latent"), "frames": frames}.items():
        save(folder / f"{name}.npy", array)
    print(f"{folder.name}: frames {tuple(frames.shape)}, mean {frames.mean():.3f}, deviation {frames.std():.3f}")


def run_text(pipeline: DiffusionPipeline, folder: Path) -> None:
    """Tokens and embeddings of `PROMPTS`."""
    tokens = [pipeline.tokenizer(clean(prompt), padding="max_length", max_length=MAX_TOKENS, truncation=True) for prompt in PROMPTS]
    save_json(folder / "tokens.json", [{"prompt": prompt, "ids": t.input_ids, "mask": t.attention_mask} for prompt, t in zip(PROMPTS, tokens)])
    embeddings = [pipeline.encode_prompt(prompt, None, False, max_sequence_length=MAX_TOKENS)[0] for prompt in PROMPTS]
    save(folder / "text.out.npy", torch.cat(embeddings))


def run_vae(pipeline: DiffusionPipeline, rng: np.random.Generator, frames: tuple, latent: tuple, folder: Path) -> None:
    """Frames of shape `(1, 3, t, h, w)` encoded, a latent of shape `(1, c, f, h, w)` decoded."""
    config = pipeline.vae.config
    mean, std = (torch.tensor(numbers).view(1, -1, 1, 1, 1) for numbers in (config.latents_mean, config.latents_std))

    clip = np.clip(0.5 * normal(rng, *frames), -1, 1)
    save(folder / "encode.in.npy", clip)
    save(folder / "encode.out.npy", (pipeline.vae.encode(torch.from_numpy(clip)).latent_dist.mode() - mean) / std)

    noise = normal(rng, *latent)
    save(folder / "decode.in.npy", noise)
    save(folder / "decode.out.npy", pipeline.vae.decode(torch.from_numpy(noise) * std + mean).sample)


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def save_inputs(folder: Path, inputs: dict[str, np.ndarray]) -> list[torch.Tensor]:
    """Keep the transformer's inputs, and have them as tensors."""
    for name, array in inputs.items():
        save(folder / f"transformer.in.{name}.npy", array)
    return [torch.from_numpy(array) for array in inputs.values()]
