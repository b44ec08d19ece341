"""How well the starter continues what is known: jobs, what they are compared with, and their clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from sampling import sample
from seeing import psnr
from world import make_clip

TEST_SEED = 700_000_000  # clips from here on were never trained on
ROUND = 16               # clips sampled at once


def clips(count: int, tier: int, frames: int, size: tuple[int, int] = (64, 96), seed: int = 0, choose: Callable = lambda scene: True) -> tuple[torch.Tensor, list]:
    """Unseen clips `(b, 3, t, h, w)` that `choose` takes, and what they show."""
    made, index = [], TEST_SEED + seed
    while len(made) < count:
        clip = make_clip(index, size, frames, tier)
        index += 1
        if choose(clip.scene):
            made.append(clip)
    return torch.stack([c.frames for c in made]).permute(0, 4, 1, 2, 3), made


def moves(scene) -> bool:
    """Whether anything in the scene moves."""
    return scene.camera != "still" or any(t.direction != "still" for t in scene.things)


def read_footage(folder: Path, size: tuple[int, int] = (64, 112)) -> torch.Tensor:
    """The pictures of a folder, scaled, `(t, 3, h, w)` in -1..1."""
    read = lambda path: np.asarray(Image.open(path).convert("RGB").resize(size[::-1], Image.BOX))
    frames = np.stack([read(path) for path in sorted(folder.glob("*.webp"))])
    return torch.from_numpy(frames).float().permute(0, 3, 1, 2) / 127.5 - 1


# ---- what it is compared with --------------------------------------------------------------------------------

def crossfade(video: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Frames `start..stop` as a linear crossfade between their neighbours."""
    out = video.clone()
    for t in range(start, stop):
        share = (t - start + 1) / (stop - start + 1)
        out[:, :, t] = video[:, :, start - 1] * (1 - share) + video[:, :, stop] * share
    return out


def freeze(video: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Frames `start..stop` as their nearest known neighbour held."""
    out = video.clone()
    out[:, :, start:stop] = video[:, :, start - 1:start] if start else video[:, :, stop:stop + 1]
    return out


# ---- jobs over time ------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Span:
    """A job on a clip of `frames`, of which `start..stop` are unknown.

    `seen` are the frames that the model is shown, with `surplus` made for nothing before them: the engine
    lets known frames fill whole latent frames (runtime/engine/src/plan/align.rs).
    """
    frames: int
    start: int
    stop: int
    seen: tuple[int, int]
    surplus: int
    baseline: Callable


SPANS = {
    "fill 8 between 8 and 8": Span(24, 8, 16, (3, 24), 0, crossfade),
    "extend 8 after 8": Span(16, 8, 16, (3, 16), 0, freeze),
    "extend 8 before 8": Span(16, 0, 8, (0, 16), 1, freeze),
}


def run_span(net, texts: list[str], video: torch.Tensor, span: Span, **how) -> torch.Tensor:
    """The clip with its unknown frames made."""
    shown = F.pad(video[:, :, span.seen[0]:span.seen[1]], (0, 0, 0, 0, span.surplus, 0))
    first = span.start - span.seen[0] + span.surplus
    mask = torch.zeros(len(video), *shown.shape[2:])
    mask[:, :span.surplus] = 1
    mask[:, first:first + span.stop - span.start] = 1
    made = torch.cat([sample(net, texts[i:i + ROUND], shown[i:i + ROUND], mask[i:i + ROUND], seed=i, **how) for i in range(0, len(video), ROUND)])
    out = video.clone()
    out[:, :, span.start:span.stop] = made[:, :, first:first + span.stop - span.start]
    return out


def judge_span(net, video: torch.Tensor, texts: list[str], span: Span, **how) -> dict[str, float]:
    """PSNR over the unknown frames, of the starter and of what it is compared with, mean over clips."""
    video = video[:, :, :span.frames]
    made, other = run_span(net, texts, video, span, **how), span.baseline(video, span.start, span.stop)
    cut = lambda v: v[:, :, span.start:span.stop]
    ours, theirs = psnr(cut(made), cut(video)), psnr(cut(other), cut(video))
    return {"ours": ours.mean().item(), "baseline": theirs.mean().item(), "gain": (ours - theirs).mean().item(),
            "better in": (ours > theirs).float().mean().item()}


# ---- a region ------------------------------------------------------------------------------------------------

def quarter(video: torch.Tensor) -> tuple[slice, slice]:
    """The middle quarter of the picture."""
    h, w = video.shape[3:]
    return slice(h // 4, h // 4 + h // 2), slice(w // 4, w // 4 + w // 2)


def mean_of_border(video: torch.Tensor) -> torch.Tensor:
    """Each frame's quarter filled with the mean of the pixels around it."""
    rows, columns = quarter(video)
    inside = torch.zeros(video.shape[3:])
    inside[rows, columns] = 1
    ring = F.max_pool2d(inside[None, None], 3, 1, 1)[0, 0] - inside
    mean = (video * ring).sum((3, 4), keepdim=True) / ring.sum()
    return video * (1 - inside) + mean * inside


def judge_region(net, video: torch.Tensor, texts: list[str], **how) -> dict[str, float]:
    """A quarter of the picture unknown in all frames, against the mean of its border."""
    rows, columns = quarter(video)
    mask = torch.zeros(len(video), *video.shape[2:])
    mask[:, :, rows, columns] = 1
    made = torch.cat([sample(net, texts[i:i + ROUND], video[i:i + ROUND], mask[i:i + ROUND], seed=i, **how) for i in range(0, len(video), ROUND)])
    cut = lambda v: v[..., rows, columns]
    ours, theirs = psnr(cut(made), cut(video)), psnr(cut(mean_of_border(video)), cut(video))
    return {"ours": ours.mean().item(), "baseline": theirs.mean().item(), "gain": (ours - theirs).mean().item(),
            "better in": (ours > theirs).float().mean().item()}
