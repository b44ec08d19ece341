"""Weights beside the graphs: each distinct tensor once in one file, read and written one at a time."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

import onnx
from onnx import TensorProto, numpy_helper

ALIGNMENT = 4096       # so that weights can be mapped into memory
SMALLEST = 1024        # bytes; smaller tensors stay in the graph
DATA_FIELDS = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data")


class WeightFile:
    """External data in which equal tensors are written once."""

    def __init__(self, file: BinaryIO, name: str):
        self.file, self.name = file, name
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

    def take(self, tensor: TensorProto, content: bytes) -> None:
        """Let `tensor` find its `content` in this file, or in itself where it is small."""
        for field in (*DATA_FIELDS, "external_data"):
            tensor.ClearField(field)
        if len(content) < SMALLEST:
            tensor.data_location = TensorProto.DEFAULT
            tensor.raw_data = content
            return
        offset, length = self.place(tensor.data_type, content)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self.name), ("offset", str(offset)), ("length", str(length))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value


def content_of(tensor: TensorProto, folder: Path) -> bytes:
    """The bytes of a tensor, wherever they are."""
    if tensor.data_location != TensorProto.EXTERNAL:
        return tensor.raw_data if tensor.HasField("raw_data") else numpy_helper.to_array(tensor).tobytes()
    place = {entry.key: entry.value for entry in tensor.external_data}
    with (folder / place["location"]).open("rb") as file:
        file.seek(int(place.get("offset", 0)))
        return file.read(int(place["length"]) if "length" in place else -1)


def share_weights(graphs: list[Path]) -> None:
    """Put the weights of `graphs`, all in one folder, into one `weights.bin` beside them."""
    folder = graphs[0].parent
    before = set()
    with (folder / "weights.bin").open("wb") as file:
        weights = WeightFile(file, "weights.bin")
        for path in graphs:
            model = onnx.load(str(path), load_external_data=False)
            for tensor in model.graph.initializer:
                before |= {entry.value for entry in tensor.external_data if entry.key == "location"}
                weights.take(tensor, content_of(tensor, folder))
            path.write_bytes(model.SerializeToString(deterministic=True))
    for name in before:
        (folder / name).unlink()
