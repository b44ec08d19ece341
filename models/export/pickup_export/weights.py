"""Weights beside the graphs: each distinct tensor once in one file, written one at a time."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

import onnx_ir
from tqdm import tqdm

from .graphs import Graphs, by_depth, strip

ALIGNMENT = 4096       # so that weights can be mapped into memory
SMALLEST = 1024        # bytes; smaller tensors stay in the graph
NAME = "weights.bin"


class WeightFile:
    """External data in which equal tensors are written once."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.places: dict[tuple[int, bytes], tuple[int, int]] = {}

    def place(self, kind: int, content: bytes) -> tuple[int, int]:
        """Offset and length of `content`."""
        key = (kind, hashlib.sha256(content).digest())
        if key not in self.places:
            end = self.file.tell()
            self.file.write(b"\0" * (-end % ALIGNMENT))
            self.places[key] = (self.file.tell(), len(content))
            self.file.write(content)
        return self.places[key]

    def take(self, tensor: onnx_ir.TensorProtocol) -> onnx_ir.TensorProtocol:
        """`tensor` as it is found in this file, or itself where it is small."""
        if tensor.nbytes < SMALLEST:
            return tensor
        offset, length = self.place(tensor.dtype.value, tensor.tobytes())
        return onnx_ir.ExternalTensor(NAME, offset, length, tensor.dtype, shape=tensor.shape, name=tensor.name)


def write(graphs: Graphs, folder: Path, bar: tqdm) -> None:
    """Write each graph as `NAME.onnx` into `folder`, and the weights of all into one file beside them. `bar` counts their bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    values = [value for _, graph in sorted(graphs.items()) for value in graph.graph.initializers.values()]
    bar.reset(total=sum(value.const_value.nbytes for value in values))
    with (folder / NAME).open("wb") as file:
        weights = WeightFile(file)
        for value in values:
            bar.update(value.const_value.nbytes)
            value.const_value = weights.take(value.const_value)
    for name, graph in graphs.items():
        model = onnx_ir.to_proto(graph)
        strip(model)
        by_depth(model.graph)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
