"""What a clip shows, told from its pixels alone: the judges of colour, direction, shape, camera and blocks."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from world import COLOURS, SHAPES, outline_distance


def psnr(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Of each clip `(b, 3, t, h, w)` in -1..1, in dB."""
    return -10 * torch.log10(((a - b) / 2).square().mean((1, 2, 3, 4)).clamp(min=1e-9))


def block_ratio(video: torch.Tensor) -> float:
    """Mean step across 16-pixel edges over the mean step elsewhere, of clips `(b, 3, t, h, w)`."""
    across = (video[..., 1:] - video[..., :-1]).abs().mean((0, 1, 2, 3))
    down = (video[..., 1:, :] - video[..., :-1, :]).abs().mean((0, 1, 2, 4))
    edge = np.concatenate([across[15::16], down[15::16]]).mean()
    keep = lambda x: np.delete(x.numpy(), np.s_[15::16])
    return float(edge / np.concatenate([keep(across), keep(down)]).mean())


# ---- one object ----------------------------------------------------------------------------------------------

def find_thing(clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where pixels differ from the background, `(t, h, w)` in 0/1, and the centre of that in each frame `(t, 2)`; nan if nowhere."""
    middle = np.median(clip.reshape(clip.shape[0], -1, 3), 1)[:, None, None]
    away = np.abs(clip - middle).max(-1)
    seen = away > max(0.25, 0.5 * np.quantile(away, 0.99))
    yy, xx = np.mgrid[0:clip.shape[1], 0:clip.shape[2]]
    area = seen.sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.stack([(seen * xx).sum((1, 2)) / area, (seen * yy).sum((1, 2)) / area], 1)
    return seen, np.where(area[:, None] > 12, centre, np.nan)


def name_colour(clip: np.ndarray, seen: np.ndarray) -> str:
    """The named colour nearest to what the thing mostly shows."""
    if not seen.any():
        return "none"
    shown = np.median((clip[seen] + 1) / 2, 0)
    names = list(COLOURS)
    return names[int(np.argmin([np.linalg.norm(shown - np.array(COLOURS[n])) for n in names]))]


def name_direction(centre: np.ndarray) -> str:
    """From the first to the last frames in which the thing is seen."""
    held = centre[~np.isnan(centre[:, 0])]
    if len(held) < 6:
        return "none"
    dx, dy = held[-3:].mean(0) - held[:3].mean(0)
    if max(abs(dx), abs(dy)) < 3:
        return "still"
    if abs(dx) > abs(dy):
        return "right" if dx > 0 else "left"
    return "down" if dy > 0 else "up"


def name_shape(seen: np.ndarray) -> str:
    """The shape whose drawing covers the same pixels best, over all frames."""
    height, width = seen.shape[1:]
    yy, xx = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    score = dict.fromkeys(SHAPES, 0.0)
    for frame in seen[::2]:
        if frame.sum() < 12:
            continue
        rows, columns = np.where(frame.any(1))[0], np.where(frame.any(0))[0]
        cy, cx = (rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2
        half = max(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) / 2
        for shape, reach in (("circle", 1.0), ("square", 0.88), ("ring", 1.05), ("triangle", 1.0)):
            best = 0.0
            for grow in (0.9, 1.0, 1.1):
                radius = torch.tensor(half / reach * grow)
                drop = 0.15 * float(radius) if shape == "triangle" else 0.0
                cover = (outline_distance(shape, xx - cx, yy - cy - drop, radius) < 0).numpy()
                best = max(best, (cover & frame).sum() / max(1, (cover | frame).sum()))
            score[shape] += best
    return max(score, key=score.get) if any(score.values()) else "none"


# ---- the camera ----------------------------------------------------------------------------------------------

APART = 4           # frames between the two that are compared
ZOOMS = torch.exp(torch.arange(-8, 9) * 0.012)


def _best_shift(one: torch.Tensor, other: torch.Tensor) -> tuple[float, float, float]:
    """Error and shift `(x, y)` in pixels, to +-10, at which `other` `(h, w)` looks most like `one`."""
    reach = 10
    patch = one[reach:-reach, reach:-reach]
    windows = other.unfold(0, patch.shape[0], 1).unfold(1, patch.shape[1], 1)  # (2r+1, 2r+1, h', w')
    error = (windows - patch).square().mean((2, 3))
    at = int(error.argmin())
    return float(error.min()), at % error.shape[1] - reach, at // error.shape[1] - reach


def name_camera(clip: torch.Tensor) -> str:
    """The camera's move over a clip `(3, t, h, w)`: the shift and zoom that most of the picture follows."""
    grey = clip.mean(0)
    moves = []
    for start in range(0, grey.shape[0] - APART, APART):
        one, other = grey[start], grey[start + APART]
        found = []
        for zoom in ZOOMS.tolist():
            grid = F.affine_grid(torch.tensor([[[zoom, 0.0, 0.0], [0.0, zoom, 0.0]]]), (1, 1, *one.shape), align_corners=False)
            scaled = F.grid_sample(other[None, None], grid, padding_mode="border", align_corners=False)[0, 0]
            found.append((*_best_shift(one, scaled), zoom))
        _, x, y, zoom = min(found)
        moves.append((x, y, np.log(zoom) * 32))  # a zoom counts by what it moves half way to the edge
    x, y, grow = np.median(np.array(moves), 0)
    if max(abs(x), abs(y), abs(grow)) < 1:
        return "still"
    if abs(grow) > max(abs(x), abs(y)):
        return "zooms in" if grow > 0 else "zooms out"
    if abs(x) > abs(y):  # the picture moves against the camera
        return "pans left" if x > 0 else "pans right"
    return "tilts up" if y > 0 else "tilts down"
