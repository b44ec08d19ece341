"""How far the exported graphs are from torch, at sizes that they were not exported at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import torch
from torch import nn

from .source import Unfit

#: latent frames, rows and columns, and tokens of text
SIZES = ((1, 2, 4, 7), (4, 6, 2, 33))
#: largest difference that is let pass, relative to how much the right values vary
BOUND = 1e-3


@dataclass(frozen=True)
class Difference:
    """Of what a graph gives from what torch gives."""
    component: str
    largest: float
    relative: float  # root mean square, over the deviation of the right values

    @classmethod
    def of(cls, component: str, pairs: list[tuple[np.ndarray, torch.Tensor]]) -> Difference:
        found, right = (np.concatenate([np.float64(pair[side]).ravel() for pair in pairs]) for side in (0, 1))
        apart = found - right
        return cls(component, float(np.abs(apart).max()), float(np.sqrt((apart**2).mean()) / right.std()))


def run(path: Path, inputs: dict[str, torch.Tensor | np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a graph on the processor, by name."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = [spec.name for spec in session.get_inputs()]
    given = {name: np.asarray(inputs[name]) for name in wanted}
    return dict(zip([spec.name for spec in session.get_outputs()], session.run(None, given)))


def check_text_encoder(encoder: nn.Module, path: Path) -> list[Difference]:
    pairs = []
    for *_, length in SIZES:
        ids = torch.randint(3, encoder.config.vocab_size, (1, length))
        mask = (torch.arange(length) < length - 3).long()[None]
        right = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        pairs.append((run(path, {"input_ids": ids, "attention_mask": mask})["last_hidden_state"], right))
    return [Difference.of("text encoder", pairs)]


def check_transformer(transformer: nn.Module, family: ModuleType, path: Path) -> list[Difference]:
    graph, pairs = family.Graph(transformer), []
    for size in SIZES:
        inputs = family.sample(transformer.config, *size)
        pairs.append((run(path, inputs)["velocity"], graph(**inputs)))
    return [Difference.of("transformer", pairs)]


def check_vae(vae: nn.Module, family: ModuleType, folder: Path) -> list[Difference]:
    found = family.compare_vae(vae, folder, SIZES[-1][:3], run)
    return [Difference.of(name, [pair]) for name, pair in found.items()]


def check(name: str, module: nn.Module, family: ModuleType, folder: Path) -> list[Difference]:
    """How far the graphs of a component in `folder` are from it."""
    checks = {"text_encoder": lambda: check_text_encoder(module, folder / "text_encoder" / "model.onnx"),
              "transformer": lambda: check_transformer(module, family, folder / "transformer" / "model.onnx"),
              "vae": lambda: check_vae(module, family, folder / "vae")}
    found = checks[name]()
    for difference in found:
        if not difference.relative <= BOUND:
            raise Unfit(f"{difference.component}: expected a relative error of at most {BOUND}, found {difference.relative:.1e}. "
                        "The exporter does not fit this model, or these versions of its libraries.")
    return found


def write(path: Path, title: str, differences: list[Difference]) -> None:
    """The report, for people."""
    sizes = ", ".join(f"{f}×{h}×{w}" for f, h, w, _ in SIZES)
    lines = [f"# Export of {title}", "",
             f"What the graphs give on ONNX Runtime {onnxruntime.__version__} against PyTorch {torch.__version__}, on random inputs of",
             f"{sizes} latents. The relative error is the root mean square over the deviation of the right values.", "",
             "| component | largest error | relative error |", "|---|---|---|"]
    lines += [f"| {found.component} | {found.largest:.1e} | {found.relative:.1e} |" for found in differences]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
