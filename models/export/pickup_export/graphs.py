"""Torch modules to ONNX graphs, with the names that Pickup knows them by."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from diffusers import AutoencoderKLWan
from torch import nn
from torch.export import Dim

from .stepped_vae import VaeHalf, cache_names

OPSET = 20  # DirectML does not take later ones whole


class TextGraph(nn.Module):
    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def write(module: nn.Module, inputs: tuple, names: list[str], outputs: list[str], shapes: tuple, path: Path) -> None:
    """Export `module`, weights in a file of their own beside `path`, without the exporter's notes on where each node came from."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(module.eval(), inputs, str(path), input_names=names, output_names=outputs, dynamic_shapes=shapes,
                      dynamo=True, opset_version=OPSET, external_data=True, verbose=False)
    model = onnx.load(str(path), load_external_data=False)
    strip(model)
    path.write_bytes(model.SerializeToString())


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


def export_vae(vae: AutoencoderKLWan, folder: Path) -> None:
    """`enc_first`, `enc_next`, `dec_first`, `dec_next` with caches `cache_in_0` … and `cache_out_0` …"""
    spatial, temporal = vae.config.scale_factor_spatial, vae.config.scale_factor_temporal
    for encode, name, source, target in ((True, "enc", "frames", "latent"), (False, "dec", "latent", "frames")):
        scale, channels, step = (spatial, 3, temporal) if encode else (1, vae.config.z_dim, 1)
        first, later = VaeHalf(vae, encode, first=True), VaeHalf(vae, encode, first=False)
        single = torch.rand(1, channels, 1, 4 * scale, 6 * scale)
        keys, caches = cache_names(first, single)
        incoming, outgoing = [f"cache_in_{k}" for k in keys], [target] + [f"cache_out_{k}" for k in keys]
        auto = {3: Dim.AUTO, 4: Dim.AUTO}
        write(first, (single,), [source], outgoing, (auto,), folder / f"{name}_first.onnx")
        several = torch.rand(1, channels, 3 * step, 4 * scale, 6 * scale)
        write(later, (several, *caches), [source, *incoming], outgoing, ({2: Dim.AUTO, **auto}, tuple(auto for _ in caches)),
              folder / f"{name}_next.onnx")
