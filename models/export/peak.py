"""Print by how many bytes the peak of memory rises over one run of a graph: `peak.py GRAPH INPUTS.npz`. Linux only."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime


def status(field: str) -> int:
    """A field of this process's status, in bytes."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def rise(graph: str, inputs: dict[str, np.ndarray]) -> int:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    Path("/proc/self/clear_refs").write_text("5", "utf-8")  # the peak starts anew
    before = status("VmRSS")
    session.run(None, inputs)
    return status("VmHWM") - before


if __name__ == "__main__":
    print(rise(sys.argv[1], dict(np.load(sys.argv[2]))))
