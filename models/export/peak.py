"""Print by how many bytes the peak of memory rises: `peak.py GRAPH INPUTS.npz`. Linux only.

Over one run of a graph that is open; or over opening and running it, with a third word: `plain`, or `widened` as the exporter runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from pickup_export import widening


def status(field: str) -> int:
    """A field of this process's status, in bytes."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def rise(do: Callable[[], object]) -> int:
    Path("/proc/self/clear_refs").write_text("5", "utf-8")  # the peak starts anew
    before = status("VmRSS")
    do()
    return status("VmHWM") - before


def plain(graph: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def widened(graph: str) -> onnxruntime.InferenceSession:
    widening.give_back_at_once()
    return widening.session(Path(graph))


if __name__ == "__main__":
    graph, inputs, *how = sys.argv[1:]
    given = dict(np.load(inputs))
    if how:
        print(rise(lambda: {"plain": plain, "widened": widened}[how[0]](graph).run(None, given)))
    else:
        session = plain(graph)
        print(rise(lambda: session.run(None, given)))
