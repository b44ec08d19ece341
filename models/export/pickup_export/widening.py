"""Graphs in half precision on a processor without holding all their weights in single precision.

ONNX Runtime multiplies in single precision there and puts a node before each product that widens its weights. It runs a graph's
latest nodes first, so that all weights are wide before the first product: three times what is stored. Nodes that stand first in
the graph run when their product does (`Graph::ReverseDFSFrom`). `Gelu`, which it has in single precision only, it would spell
out. Pickup does the same in `runtime/onnx/src/widened.rs`.
"""

from __future__ import annotations

import ctypes
import sys
from math import prod
from pathlib import Path

import onnx
import onnxruntime
from onnx import NodeProto, TensorProto
from onnx.helper import make_node

#: numbers in weights that are worth it
LARGE = 1 << 18
#: bytes of a constant that is computed when a graph is opened, at most; widened weights must not be one
FOLDED = ("optimization.constant_folding_max_output_size_in_bytes", "1048576")
#: where the weights of a graph that comes from memory lie
FOLDER = "session.model_external_initializers_file_folder_path"


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with its products with large weights in half precision, and each `Gelu` in it, in single, and the casts that it
    takes."""
    graph = model.graph
    large = {weight.name for weight in graph.initializer if weight.data_type == TensorProto.FLOAT16 and prod(weight.dims) >= LARGE}
    half = {value.name for value in graph.value_info if value.type.tensor_type.elem_type == TensorProto.FLOAT16}
    nodes: list[NodeProto] = []
    used: dict[str, NodeProto] = {}
    for node in graph.node:
        if not (node.op_type == "MatMul" and node.input[1] in large or node.op_type == "Gelu" and node.input[0] in half):
            nodes.append(node)
            continue
        out = node.output[0]
        for weight in node.input[1:]:
            used[weight] = make_node("Cast", [weight], [f"{weight}/single"], to=TensorProto.FLOAT)
        wide = NodeProto()
        wide.CopyFrom(node)
        wide.input[:] = [f"{out}/given", *(f"{weight}/single" for weight in node.input[1:])]
        wide.output[:] = [f"{out}/made"]
        nodes += [make_node("Cast", [node.input[0]], [f"{out}/given"], to=TensorProto.FLOAT), wide,
                  make_node("Cast", [f"{out}/made"], [out], to=TensorProto.FLOAT16)]
    del graph.node[:]
    graph.node.extend([*used.values(), *nodes])
    return model


def session(path: Path) -> onnxruntime.InferenceSession:
    """The graph in `path` on the processor; weights stay mapped, and as narrow as they are, as Pickup opens large graphs in half
    precision."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3  # each constant that is not folded for its size would be told
    for key, value in (("session.disable_prepacking", "1"), FOLDED, (FOLDER, str(path.parent))):
        options.add_session_config_entry(key, value)
    options.enable_cpu_mem_arena = False
    model = widened(onnx.load(path, load_external_data=False)).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def give_back_at_once() -> None:
    """From now on memory that is taken in large pieces goes back to the system as soon as it is freed, where that can be asked for
    (mallopt(3), M_MMAP_THRESHOLD): glibc does not find a piece again that was taken aligned, as ONNX Runtime takes its tensors."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(-3, 1 << 20)
