"""Wan2.2-TI2V: the first latent frame may be given, and every token has a noise level of its own."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import WanTransformer3DModel
from torch import nn
from torch.export import Dim

from ..errors import Unfit
from ..graphs import Graphs, trace
from ..randoms import normal, uniform
from ..source import Checkpoint
from . import wan

trace_vae, vae_cases, ORIGINAL = wan.trace_vae, wan.vae_cases, wan.ORIGINAL
NAME = "wan_ti2v"

#: Wan2.2-TI2V-5B
PUBLISHED = {
    **wan.PUBLISHED, "name": "wan2.2-ti2v-5b", "title": "Wan2.2-TI2V 5B",
    "limits": {"size_multiple": 32, "frame_multiple": 4, "frame_offset": 1, "min_frames": 5, "max_frames": 121,
               "max_pixels": 1280 * 704, "native_pixels": 1280 * 704, "min_side": 256, "max_side": 1280},
    "frame_rate": {"native": [24, 1], "follows_timeline": True},
    "presets": {"draft": {"steps": 20, "guidance": 5.0}, "final": {"steps": 50, "guidance": 5.0}},
}


class Graph(nn.Module):
    def __init__(self, transformer: WanTransformer3DModel):
        super().__init__()
        self.transformer = transformer

    def forward(self, hidden_states: torch.Tensor, timestep: torch.Tensor, encoder_hidden_states: torch.Tensor) -> torch.Tensor:
        return self.transformer(hidden_states=hidden_states, timestep=timestep.flatten(1),
                                encoder_hidden_states=encoder_hidden_states, return_dict=False)[0].float()


def sample(config: dict, frames: int, height: int, width: int, tokens: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Random inputs of the graph, by name."""
    return {"hidden_states": normal(rng, 1, config.in_channels, frames, height, width),
            "timestep": 1000 * uniform(rng, 1, frames, height // wan.PATCH, width // wan.PATCH),
            "encoder_hidden_states": normal(rng, 1, tokens, config.text_dim)}


def trace_transformer(transformer: WanTransformer3DModel) -> Graphs:
    """Latent `(1, c, f, h, w)`, timesteps `(1, f, h/2, w/2)`, text `(1, l, d)` to the velocity."""
    inputs, (latent, tokens) = sample(transformer.config, 3, 4, 6, 16, np.random.default_rng(0)), wan.grid()
    with wan.exported(transformer):
        return {"model": trace(Graph(transformer), tuple(inputs.values()), list(inputs), ["velocity"],
                               (latent, tokens, {1: Dim("l", min=2)}))}


def check(checkpoint: Checkpoint) -> None:
    wan.check(checkpoint, ("WanPipeline", "WanImageToVideoPipeline"), "WanTransformer3DModel")
    channels, latent = checkpoint.settings("transformer").in_channels, checkpoint.settings("vae").z_dim
    if channels != latent:
        raise Unfit(f"{checkpoint.folder}: expected the transformer's in_channels to be the VAE's z_dim of {latent}, found {channels}. "
                    "A model that takes a picture beside the latent is of another kind.")
    if not checkpoint.index.get("expand_timesteps"):
        raise Unfit(f"{checkpoint.folder}: expected `expand_timesteps` in model_index.json to be true, found "
                    f"{checkpoint.index.get('expand_timesteps')}. Of this kind only Wan2.2-TI2V is known.")


def facts(configurations: dict) -> dict:
    return {**wan.facts(configurations), "family": NAME, "conditioning": ["first"]}
