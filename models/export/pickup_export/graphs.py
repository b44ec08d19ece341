"""Torch modules to ONNX graphs, with the names that Pickup knows them by."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from diffusers import AutoencoderKLWan, WanVACETransformer3DModel
from torch import nn
from torch.export import Dim

from .attention import exported_attention
from .stepped_vae import VaeHalf, cache_names

OPSET = 20  # DirectML does not take later ones whole


class TextGraph(nn.Module):
    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


class VaceGraph(nn.Module):
    def __init__(self, transformer: WanVACETransformer3DModel):
        super().__init__()
        self.transformer = transformer

    def forward(self, hidden_states: torch.Tensor, timestep: torch.Tensor, encoder_hidden_states: torch.Tensor,
                control_hidden_states: torch.Tensor, control_scale: torch.Tensor) -> torch.Tensor:
        return self.transformer(hidden_states=hidden_states, timestep=timestep, encoder_hidden_states=encoder_hidden_states,
                                control_hidden_states=control_hidden_states, control_hidden_states_scale=control_scale,
                                return_dict=False)[0]


def write(module: nn.Module, inputs: tuple, names: list[str], outputs: list[str], shapes: tuple, path: Path) -> None:
    """Export `module`, weights inside the file, without the exporter's notes on where each node came from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(module.eval(), inputs, str(path), input_names=names, output_names=outputs, dynamic_shapes=shapes,
                      dynamo=True, opset_version=OPSET, external_data=False, verbose=False)
    model = onnx.load(str(path))
    strip(model)
    onnx.save(model, str(path))


def strip(model: onnx.ModelProto) -> None:
    """Take out what no runtime reads."""
    model.doc_string = ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    model.graph.doc_string = ""
    for item in [*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output]:
        item.doc_string = ""
        del item.metadata_props[:]
    for function in model.functions:
        del function.metadata_props[:], function.value_info[:]
        for node in function.node:
            node.doc_string = ""
            del node.metadata_props[:]


def export_text_encoder(encoder: nn.Module, path: Path) -> None:
    """`input_ids`, `attention_mask` (1, l) to `last_hidden_state` (1, l, d)."""
    length = Dim("l", min=2)
    ids = torch.full((1, 16), 3, dtype=torch.int64)
    mask = (torch.arange(16) < 9).to(torch.int64)[None]
    write(TextGraph(encoder), (ids, mask), ["input_ids", "attention_mask"], ["last_hidden_state"], ({1: length}, {1: length}), path)


def export_transformer(transformer: WanVACETransformer3DModel, path: Path) -> None:
    """Latent `(1, c, f, h, w)`, timestep `(1)`, text `(1, l, d)`, control `(1, k, f, h, w)`, scales `(n)` to the velocity."""
    config = transformer.config
    f, h, w, l = Dim("f"), Dim("h"), Dim("w"), Dim("l", min=2)
    grid = {2: f, 3: 2 * h, 4: 2 * w}
    inputs = (torch.randn(1, config.in_channels, 3, 4, 6), torch.tensor([713.0]), torch.randn(1, 16, config.text_dim),
              torch.randn(1, config.vace_in_channels, 3, 4, 6), torch.ones(len(config.vace_layers)))
    names = ["hidden_states", "timestep", "encoder_hidden_states", "control_hidden_states", "control_scale"]
    with exported_attention(transformer):
        write(VaceGraph(transformer), inputs, names, ["velocity"], (grid, {}, {1: l}, grid, {}), path)


def export_vae(vae: AutoencoderKLWan, folder: Path) -> None:
    """`enc_first`, `enc_next`, `dec_first`, `dec_next` with caches `cache_in_0` … and `cache_out_0` …"""
    for encode, name, source, target in ((True, "enc", "frames", "latent"), (False, "dec", "latent", "frames")):
        scale, channels, step = (8, 3, 4) if encode else (1, vae.config.z_dim, 1)
        first, later = VaeHalf(vae, encode, first=True), VaeHalf(vae, encode, first=False)
        single = torch.rand(1, channels, 1, 4 * scale, 6 * scale)
        keys, caches = cache_names(first, single)
        incoming, outgoing = [f"cache_in_{k}" for k in keys], [target] + [f"cache_out_{k}" for k in keys]
        auto = {3: Dim.AUTO, 4: Dim.AUTO}
        write(first, (single,), [source], outgoing, (auto,), folder / f"{name}_first.onnx")
        several = torch.rand(1, channels, 3 * step, 4 * scale, 6 * scale)
        write(later, (several, *caches), [source, *incoming], outgoing, ({2: Dim.AUTO, **auto}, tuple(auto for _ in caches)),
              folder / f"{name}_next.onnx")
