"""How far the exported graphs are from diffusers, on the package's golden values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from . import golden
from .errors import Unfit
from .lora import Lora

#: how people call the parts of a package
TITLES = {"text_encoder": "text encoder", "transformer": "transformer", "vae_encoder": "VAE encoder", "vae_decoder": "VAE decoder"}


@dataclass(frozen=True)
class Difference:
    """Of what a graph gives from what is right."""
    component: str
    precision: str
    largest: float
    relative: float  # root mean square, over the deviation of the right values
    cosine: float

    @classmethod
    def of(cls, component: str, precision: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> Difference:
        found, right = (np.concatenate([np.float64(pair[side]).ravel() for pair in pairs]) for side in (0, 1))
        apart = found - right
        cosine = found @ right / np.sqrt((found @ found) * (right @ right))
        return cls(component, precision, float(np.abs(apart).max()), float(np.sqrt((apart**2).mean()) / right.std()), float(cosine))


def measure(part: str, precision: str, folder: Path) -> Difference:
    """How far a component of the package in `folder` is from its golden values."""
    cases = [golden.Case.load(case) for case in golden.case_folders(folder, part)]
    return Difference.of(TITLES[part], precision, [(golden.found(folder, part, case), case.expected) for case in cases])


def check(name: str, precision: str, folder: Path) -> list[Difference]:
    """How far the parts of a component in `folder` are from their golden values; `Unfit` if one is too far."""
    found = [measure(part, precision, folder) for part in golden.PARTS[name]]
    for difference in found:
        bound = golden.BOUNDS[precision]
        if not difference.relative <= bound:
            raise Unfit(f"{difference.component}: expected a relative error of at most {bound}, found {difference.relative:.1e}. "
                        "The exporter does not fit this model, or these versions of its libraries.")
    return found


def write(path: Path, title: str, differences: list[Difference], loras: list[Lora]) -> None:
    """The report, for people."""
    sizes = ", ".join(f"{f}×{h}×{w}" for f, h, w, _ in (*golden.SIZES["transformer"], *golden.SIZES["vae"]))
    lines = [f"# Export of {title}", "",
             f"What the graphs give on ONNX Runtime {onnxruntime.__version__} against diffusers in single precision on PyTorch {torch.__version__},",
             f"on random inputs of {sizes} latents. The relative error is the root mean square over the deviation of the right values.", "",
             "| component | weights | largest error | relative error | bound | 1 − cosine |", "|---|---|---|---|---|---|"]
    lines += [f"| {found.component} | {found.precision} | {found.largest:.1e} | {found.relative:.1e} | {golden.BOUNDS[found.precision]:.0e} | "
              f"{1 - found.cosine:.1e} |" for found in differences]
    if loras:
        lines += ["", "Merged into the transformer:", "", "| LoRA | strength | SHA-256 |", "|---|---|---|"]
        lines += [f"| {lora.path.name} | {lora.strength:g} | {lora.digest()} |" for lora in loras]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
