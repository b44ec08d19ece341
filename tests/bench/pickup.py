"""Pickup's side: `pickup bench` on one package."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Work:
    """What is generated: from text alone, by both sides alike."""
    width: int
    height: int
    frames: int
    steps: int
    guidance: float


@dataclass(frozen=True)
class Bench:
    """What `pickup bench` printed."""
    report: dict

    @property
    def seconds(self) -> float:
        """Of a whole job with the graphs open, reading the prompt included, which later runs find in the cache."""
        runs = self.report["runs"]
        return runs[0]["record"]["timing"]["text"] + median(run["seconds"] for run in runs[1:])

    @property
    def per_step(self) -> float:
        """Seconds of a step with the graphs open, both passes of guidance together."""
        return median(run["per_step"] for run in self.report["runs"][1:])

    @property
    def kernels(self) -> str:
        return ", ".join(self.report["inspection"]["kernels"]) or "not told"

    def nodes(self, graph: str) -> str:
        """How many nodes of a graph run where."""
        counts = next(placed["counts"] for placed in self.report["inspection"]["graphs"] if placed["graph"] == graph)
        return ", ".join(f"{sum(count['operators'].values())} {count['provider']}" for count in counts)


def manifest(package: Path) -> dict:
    return json.loads((package / "manifest.json").read_text("utf-8"))


def bench(package: Path, work: Work, provider: str, threads: int, runs: int) -> Bench:
    """Generates `runs` times, at least twice, with caches of its own. Whatever Pickup says of progress is shown."""
    name = manifest(package)["name"]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PICKUP_MODELS": str(package), "PICKUP_CACHE": cache, "PICKUP_THREADS": str(threads)}
        command = [os.environ["PICKUP_TEST_CLI"], "bench", name, "--size", f"{work.width}x{work.height}", "--frames", str(work.frames),
                   "--steps", str(work.steps), "--guidance", str(work.guidance), "--provider", provider, "--runs", str(runs), "--json"]
        printed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout
    found = Bench(json.loads(printed))
    record = found.report["runs"][-1]["record"]
    did = Work(record["model_width"], record["model_height"], sum(record["windows"]), record["steps"], record["guidance"])
    if did != work:
        raise SystemExit(f"{name}: expected Pickup to do {work}, it did {did}. Choose a size and length that the model takes.")
    return found
