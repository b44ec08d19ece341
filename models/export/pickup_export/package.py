"""A package's folder: graphs, shared weights, golden values, tokenizer, licence, manifest."""

from __future__ import annotations

import gc
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tokenizers import Tokenizer
from torch import nn
from tqdm import tqdm

from . import golden, report, weights
from .graphs import OPSET, Graphs, trace_text_encoder
from .precision import halved, mixed, single, stored
from .report import Difference
from .source import Source

COMPONENTS = ("text_encoder", "transformer", "vae")


@dataclass(frozen=True)
class Precision:
    """Of the weights: `fp16` or `fp32`; for the text encoder `int8` too."""
    model: str = "fp32"
    text: str = "fp32"

    def of(self, name: str) -> str:
        return self.text if name == "text_encoder" else self.model


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Without the padding and cutting that its last use left behind."""
    plain = Tokenizer.from_str(tokenizer.to_str())
    plain.no_padding()
    plain.no_truncation()
    path.parent.mkdir(parents=True, exist_ok=True)
    plain.save(str(path))


def merged(first: dict, second: dict) -> dict:
    """Both together, `second` where they differ; objects in them likewise."""
    both = lambda key: isinstance(first.get(key), dict) and isinstance(second[key], dict)
    return {**first, **{key: merged(first[key], second[key]) if both(key) else second[key] for key in second}}


VAE_GRAPHS = tuple(f"{stage}_{step}" for stage in ("enc", "mid", "dec") for step in ("first", "next"))


def graph_paths(folder: Path) -> dict[str, str]:
    """Field of the manifest and path of each graph in `folder`."""
    vae = {f"vae_{name}": f"vae/{name}.onnx" for name in VAE_GRAPHS}
    paths = {"text_encoder": "text_encoder/model.onnx", "transformer": "transformer/model.onnx", **vae}
    return {name: path for name, path in paths.items() if (folder / path).is_file()}


def traced(name: str, module: nn.Module, family: ModuleType, precision: str) -> Graphs:
    """The graphs of a component with its weights in `precision`, which `module` has then too."""
    if name == "text_encoder":
        return trace_text_encoder(single(module) if precision == "fp32" else stored(module, precision))
    trace = {"transformer": family.trace_transformer, "vae": family.trace_vae}[name]
    if precision == "fp32":
        return trace(single(module))
    with mixed():
        return trace(halved(module))


def write_component(name: str, module: nn.Module, family: ModuleType, precision: str, folder: Path) -> None:
    """Golden values, graphs and weights of a component."""
    with tqdm(desc=name, unit="B", unit_scale=True, disable=None) as bar:
        bar.set_postfix_str("golden values")
        golden.make(name, module, family, folder)
        bar.set_postfix_str("tracing")
        graphs = traced(name, module, family, precision)
        bar.set_postfix_str("")
        weights.write(graphs, folder / name, bar)


def write_components(source: Source, family: ModuleType, precision: Precision, folder: Path) -> list[Difference]:
    """Write all components into `folder`, one after another in memory, and compare each with diffusers. A component that is
    there already, with its differences, is not made again."""
    differences: list[Difference] = []
    for name in COMPONENTS:
        record = folder / f"{name}.done"
        if not record.is_file():
            module = source.component(name)
            write_component(name, module, family, precision.of(name), folder)
            del module
            gc.collect()
            found = report.check(name, precision.of(name), folder)
            record.write_text(json.dumps([vars(difference) for difference in found]), "utf-8")
        source.release(name)
        differences += [Difference(**fields) for fields in json.loads(record.read_text("utf-8"))]
    for name in COMPONENTS:
        (folder / f"{name}.done").unlink()
    return differences


def complete(source: Source, family: ModuleType, precision: Precision, fields: dict, licence: str, folder: Path) -> None:
    """Put all else beside the graphs. `fields` are those of the manifest that do not follow from the model itself, or are
    chosen against it."""
    tokenizer, pad_id = source.tokenizer()
    save_tokenizer(tokenizer, folder / "tokenizer" / "tokenizer.json")
    (folder / "LICENSE").write_text(licence, encoding="utf-8", newline="\n")
    given = {"format": 1, "dtype": precision.model, "opset": OPSET, "graphs": graph_paths(folder), "licence": {"file": "LICENSE"},
             "tokenizer": {"file": "tokenizer/tokenizer.json", "pad_id": pad_id},
             "golden": golden.manifest(folder, {name: precision.of(name) for name in COMPONENTS})}
    if precision.text != precision.model:
        given["text"] = {"weights": precision.text}
    configurations = {name: source.settings(name) for name in (*COMPONENTS, "scheduler")}
    write_manifest(folder, merged(merged(given, family.facts(configurations)), fields))


#: fields of a manifest in the order that people read them
ORDER = ("format name title version family licence source dtype opset graphs tokenizer text latent control held decode limits frame_rate "
         "conditioning sampler presets guidance_default_negative golden memory gpu_memory files").split()


def write_manifest(folder: Path, manifest: dict) -> None:
    """Write `manifest.json` with a record of every other file in `folder`."""
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json"):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        files[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": digest}
    fields = sorted({**manifest, "files": files}.items(), key=lambda field: ORDER.index(field[0]))
    text = json.dumps(dict(fields), indent=1, ensure_ascii=False)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8", newline="\n")
