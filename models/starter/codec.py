"""The linear codec that stands for a VAE: blocks of pixels to their principal components and back.

Frames are cut in blocks of 8x8x4 pixels, each of which becomes C numbers; the first frame of a clip counts as four that
are alike, so that its latents mean what all others mean. Blocks do not overlap in time, so nothing is cached between
calls. The first components of a block are its mean colour in each of its frames, exactly; the others are principal
components of what is left. Because of the former, a decoded block tells exactly which of its frames were painted mid
grey, that is, are unknown. What is shown has small steps between blocks smoothed.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

SPATIAL, TEMPORAL = 8, 4
#: the grey level taken as zero of the latents; not mid grey, so that the latents of mid grey are far from zero.
LEVEL = -0.35
#: a step at the edge of two blocks that is surely not the picture's, of a range of 2
STEP = 0.12
OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]], np.float64)
OPPONENT /= np.linalg.norm(OPPONENT, axis=1, keepdims=True)


def to_blocks(frames: torch.Tensor, depth: int) -> torch.Tensor:
    """`(b, 3, n*depth, h*8, w*8)` to `(b, n, h, w, 3*depth*64)`, each block in order colour, time, row, column."""
    b, c, t, height, width = frames.shape
    n, h, w = t // depth, height // SPATIAL, width // SPATIAL
    x = frames.reshape(b, c, n, depth, h, SPATIAL, w, SPATIAL)
    return x.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(b, n, h, w, c * depth * SPATIAL * SPATIAL)


def from_blocks(blocks: torch.Tensor, depth: int) -> torch.Tensor:
    """`(b, n, h, w, 3*depth*64)` to `(b, 3, n*depth, h*8, w*8)`."""
    b, n, h, w, _ = blocks.shape
    x = blocks.reshape(b, n, h, w, 3, depth, SPATIAL, SPATIAL)
    return x.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(b, 3, n * depth, h * SPATIAL, w * SPATIAL)


def smooth_steps(frames: torch.Tensor) -> torch.Tensor:
    """Frames `(b, 3, t, H, W)` with small steps at the edges of blocks levelled, as the deblocking filters of video codecs do.

    What a step has more than the slopes beside it, averaged along a block's edge, is spread over both blocks if it is
    no larger than STEP; twice that is taken for an edge of the picture and left.
    """
    return _smooth_columns(_smooth_columns(frames).transpose(3, 4)).transpose(3, 4)


def _smooth_columns(frames: torch.Tensor) -> torch.Tensor:
    """`smooth_steps` from left to right."""
    b, c, t, height, width = frames.shape
    x = frames.reshape(b * c * t, height, width // SPATIAL, SPATIAL)
    left, right = x[:, :, :-1], x[:, :, 1:]
    slopes = (left[..., -1] - left[..., -2] + right[..., 1] - right[..., 0]) / 2
    step = F.avg_pool2d((right[..., 0] - left[..., -1] - slopes)[:, None], (SPATIAL, 1))
    step = step * (2 - step.abs() / STEP).clamp(0, 1)
    step = F.pad(F.interpolate(step, scale_factor=(float(SPATIAL), 1.0), mode="bilinear")[:, 0], (1, 1))[..., None]
    ramp = (torch.arange(SPATIAL, device=x.device, dtype=x.dtype) + 0.5) / SPATIAL / 2
    return (x + step[:, :, 1:] * ramp - step[:, :, :-1] * (0.5 - ramp)).reshape(frames.shape)


def mean_colour_basis(depth: int) -> np.ndarray:
    """Orthonormal rows `(3*depth, 3*depth*64)` that span the mean colour of each frame; time-mean luma first."""
    time = np.cos(np.pi * np.arange(depth)[:, None] * (np.arange(depth) + 0.5) / depth)
    time /= np.linalg.norm(time, axis=1, keepdims=True)
    flat = np.full(SPATIAL * SPATIAL, 1 / SPATIAL)
    return np.stack([np.einsum("c,t,p->ctp", colour, moment, flat).ravel() for moment in time for colour in OPPONENT])


def fit_basis(blocks: np.ndarray, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal basis `(channels, 768)` of centred blocks `(n, 768)`, and the deviation of each component."""
    fixed = mean_colour_basis(TEMPORAL)
    rest = blocks - (blocks @ fixed.T) @ fixed
    _, vectors = np.linalg.eigh(rest.T @ rest)
    basis = np.concatenate([fixed, vectors.T[::-1][: channels - len(fixed)]])
    return basis, (blocks @ basis.T).std(0)


