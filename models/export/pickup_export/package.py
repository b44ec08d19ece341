"""A package's folder: shared weights, licence, manifest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper

ALIGNMENT = 4096       # so that weights can be mapped into memory
SMALLEST = 1024        # bytes; smaller tensors stay in the graph
FIELDS = ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "uint64_data")


class WeightFile:
    """External data in which equal tensors are written once."""

    def __init__(self, path: Path):
        self.path = path
        self.places: dict[tuple[int, bytes], tuple[int, int]] = {}
        self.data = bytearray()

    def place(self, kind: int, content: bytes) -> tuple[int, int]:
        key = (kind, hashlib.sha256(content).digest())
        if key not in self.places:
            self.data += b"\0" * (-len(self.data) % ALIGNMENT)
            self.places[key] = (len(self.data), len(content))
            self.data += content
        return self.places[key]

    def move(self, tensor: TensorProto) -> None:
        """Move a tensor's data from its graph to this file."""
        content = tensor.raw_data if tensor.HasField("raw_data") else numpy_helper.to_array(tensor).tobytes()
        if len(content) < SMALLEST:
            return
        offset, length = self.place(tensor.data_type, content)
        for field in FIELDS:
            tensor.ClearField(field)
        tensor.data_location = TensorProto.EXTERNAL
        del tensor.external_data[:]
        for key, value in (("location", self.path.name), ("offset", str(offset)), ("length", str(length))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value


def share_weights(graphs: list[Path]) -> None:
    """Put the weights of `graphs`, all in one folder, into one `weights.bin` beside them."""
    weights = WeightFile(graphs[0].parent / "weights.bin")
    for path in graphs:
        model = onnx.load(str(path))
        for tensor in model.graph.initializer:
            weights.move(tensor)
        path.write_bytes(model.SerializeToString(deterministic=True))
    weights.path.write_bytes(bytes(weights.data))


def write_manifest(folder: Path, manifest: dict) -> None:
    """Write `manifest.json` with a record of every other file in `folder`."""
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json"):
        content = path.read_bytes()
        files[path.relative_to(folder).as_posix()] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps({**manifest, "files": files}, indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8", newline="\n")
