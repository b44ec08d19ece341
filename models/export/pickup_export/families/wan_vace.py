"""Wan2.1-VACE: a control says what is known."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import WanVACETransformer3DModel
from torch import nn
from torch.export import Dim

from ..graphs import Graphs, trace
from ..randoms import normal
from ..source import Checkpoint
from . import wan

trace_vae, vae_cases, ORIGINAL = wan.trace_vae, wan.vae_cases, wan.ORIGINAL
NAME = "wan_vace"

#: Wan2.1-VACE-1.3B
PUBLISHED = {
    **wan.PUBLISHED, "name": "wan2.1-vace-1.3b", "title": "Wan2.1-VACE 1.3B",
    "control": {"scale": 1.0, "max_references": 3},
    "limits": {"size_multiple": 16, "frame_multiple": 4, "frame_offset": 1, "min_frames": 5, "max_frames": 81,
               "max_pixels": 832 * 480, "native_pixels": 832 * 480, "min_side": 128, "max_side": 1280},
    "frame_rate": {"native": [16, 1], "follows_timeline": True},
    "presets": {"draft": {"steps": 15, "guidance": 5.0}, "final": {"steps": 30, "guidance": 5.0}},
}


class Graph(nn.Module):
    def __init__(self, transformer: WanVACETransformer3DModel):
        super().__init__()
        self.transformer = transformer

    def forward(self, hidden_states: torch.Tensor, timestep: torch.Tensor, encoder_hidden_states: torch.Tensor,
                control_hidden_states: torch.Tensor, control_scale: torch.Tensor) -> torch.Tensor:
        return self.transformer(hidden_states=hidden_states, timestep=timestep, encoder_hidden_states=encoder_hidden_states,
                                control_hidden_states=control_hidden_states, control_hidden_states_scale=control_scale,
                                return_dict=False)[0].float()


def sample(config: dict, frames: int, height: int, width: int, tokens: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Random inputs of the graph, by name."""
    return {"hidden_states": normal(rng, 1, config.in_channels, frames, height, width), "timestep": torch.tensor([713.0]),
            "encoder_hidden_states": normal(rng, 1, tokens, config.text_dim),
            "control_hidden_states": normal(rng, 1, config.vace_in_channels, frames, height, width),
            "control_scale": torch.ones(len(config.vace_layers))}


def trace_transformer(transformer: WanVACETransformer3DModel) -> Graphs:
    """Latent `(1, c, f, h, w)`, timestep `(1)`, text `(1, l, d)`, control `(1, k, f, h, w)`, scales `(n)` to the velocity."""
    inputs, (latent, _) = sample(transformer.config, 3, 4, 6, 16, np.random.default_rng(0)), wan.grid()
    with wan.exported(transformer):
        return {"model": trace(Graph(transformer), tuple(inputs.values()), list(inputs), ["velocity"],
                               (latent, {}, {1: Dim("l", min=2)}, latent, {}))}


def check(checkpoint: Checkpoint) -> None:
    wan.check(checkpoint, ("WanVACEPipeline",), "WanVACETransformer3DModel")


def facts(configurations: dict) -> dict:
    """`control.scale` and `control.max_references` are the package's choice."""
    return {**wan.facts(configurations), "family": NAME,
            "control": {"layers": len(configurations["transformer"].vace_layers)},
            "conditioning": ["first", "last", "clip_start", "clip_end", "keyframe", "mask", "reference"]}
