"""The linear codec that stands for a VAE: blocks of pixels to their principal components and back.

The first frame is cut in blocks of 8x8x1 pixels, later frames in blocks of 8x8x4; each becomes C numbers. Blocks do
not overlap in time, so nothing is cached between calls. The first components of a block are its mean colour in each
of its frames, exactly; the others are principal components of what is left. Because of the former, a decoded
block tells exactly which of its frames were painted mid grey, that is, are unknown.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

SPATIAL, TEMPORAL = 8, 4
#: the grey level taken as zero of the latents; not mid grey, so that the latents of mid grey are far from zero.
LEVEL = -0.35
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


def mean_colour_basis(depth: int) -> np.ndarray:
    """Orthonormal rows `(3*depth, 3*depth*64)` that span the mean colour of each frame; time-mean luma first."""
    time = np.cos(np.pi * np.arange(depth)[:, None] * (np.arange(depth) + 0.5) / depth)
    time /= np.linalg.norm(time, axis=1, keepdims=True)
    flat = np.full(SPATIAL * SPATIAL, 1 / SPATIAL)
    return np.stack([np.einsum("c,t,p->ctp", colour, moment, flat).ravel() for moment in time for colour in OPPONENT])


def fit_basis(blocks: np.ndarray, channels: int, depth: int) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal basis `(channels, d)` of centred blocks `(n, d)`, and the deviation of each component."""
    fixed = mean_colour_basis(depth)
    rest = blocks - (blocks @ fixed.T) @ fixed
    _, vectors = np.linalg.eigh(rest.T @ rest)
    basis = np.concatenate([fixed, vectors.T[::-1][: channels - len(fixed)]])
    return basis, (blocks @ basis.T).std(0)


class Codec(nn.Module):
    """Encoder and decoder of first frames and of later frames; all latents are `(b, c, f, h, w)`."""

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels
        for name, depth in (("first", 1), ("next", TEMPORAL)):
            self.register_buffer(f"basis_{name}", torch.zeros(channels, 3 * depth * SPATIAL * SPATIAL))
            self.register_buffer(f"scale_{name}", torch.ones(channels))

    def fit(self, first: np.ndarray, later: np.ndarray) -> None:
        """Learn both bases from blocks `(n, 192)` and `(n, 768)` in -1..1.

        Each component is divided by the root of its deviation: between a common scale (fine detail drowns in the
        noise of diffusion) and unit variance (fine detail counts as much as what is seen first).
        """
        for name, blocks, depth in (("first", first, 1), ("next", later, TEMPORAL)):
            basis, deviation = fit_basis(blocks.astype(np.float64) - LEVEL, self.channels, depth)
            root = np.sqrt(np.maximum(deviation, 1e-2))
            root *= np.sqrt(np.mean((deviation / root) ** 2))
            getattr(self, f"basis_{name}").copy_(torch.from_numpy(basis))
            getattr(self, f"scale_{name}").copy_(torch.from_numpy(root))

    def _encode(self, frames: torch.Tensor, name: str, depth: int) -> torch.Tensor:
        matrix = getattr(self, f"basis_{name}").t() / getattr(self, f"scale_{name}")
        return ((to_blocks(frames, depth) - LEVEL) @ matrix).permute(0, 4, 1, 2, 3)

    def _decode(self, latent: torch.Tensor, name: str, depth: int) -> torch.Tensor:
        matrix = getattr(self, f"basis_{name}") * getattr(self, f"scale_{name}")[:, None]
        return from_blocks(latent.permute(0, 2, 3, 4, 1) @ matrix + LEVEL, depth)

    def encode_first(self, frames: torch.Tensor) -> torch.Tensor:
        """`(b, 3, n, H, W)`, each frame on its own, to `(b, c, n, H/8, W/8)`."""
        return self._encode(frames, "first", 1)

    def encode_next(self, frames: torch.Tensor) -> torch.Tensor:
        """`(b, 3, 4n, H, W)` to `(b, c, n, H/8, W/8)`."""
        return self._encode(frames, "next", TEMPORAL)

    def decode_first(self, latent: torch.Tensor) -> torch.Tensor:
        """`(b, c, n, h, w)` to `(b, 3, n, 8h, 8w)`, not clamped."""
        return self._decode(latent, "first", 1)

    def decode_next(self, latent: torch.Tensor) -> torch.Tensor:
        """`(b, c, n, h, w)` to `(b, 3, 4n, 8h, 8w)`, not clamped."""
        return self._decode(latent, "next", TEMPORAL)

    def encode(self, frames: torch.Tensor) -> torch.Tensor:
        """A whole clip `(b, 3, 4n+1, H, W)` to `(b, c, n+1, h, w)`."""
        first = self.encode_first(frames[:, :, :1])
        return torch.cat([first, self.encode_next(frames[:, :, 1:])], 2) if frames.shape[2] > 1 else first

    def decode(self, latent: torch.Tensor) -> torch.Tensor:
        """A whole clip `(b, c, n+1, h, w)` to `(b, 3, 4n+1, H, W)`, clamped to -1..1."""
        first = self.decode_first(latent[:, :, :1])
        whole = torch.cat([first, self.decode_next(latent[:, :, 1:])], 2) if latent.shape[2] > 1 else first
        return whole.clamp(-1, 1)


def fit_on_world(channels: int, clips: int = 160, seed: int = 9_000_000) -> Codec:
    """A codec fitted to blocks of clips of the world, a third of them held still: real shots often hardly move.

    In a few more blocks some frames are painted mid grey, as they are where a run of known frames ends.
    """
    from world import make_clip
    rng = np.random.default_rng(seed)
    first, later = [], []

    def keep(frames: torch.Tensor, depth: int, count: int, store: list) -> None:
        blocks = to_blocks(frames, depth).flatten(0, 3).numpy()
        store.append(blocks[rng.choice(len(blocks), count, replace=False)])

    def paint(blocks: np.ndarray) -> np.ndarray:
        blocks = blocks.reshape(-1, 3, TEMPORAL, SPATIAL * SPATIAL).copy()
        for block in blocks:
            cut = rng.integers(1, TEMPORAL)
            block[:, slice(cut, None) if rng.random() < 0.5 else slice(0, cut)] = 0
        return blocks.reshape(len(blocks), -1)

    for index in range(clips):
        frames = make_clip(seed + index, tier=2 if index % 4 else 1).frames.permute(3, 0, 1, 2)[None]
        keep(frames, 1, 120, first)
        keep(frames[:, :, 1:], TEMPORAL, 120, later)
        keep(frames[:, :, :1].expand(-1, -1, TEMPORAL, -1, -1), TEMPORAL, 60, later)
        later += [paint(later[-2][::6]), paint(later[-1][::2])]
    codec = Codec(channels)
    codec.fit(np.concatenate(first), np.concatenate(later))
    return codec
