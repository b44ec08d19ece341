"""Golden values of a package: inputs of each component, and what diffusers makes of them in single precision.

A case is a folder of arrays in NumPy's format: `expected.npy`, and the inputs by their names in the graph. `pickup models
verify` runs them; so does the exporter, which refuses to finish a package that does not give them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from zlib import crc32

import numpy as np
import torch
from torch import nn

from . import widening
from .graphs import TextGraph
from .precision import widened

#: latent frames, rows and columns, and tokens of text
Size = tuple[int, int, int, int]
#: those of a package's golden values, by component; the graphs are traced at others. A VAE makes many pixels of a latent,
#: and a single latent frame says nothing of its memory.
SIZES: dict[str, tuple[Size, ...]] = {name: ((1, 2, 4, 7), (4, 6, 2, 33)) for name in ("text_encoder", "transformer")}
SIZES["vae"] = ((3, 2, 1, 0),)
#: name of each golden component, by the component of the pipeline that it is a part of
PARTS = {"text_encoder": ("text_encoder",), "transformer": ("transformer",), "vae": ("vae_encoder", "vae_decoder")}
#: largest relative error that is let pass, by the precision of the weights
BOUNDS = {"fp32": 1e-3, "fp16": 5e-3, "int8": 3e-2}
FOLDER, EXPECTED = "golden", "expected"


@dataclass(frozen=True)
class Case:
    """Inputs by name, and what they have to give."""
    inputs: dict[str, np.ndarray]
    expected: np.ndarray

    @classmethod
    def of(cls, inputs: dict[str, torch.Tensor], expected: torch.Tensor) -> Case:
        return cls({name: tensor.numpy() for name, tensor in inputs.items()}, expected.numpy())

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in {**self.inputs, EXPECTED: self.expected}.items():
            np.save(folder / f"{name}.npy", np.ascontiguousarray(array))

    @classmethod
    def load(cls, folder: Path) -> Case:
        arrays = {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}
        return cls({name: array for name, array in arrays.items() if name != EXPECTED}, arrays[EXPECTED])


def text_case(encoder: nn.Module, length: int, rng: np.random.Generator) -> Case:
    ids = torch.from_numpy(rng.integers(3, encoder.config.vocab_size, (1, length)))
    inputs = {"input_ids": ids, "attention_mask": (torch.arange(length) < length - 3).long()[None]}
    return Case.of(inputs, TextGraph(encoder)(**inputs))


def transformer_case(transformer: nn.Module, family: ModuleType, size: Size, rng: np.random.Generator) -> Case:
    inputs = family.sample(transformer.config, *size, rng)
    return Case.of(inputs, family.Graph(transformer)(**inputs))


def cases(name: str, module: nn.Module, family: ModuleType, size: Size, rng: np.random.Generator) -> dict[str, Case]:
    """A case of each part of a component."""
    match name:
        case "vae":
            return family.vae_cases(module, size[:3], rng)
        case "transformer":
            return {name: transformer_case(module, family, size, rng)}
        case _:
            return {name: text_case(module, size[3], rng)}


def make(name: str, module: nn.Module, family: ModuleType, folder: Path, sizes: tuple[Size, ...] | None = None) -> None:
    """Put the golden values of a component into a package's `folder`."""
    rng = np.random.default_rng(crc32(name.encode()))
    with widened(module):
        for index, size in enumerate(sizes or SIZES[name]):
            for part, case in cases(name, module, family, size, rng).items():
                case.save(folder / FOLDER / part / str(index))


def case_folders(folder: Path, part: str) -> list[Path]:
    return sorted((folder / FOLDER / part).iterdir())


def manifest(folder: Path, precision: dict[str, str]) -> dict:
    """The manifest's field, of what is in `folder`; `precision` is that of each component's weights."""
    return {part: {"cases": [case.relative_to(folder).as_posix() for case in case_folders(folder, part)],
                   "bound": BOUNDS[precision[name]]}
            for name, parts in PARTS.items() for part in parts}


def run(path: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a graph on the processor, by name."""
    session = widening.session(path)
    given = {spec.name: inputs[spec.name] for spec in session.get_inputs()}
    return dict(zip([spec.name for spec in session.get_outputs()], session.run(None, given)))


def result(outputs: dict[str, np.ndarray]) -> np.ndarray:
    """The first output that is no cache."""
    return next(value for name, value in outputs.items() if not name.startswith("cache_out_"))


def run_decoder(folder: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Frames of a latent, by way of the features of it where the decoder has two stages."""
    if not (folder / "mid_first.onnx").is_file():
        return run_vae(folder, "dec", "latent", inputs)
    return run_vae(folder, "dec", "features", {"features": run_vae(folder, "mid", "latent", inputs)})


def run_vae(folder: Path, stage: str, main: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """What a stage of a VAE makes of a clip or latent, called `main`: whole, or the first frame and then all others."""
    first, later = folder / f"{stage}_first.onnx", folder / f"{stage}_next.onnx"
    if not later.is_file():
        return result(run(first, inputs))
    begun = run(first, {**inputs, main: inputs[main][:, :, :1]})
    caches = {name.replace("_out_", "_in_"): value for name, value in begun.items() if name.startswith("cache_out_")}
    rest = run(later, {**caches, main: inputs[main][:, :, 1:]})
    return np.concatenate([result(begun), result(rest)], 2)


def found(folder: Path, part: str, case: Case) -> np.ndarray:
    """What the package in `folder` gives."""
    match part:
        case "vae_encoder":
            return run_vae(folder / "vae", "enc", "frames", case.inputs)
        case "vae_decoder":
            return run_decoder(folder / "vae", case.inputs)
        case _:
            return result(run(folder / part / "model.onnx", case.inputs))
