"""Times Pickup beside diffusers and prints a table: `compare.py --packages DIR [--only cpu|cuda] [--package DIR]`.

On the processor whole generations of tiny models and of one of middle size, in single precision, with the same size, length, steps,
guidance and threads on both sides. On a GPU for CUDA the transformer of a published model. Pickup's command line is what
PICKUP_TEST_CLI names. Exits with 1 if a bound does not hold.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from pickup_export import command
from pickup_export.randomised import RECIPES
from pickup_export.tiny import ltx, wan_ti2v, wan_vace

import diffusion
import flops
from pickup import Work, bench, manifest

GOLDENS = Path(__file__).resolve().parents[1] / "goldens"
#: most of diffusers' eager time that Pickup may take on the processor
BOUND = 0.6
#: times that each side is measured
RUNS = 3
#: dense half precision of H100 and H200 with single-precision sums, by NVIDIA's datasheet, in operations a second
PEAKS = {"H100": 989e12, "H200": 989e12}
PUBLISHED = "wan2.1-vace-1.3b"
#: tokens of every prompt of Wan, padded
TEXT = 512


@dataclass(frozen=True)
class Subject:
    """A model that both sides run."""
    name: str
    package: Callable[[Path], Path]
    pipeline: Callable[[], object]
    work: Work


def tiny(module: object, work: Work) -> Subject:
    return Subject(module.NAME, lambda _: GOLDENS / module.NAME, module.build, work)


def exported(name: str, packages: Path, *options: str) -> Path:
    """The package of a model with random weights, made unless it is there."""
    package = packages / name
    if not (package / "manifest.json").is_file():
        packages.mkdir(parents=True, exist_ok=True)
        if command.main(["wan-vace", "--random", name, "--out", str(package), *options]):
            raise SystemExit(1)
    return package


SUBJECTS = (
    tiny(wan_vace, Work(128, 128, 17, 8, 3.0)),
    tiny(wan_ti2v, Work(128, 128, 17, 8, 3.0)),
    tiny(ltx, Work(128, 128, 17, 8, 3.0)),
    Subject("wan-mid", lambda packages: exported("wan-mid", packages, "--dtype", "fp32", "--text", "fp32"),
            lambda: diffusion.pipeline(RECIPES["wan-mid"]), Work(256, 144, 17, 4, 3.0)),
)


def on_cpu(packages: Path) -> bool:
    """Whole generations. Whether the bound holds for all."""
    threads = torch.get_num_threads()
    print(f"processor, {threads} threads, single precision\n\n| model | work | Pickup, s | diffusers {diffusion.VERSION} eager, s | ratio "
          "| bound | holds | a step: Pickup, diffusers, ratio |\n|---|---|---|---|---|---|---|---|", flush=True)
    held = True
    for subject in SUBJECTS:
        work, package = subject.work, subject.package(packages)
        found = bench(package, work, "cpu", threads, RUNS + 1)
        theirs, step = diffusion.seconds(subject.pipeline(), work, manifest(package)["tokenizer"]["max_tokens"], RUNS)
        ours = found.seconds
        holds = ours <= BOUND * theirs
        held &= holds
        print(f"| {subject.name} | {work.width}×{work.height}×{work.frames}, {work.steps} steps | {ours:.3f} | {theirs:.3f} "
              f"| {ours / theirs:.2f} | ≤ {BOUND} | {'yes' if holds else 'no'} "
              f"| {found.per_step:.4f}, {step:.4f}, {found.per_step / step:.2f} |", flush=True)
    return held


class GpuMemory:
    """Most gigabytes that the GPU held while this was open, beyond what it held before, as nvidia-smi tells it."""

    def __enter__(self) -> GpuMemory:
        self.before = self.peak = self.used()
        self.over = threading.Event()
        self.watch = threading.Thread(target=self.look)
        self.watch.start()
        return self

    def look(self) -> None:
        while not self.over.wait(0.1):
            self.peak = max(self.peak, self.used())

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.watch.join()
        self.taken = self.peak - self.before

    @staticmethod
    def used() -> float:
        told = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"], stdout=subprocess.PIPE,
                              check=True, text=True).stdout
        return int(told.splitlines()[0]) * 2**20 / 1e9


def on_cuda(package: Path) -> None:
    """Seconds of a forward of the published transformer, from `package` and in PyTorch."""
    work, device = Work(832, 480, 81, 4, 1.0), torch.cuda.get_device_name()
    with GpuMemory() as memory:
        ours = bench(package, work, "cuda", torch.get_num_threads(), 2)
    forward = diffusion.Forward(PUBLISHED, work, TEXT)
    operations = flops.forward(forward.config, forward.tokens, TEXT)
    peak = next((rate for name, rate in PEAKS.items() if name in device), None)
    share = lambda taken: f"{operations / taken / peak:.0%}" if peak else "not known of this GPU"
    print(f"\n{device}, {PUBLISHED} in half precision, {work.width}×{work.height}×{work.frames}: {forward.tokens} tokens, "
          f"{operations / 1e12:.0f} TFLOP a forward\n\n| | a forward, s | share of the peak | memory of the GPU, GB | attention |\n"
          "|---|---|---|---|---|")
    print(f"| Pickup, the whole job's | {ours.per_step:.3f} | {share(ours.per_step)} | {memory.taken:.1f} | {ours.kernels} |", flush=True)
    for name, compiled in (("eager", False), ("compiled", True)):
        taken, held = forward.seconds(compiled, RUNS)
        print(f"| diffusers {diffusion.VERSION} {name} | {taken:.3f} | {share(taken)} | {held:.1f} | PyTorch's choice |", flush=True)
    print(f"\nPickup's transformer: nodes {ours.nodes('transformer')}; phases of its second run, s: "
          f"{ours.report['runs'][-1]['record']['timing']}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Time Pickup beside diffusers.")
    parser.add_argument("--packages", type=Path, required=True, help="where packages are made")
    parser.add_argument("--only", choices=("cpu", "cuda"), help="one of both [default: both, CUDA where there is a GPU]")
    parser.add_argument("--package", type=Path, help=f"a package of {PUBLISHED} that is there already")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    held = on_cpu(options.packages) if options.only != "cuda" else True
    if options.only == "cpu" or not torch.cuda.is_available():
        print(f"\n{PUBLISHED} on CUDA: not measured")
    else:
        on_cuda(options.package or exported(PUBLISHED, options.packages))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
