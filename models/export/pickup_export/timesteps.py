"""Frequencies of the noise level's embedding as constants.

The exporter computes them with another exponential than torch, a last digit apart; times a level of 999 that is 3e-5 of a
turn, more than all the rest of a transformer is off.
"""

from __future__ import annotations

import math
from contextlib import contextmanager

import torch
from diffusers.models.embeddings import Timesteps
from torch import nn


class ExportedTimesteps(nn.Module):
    """Stands in for `Timesteps` with an even number of channels: levels `(n)` to `(n, channels)`."""

    def __init__(self, layer: Timesteps):
        super().__init__()
        half, odd = divmod(layer.num_channels, 2)
        if odd:
            raise NotImplementedError(f"expected an even number of timestep channels, got {layer.num_channels}")
        exponent = -math.log(10000) * torch.arange(half, dtype=torch.float32) / (half - layer.downscale_freq_shift)
        self.register_buffer("frequencies", layer.scale * torch.exp(exponent))
        self.cosine_first = layer.flip_sin_to_cos

    def forward(self, timesteps: torch.Tensor) -> torch.Tensor:
        phase = timesteps[:, None].float() * self.frequencies
        halves = [torch.cos(phase), torch.sin(phase)]
        return torch.cat(halves if self.cosine_first else halves[::-1], dim=-1)


@contextmanager
def exported_timesteps(model: nn.Module):
    """`model` with its `Timesteps` replaced, and as it was afterwards."""
    places = [(parent, name, layer) for parent in model.modules() for name, layer in parent.named_children()
              if isinstance(layer, Timesteps)]
    for parent, name, layer in places:
        setattr(parent, name, ExportedTimesteps(layer))
    try:
        yield model
    finally:
        for parent, name, layer in places:
            setattr(parent, name, layer)
