"""A package's folder: graphs, shared weights, tokenizer, licence, manifest."""

from __future__ import annotations

import gc
import hashlib
import json
from pathlib import Path
from types import ModuleType
from typing import Callable

from tokenizers import Tokenizer
from torch import nn

from .graphs import OPSET, export_text_encoder
from .source import Source
from .weights import share_weights


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


def graph_paths(folder: Path) -> dict[str, str]:
    """Field of the manifest and path of each graph in `folder`."""
    vae = {f"vae_{name}": f"vae/{name}.onnx" for name in ("enc_first", "enc_next", "dec_first", "dec_next")}
    paths = {"text_encoder": "text_encoder/model.onnx", "transformer": "transformer/model.onnx", **vae}
    return {name: path for name, path in paths.items() if (folder / path).is_file()}


def write_components(source: Source, family: ModuleType, folder: Path, look: Callable[[str, nn.Module], None]) -> dict:
    """Write all graphs, one component after another in memory: the components' configurations, by name. `look` gets each
    component by name once its graphs are written."""
    exports = {"text_encoder": lambda module: export_text_encoder(module, folder / "text_encoder" / "model.onnx"),
               "transformer": lambda module: family.export_transformer(module, folder / "transformer" / "model.onnx"),
               "vae": lambda module: family.export_vae(module, folder / "vae")}
    configurations = {"scheduler": source.component("scheduler").config}
    for name, export in exports.items():
        module = source.component(name)
        export(module)
        share_weights(sorted((folder / name).glob("*.onnx")))
        configurations[name] = module.config
        look(name, module)
        del module
        gc.collect()
    return configurations


def complete(source: Source, family: ModuleType, configurations: dict, fields: dict, licence: str, folder: Path) -> None:
    """Put all else beside the graphs. `fields` are those of the manifest that do not follow from the model itself."""
    tokenizer, pad_id = source.tokenizer()
    save_tokenizer(tokenizer, folder / "tokenizer" / "tokenizer.json")
    (folder / "LICENSE").write_text(licence, encoding="utf-8", newline="\n")
    given = {"format": 1, "dtype": "fp32", "opset": OPSET, "graphs": graph_paths(folder), "licence": {"file": "LICENSE"},
             "tokenizer": {"file": "tokenizer/tokenizer.json", "pad_id": pad_id}}
    write_manifest(folder, merged(merged(fields, given), family.facts(configurations)))


#: fields of a manifest in the order that people read them
ORDER = ("format name title version family licence source dtype opset graphs tokenizer text latent control held decode limits frame_rate "
         "conditioning sampler presets guidance_default_negative files").split()


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
