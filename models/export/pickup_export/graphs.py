"""Torch modules to ONNX graphs, with the names that Pickup knows them by."""

from __future__ import annotations

import onnx
import onnx_ir
import torch
from torch import nn
from torch.export import Dim

OPSET = 20  # DirectML does not take later ones whole

#: graphs of a component by the names of their files
Graphs = dict[str, onnx_ir.Model]


class TextGraph(nn.Module):
    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def trace(module: nn.Module, inputs: tuple, names: list[str], outputs: list[str], shapes: tuple) -> onnx_ir.Model:
    """`module` as a graph. Its weights stay torch's tensors until they are written."""
    return torch.onnx.export(module.eval(), inputs, input_names=names, output_names=outputs, dynamic_shapes=shapes, dynamo=True,
                             opset_version=OPSET, verbose=False).model


def strip(model: onnx.ModelProto) -> None:
    """Take out what no runtime reads, such as the exporter's notes on where each node came from. The names of shapes
    (`value_info`) stay: ONNX Runtime reuses memory by them, and up to 1.31.1 looks 11 s for what it may reuse in a large transformer
    without."""
    model.doc_string = ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    model.graph.doc_string = ""
    for item in [*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output]:
        item.doc_string = ""
        del item.metadata_props[:]
    for function in model.functions:
        del function.metadata_props[:], function.value_info[:]
        for node in function.node:
            node.doc_string = ""
            del node.metadata_props[:]


def by_depth(graph: onnx.GraphProto) -> None:
    """Put nodes in the order of how many stand between them and what is given, at most.

    ONNX Runtime orders a run by a search from the graph's end that goes into the latest node first (`Graph::ReverseDFSFrom`). By
    depth that is a block's main chain; what stands beside it, such as the noise levels of its tokens, is made when the block needs
    it. As traced, it was made for all blocks before the first: 6.8 GB instead of 1.1 for 3,328 tokens of LTX-Video 2B.
    """
    depths: dict[str, int] = {}
    for node in graph.node:
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise NotImplementedError(f"{node.name}: a graph within the graph may read values that its node does not name")
        depth = 1 + max((depths.get(name, 0) for name in node.input), default=0)
        depths.update(dict.fromkeys(filter(None, node.output), depth))
    # What is equally deep stays as it was. An output that nobody wants has no name.
    graph.node.sort(key=lambda node: max(depths.get(name, 0) for name in node.output))


def trace_text_encoder(encoder: nn.Module) -> Graphs:
    """`input_ids`, `attention_mask` (1, l) to `last_hidden_state` (1, l, d)."""
    length = Dim("l", min=2)
    ids = torch.full((1, 16), 3, dtype=torch.int64)
    mask = (torch.arange(16) < 9).to(torch.int64)[None]
    return {"model": trace(TextGraph(encoder), (ids, mask), ["input_ids", "attention_mask"], ["last_hidden_state"],
                           ({1: length}, {1: length}))}
