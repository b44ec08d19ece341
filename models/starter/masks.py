"""What is known of a clip: masks over frames and regions, and the control input made from them as WanVACEPipeline makes it."""

from __future__ import annotations

import random

import torch
import torch.nn.functional as F

from codec import SPATIAL, TEMPORAL, Codec

KINDS = {"past": 0.24, "future": 0.16, "ends": 0.34, "keyframes": 0.10, "rectangle": 0.12, "nothing_unknown": 0.02, "first": 0.02}


def _aligned(rng: random.Random, frames: int) -> int:
    """Where a run of known frames ends or begins: mostly at a whole latent frame, as callers arrange it, sometimes anywhere."""
    return 1 + 4 * rng.randint(0, (frames - 1) // 4 - 1) if rng.random() < 0.9 else rng.randint(1, frames - 1)


def sample_mask(rng: random.Random, frames: int, height: int, width: int, kind: str | None = None) -> torch.Tensor:
    """A mask `(t, h, w)`: 1 is unknown, 0 is known."""
    kind = kind or rng.choices(tuple(KINDS), tuple(KINDS.values()))[0]
    mask = torch.ones(frames, height, width)
    if kind == "past":
        mask[: _aligned(rng, frames)] = 0
    elif kind == "future":
        mask[_aligned(rng, frames):] = 0
    elif kind == "first":
        mask[0] = 0
    elif kind == "ends":
        start = _aligned(rng, max(frames - 4, 5))
        stop = start + (4 * rng.randint(1, max(1, (frames - start) // 4 - 1)) if rng.random() < 0.9 else rng.randint(1, frames - start - 1))
        mask[:start] = 0
        mask[min(stop, frames - 1):] = 0
    elif kind == "keyframes":
        for index in rng.sample(range(frames), rng.randint(1, 4)):
            mask[index] = 0
    elif kind == "rectangle":
        tall, wide = rng.randint(height // 5, height * 2 // 3), rng.randint(width // 5, width * 2 // 3)
        y, x = rng.randint(0, height - tall), rng.randint(0, width - wide)
        start, stop = (0, frames) if rng.random() < 0.6 else sorted(rng.sample(range(frames + 1), 2))
        mask[:] = 0
        mask[start:stop, y:y + tall, x:x + wide] = 1
        if rng.random() < 0.25:  # outpaint: the rectangle is what is known
            mask = 1 - mask
            mask[:start] = mask[stop:] = 1
    elif kind == "nothing_unknown":
        mask[:] = 0
    elif kind != "everything":
        raise ValueError(f"unknown kind of mask: {kind}")
    return mask


def fold_mask(mask: torch.Tensor) -> torch.Tensor:
    """`(b, t, H, W)` to `(b, 64, f, H/8, W/8)`: 8x8 pixels become channels, time is resampled to the latent frames."""
    b, t, height, width = mask.shape
    h, w = height // SPATIAL, width // SPATIAL
    folded = mask.reshape(b, t, h, SPATIAL, w, SPATIAL).permute(0, 3, 5, 1, 2, 4).reshape(b, SPATIAL * SPATIAL, t, h, w)
    return F.interpolate(folded, size=((t + TEMPORAL - 1) // TEMPORAL, h, w), mode="nearest-exact")


def grey_latents(codec: Codec, frames: int) -> torch.Tensor:
    """Latents `(1, c, f, 1, 1)` of mid grey, which stands for unknown pixels; all that is reactive is unknown."""
    return codec.encode(codec.basis.new_zeros(1, 3, frames, SPATIAL, SPATIAL))


def control_input(codec: Codec, frames: torch.Tensor, mask: torch.Tensor, references: torch.Tensor | None = None) -> torch.Tensor:
    """The control `(b, 2c+64, r+f, h, w)` of clips `(b, 3, t, H, W)`, masks `(b, t, H, W)`, references `(b, r, 3, H, W)`."""
    return assemble(codec, codec.encode(frames * (1 - mask[:, None])), mask, references)


def blank_control(codec: Codec, size: tuple[int, int, int, int], references: torch.Tensor | None = None) -> torch.Tensor:
    """`control_input` where nothing is known; `size` is `(b, t, H, W)`."""
    b, t, height, width = size
    grey = grey_latents(codec, t).expand(b, -1, -1, height // SPATIAL, width // SPATIAL)
    return assemble(codec, grey, grey.new_ones(size), references)


def assemble(codec: Codec, inactive: torch.Tensor, mask: torch.Tensor, references: torch.Tensor | None) -> torch.Tensor:
    """The control input, given the latents `(b, c, f, h, w)` of what is known."""
    control = torch.cat([inactive, grey_latents(codec, mask.shape[1]).expand_as(inactive), fold_mask(mask)], 1)
    if references is None or references.shape[1] == 0:
        return control
    latent = codec.encode_first(references.transpose(1, 2))
    blank = torch.zeros_like(latent)
    head = torch.cat([latent, blank, blank[:, :1].expand(-1, SPATIAL * SPATIAL, -1, -1, -1)], 1)
    return torch.cat([head, control], 2)
