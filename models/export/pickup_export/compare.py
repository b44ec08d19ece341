"""Golden values made anew against those that are committed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

#: how far numbers may differ between machines, by what a path begins with or has in its middle, the first that fits; a walk of 20 guided
#: steps gathers more than one run of a graph
TOLERANCES = {"/golden/": 5e-5, "tiny_": 1e-6, "/pipeline/": 1e-3, "/components/": 5e-5, "samplers.json": 1e-5, "guidance.json": 1e-5, "noise.json": 0.0}


def files(folder: Path) -> set[str]:
    paths = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return {p for p in paths if not p.endswith(("README.md", ".gitattributes", "weights.bin"))}


def json_difference(a: object, b: object) -> float:
    """Largest difference of numbers; infinite where anything else differs."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return max((json_difference(a[k], b[k]) for k in a if k != "files"), default=0.0)
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return max((json_difference(x, y) for x, y in zip(a, b)), default=0.0)
    numbers = (int, float)
    if isinstance(a, numbers) and isinstance(b, numbers) and not isinstance(a, bool):
        return abs(a - b)
    return 0.0 if a == b else float("inf")


def array_difference(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape or a.dtype != b.dtype:
        return float("inf")
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0.0))


def graph_difference(a: Path, b: Path) -> float:
    """Largest difference of weights of two graphs with the same nodes; infinite if the nodes differ."""
    first, second = onnx.load(str(a)).graph, onnx.load(str(b)).graph
    shape = lambda g: ([(n.op_type, n.domain, list(n.input), list(n.output)) for n in g.node],
                       [i.name for i in g.input], [o.name for o in g.output], [t.name for t in g.initializer])
    if shape(first) != shape(second):
        return float("inf")
    pairs = zip(first.initializer, second.initializer)
    base = [(numpy_helper.to_array(x, str(a.parent)), numpy_helper.to_array(y, str(b.parent))) for x, y in pairs]
    return max((array_difference(x, y) for x, y in base), default=0.0)


def difference(a: Path, b: Path) -> float:
    match a.suffix:
        case ".npy":
            return array_difference(np.load(a), np.load(b))
        case ".json":
            return json_difference(json.loads(a.read_text("utf-8")), json.loads(b.read_text("utf-8")))
        case ".onnx":
            return graph_difference(a, b)
        case _:
            return 0.0 if a.read_bytes() == b.read_bytes() else float("inf")


def tolerance(name: str) -> float:
    found = [allowed for part, allowed in TOLERANCES.items() if name.startswith(part) or (part[0] == "/" and part in name)]
    if not found:
        raise ValueError(f"{name}: expected a tolerance, found none")
    return found[0]


def check(made: Path, committed: Path) -> bool:
    """Print each file's largest difference beside what is allowed; whether all hold."""
    good = True
    for name in sorted(files(made) | files(committed)):
        a, b = made / name, committed / name
        found = difference(a, b) if a.exists() and b.exists() else float("inf")
        allowed = tolerance(name)
        good &= found <= allowed
        print(f"{'ok  ' if found <= allowed else 'FAIL'} {name:48} {found:9.2e} of {allowed:.0e}")
    return good