class Codec(nn.Module):
    """Encoder and decoder of first frames and of later frames; all latents are `(b, c, f, h, w)`."""

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels
        self.register_buffer("basis", torch.zeros(channels, 3 * TEMPORAL * SPATIAL * SPATIAL))
        self.register_buffer("scale", torch.ones(channels))      # what a component is divided by
        self.register_buffer("deviation", torch.ones(channels))  # of the latents of the world

    def fit(self, blocks: np.ndarray) -> None:
        """Learn the basis from blocks `(n, 768)` in -1..1.

        Each component is divided by the root of its deviation: between a common scale (fine detail drowns in the
        noise of diffusion) and unit variance (fine detail counts as much as what is seen first).
        """
        basis, deviation = fit_basis(blocks.astype(np.float64) - LEVEL, self.channels)
        root = np.sqrt(np.maximum(deviation, 1e-2))
        root *= np.sqrt(np.mean((deviation / root) ** 2))
        for name, value in (("basis", basis), ("scale", root), ("deviation", deviation / root)):
            getattr(self, name).copy_(torch.from_numpy(value))

    def _of_one_frame(self) -> torch.Tensor:
        """The basis folded over time, `(c, 192)`: what a block says of the sum of its frames."""
        return self.basis.unflatten(1, (3, TEMPORAL, -1)).sum(2).flatten(1)

    def _encode(self, frames: torch.Tensor, basis: torch.Tensor, depth: int) -> torch.Tensor:
        return ((to_blocks(frames, depth) - LEVEL) @ (basis.t() / self.scale)).permute(0, 4, 1, 2, 3)

    def _decode(self, latent: torch.Tensor, basis: torch.Tensor, depth: int) -> torch.Tensor:
        return from_blocks(latent.permute(0, 2, 3, 4, 1) @ (basis * self.scale[:, None]) + LEVEL, depth)

    def encode_first(self, frames: torch.Tensor) -> torch.Tensor:
        """`(b, 3, n, H, W)`, each frame on its own as four alike, to `(b, c, n, H/8, W/8)`."""
        return self._encode(frames, self._of_one_frame(), 1)

    def encode_next(self, frames: torch.Tensor) -> torch.Tensor:
        """`(b, 3, 4n, H, W)` to `(b, c, n, H/8, W/8)`."""
        return self._encode(frames, self.basis, TEMPORAL)

    def decode_first(self, latent: torch.Tensor) -> torch.Tensor:
        """`(b, c, n, h, w)` to `(b, 3, n, 8h, 8w)`, the mean of each block's four frames, not clamped."""
        return self._decode(latent, self._of_one_frame() / TEMPORAL, 1)

    def decode_next(self, latent: torch.Tensor) -> torch.Tensor:
        """`(b, c, n, h, w)` to `(b, 3, 4n, 8h, 8w)`, not clamped."""
        return self._decode(latent, self.basis, TEMPORAL)

    def steps(self, latent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """How far pixels differ across the edges of blocks of latents `(b, c, f, h, w)`.

        From left to right `(b, f, h, w-1, 3*4*8)`, and downwards `(b, f, h-1, w, 3*4*8)`.
        """
        pixels = (self.basis * self.scale[:, None]).unflatten(1, (-1, SPATIAL, SPATIAL))
        borders = torch.cat([x.flatten(1) for x in (pixels[..., 0], pixels[..., -1], pixels[..., 0, :], pixels[..., -1, :])], 1)
        left, right, top, bottom = (latent.permute(0, 2, 3, 4, 1) @ borders).chunk(4, 4)
        return left[:, :, :, 1:] - right[:, :, :, :-1], top[:, :, 1:] - bottom[:, :, :-1]

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """A whole clip `(b, 3, 4n+1, H, W)` to `(b, c, n+1, h, w)`."""
        first = self.encode_first(frames[:, :, :1])
        return torch.cat([first, self.encode_next(frames[:, :, 1:])], 2) if frames.shape[2] > 1 else first

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """A whole clip `(b, c, n+1, h, w)` to `(b, 3, 4n+1, H, W)` as it is shown: steps smoothed, clamped to -1..1."""
        first = self.decode_first(latent[:, :, :1])
        whole = torch.cat([first, self.decode_next(latent[:, :, 1:])], 2) if latent.shape[2] > 1 else first
        return smooth_steps(whole).clamp(-1, 1)


def fit_on_world(channels: int, clips: int = 240, seed: int = 9_000_000) -> Codec:
    """A codec fitted to blocks of clips of the world, a third of them held still: real shots often hardly move."""
    from world import make_clip
    rng = np.random.default_rng(seed)
    store = []

    def keep(frames: torch.Tensor, count: int) -> None:
        blocks = to_blocks(frames, TEMPORAL).flatten(0, 3).numpy()
        store.append(blocks[rng.choice(len(blocks), count, replace=False)])

    for index in range(clips):
        frames = make_clip(seed + index, tier=2 if index % 4 else 1).frames.permute(3, 0, 1, 2)[None]
        keep(frames[:, :, 1:], 120)
        keep(frames[:, :, :1].expand(-1, -1, TEMPORAL, -1, -1), 60)
    codec = Codec(channels)
    codec.fit(np.concatenate(store))
    return codec
