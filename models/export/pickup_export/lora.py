"""LoRA files merged into a transformer's weights.

A LoRA is what to add to weights: to a matrix W the product of two thin ones, `strength * alpha / rank * up @ down`
(Hu et al. 2021, arXiv 2106.09685); files may hold whole differences of weights and biases besides. They call layers as
diffusers does or as the model's makers do, and the thin matrices `lora_A` and `lora_B` (PEFT) or `lora_down` and `lora_up`
(Kohya); what a family's makers call its layers is the family's `ORIGINAL`.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from types import ModuleType
from typing import Iterator

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from .errors import Unfit
from .precision import half, large_layers
from .source import Source

#: what files put before the name of a layer; the last one goes with names without full stops
PREFIXES = ("base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.", "lora_unet_")
#: how the name of a tensor ends, and what the tensor is
ENDINGS = {"lora_A.weight": "down", "lora_A.default.weight": "down", "lora_down.weight": "down",
           "lora_B.weight": "up", "lora_B.default.weight": "up", "lora_up.weight": "up",
           "lora_B.bias": "up_bias", "alpha": "alpha", "diff": "weight", "diff_b": "bias"}
PARTS = "lora_A and lora_B, or lora_down and lora_up, with or without alpha; diff; diff_b"


@dataclass(frozen=True)
class Lora:
    """A file, and how strongly it is laid on."""
    path: Path
    strength: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Lora:
        """`FILE` or `FILE:STRENGTH`."""
        name, colon, number = text.rpartition(":")
        try:
            strength = float(number) if colon else math.nan
        except ValueError:  # a colon of the path's own
            strength = math.nan
        lora = cls(Path(text)) if math.isnan(strength) else cls(Path(name), strength)
        if not lora.path.is_file() or not math.isfinite(lora.strength):
            raise Unfit(f"--lora {text}: expected FILE or FILE:STRENGTH, with the file there and a number such as 0.8, found "
                        f"{lora.path} and {lora.strength}.")
        return lora

    def digest(self) -> str:
        """SHA-256 of the file."""
        with self.path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()

    def title(self) -> str:
        return f"{self.path.name} at {self.strength:g}"


def recorded(origin: dict, loras: list[Lora]) -> dict:
    """The manifest's `source` of a checkpoint with `loras` merged in: it names them, and its revision is theirs too."""
    if not loras:
        return origin
    parts = [origin["revision"], *(f"{lora.digest()} {lora.strength!r}" for lora in loras)]
    return {"origin": f"{origin['origin']} with {', '.join(lora.title() for lora in loras)}",
            "revision": f"sha256:{sha256(chr(10).join(parts).encode()).hexdigest()}"}


def spellings(transformer: nn.Module, original: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """What files may call each place with weights, and what it is called here. A layer is a place, and so is a parameter that
    is no layer's `weight` or `bias`."""
    found = {}
    for parameter, _ in transformer.named_parameters():
        place, _, leaf = parameter.rpartition(".")
        name = place if leaf in ("weight", "bias") else parameter
        theirs = name
        for here, there in original:
            theirs = theirs.replace(here, there)
        for spelling in (name, theirs):
            found[spelling] = found[spelling.replace(".", "_")] = name
    return found


def file_alpha(path: Path, stored: dict[str, str]) -> tuple[float | None, bool]:
    """The alpha that diffusers (in the file's metadata) or PEFT (beside the file) keep for all layers, and whether it is
    divided by the root of the rank."""
    beside = path.with_name("adapter_config.json")
    if "lora_adapter_metadata" in stored:
        settings = {key.removeprefix("transformer."): value for key, value in json.loads(stored["lora_adapter_metadata"]).items()}
    elif beside.is_file():
        settings = json.loads(beside.read_text("utf-8"))
    else:
        return None, False
    if settings.get("alpha_pattern") and len({settings.get("lora_alpha"), *settings["alpha_pattern"].values()}) > 1:
        raise Unfit(f"{path}: expected one lora_alpha for all layers, found alpha_pattern with others. Save it with an alpha to each layer.")
    return settings.get("lora_alpha"), bool(settings.get("use_rslora"))


class LoraFile:
    """The tensors of a LoRA by the place that they change."""

    def __init__(self, lora: Lora, names: dict[str, str]):
        self.lora = lora
        try:
            self.file = safe_open(lora.path, "pt")
        except (SafetensorError, OSError) as error:
            raise Unfit(f"{lora.path}: expected a .safetensors file, found another: {error}") from error
        self.alpha, self.rooted = file_alpha(lora.path, self.file.metadata() or {})
        self.keys: dict[str, dict[str, str]] = defaultdict(dict)
        for key in self.file.keys():
            place, part = self.located(key, names)
            if part in self.keys[place]:
                raise self.unfit(f"expected one tensor for each part of {place}, found {self.keys[place][part]} and {key}.")
            self.keys[place][part] = key
        if not self.keys:
            raise self.unfit("expected tensors, found none.")
        for place, keys in self.keys.items():
            self.check_whole(place, keys)

    def located(self, key: str, names: dict[str, str]) -> tuple[str, str]:
        """The place that a tensor changes, and what of it."""
        ending = next((ending for ending in ENDINGS if key.endswith(f".{ending}")), None)
        if ending is None:
            raise self.unfit(f"expected tensors named {PARTS}, found {key}. Other kinds of adapters are not merged.")
        name = key.removesuffix(f".{ending}")
        for prefix in PREFIXES:
            name = name.removeprefix(prefix)
        if name not in names:
            layer = next((name for name in names if "." in name and "_q" in name), next(iter(names)))
            raise self.unfit(f"expected layers of this transformer, such as {layer}, found {key}. "
                             "It was made for another model, or for another part of it.")
        return names[name], ENDINGS[ending]

    def check_whole(self, place: str, keys: dict[str, str]) -> None:
        if ("up" in keys) != ("down" in keys) or ("down" not in keys and {"alpha", "up_bias"} & keys.keys()):
            raise self.unfit(f"expected both thin matrices of {place}, found only {', '.join(keys.values())}.")

    def unfit(self, message: str) -> Unfit:
        return Unfit(f"{self.lora.path}: {message}")

    def tensor(self, key: str) -> torch.Tensor:
        return self.file.get_tensor(key).float()

    def scale(self, keys: dict[str, str], rank: int) -> float:
        """What the product of the thin matrices is multiplied by, besides the strength."""
        alpha = self.tensor(keys["alpha"]).item() if "alpha" in keys else self.alpha
        if alpha is None:
            return 1.0
        return alpha / (math.sqrt(rank) if self.rooted and "alpha" not in keys else rank)

    def product(self, keys: dict[str, str], shape: torch.Size) -> torch.Tensor:
        """What the thin matrices add to a weight of `shape` at strength 1."""
        up, down = self.tensor(keys["up"]), self.tensor(keys["down"])
        rows, columns = shape[0], shape[1:].numel()
        if up.flatten(1).shape != (rows, down.shape[0]) or down[0].numel() != columns:
            raise self.unfit(f"expected {keys['up']} and {keys['down']} of shapes {[rows, 'r']} and {['r', columns]}, "
                             f"found {list(up.shape)} and {list(down.shape)}.")
        return self.scale(keys, down.shape[0]) * (up.flatten(1) @ down.flatten(1)).view(shape)

    def whole(self, key: str, shape: torch.Size) -> torch.Tensor:
        """A difference that is kept as it is."""
        found = self.tensor(key)
        if found.shape != shape:
            raise self.unfit(f"expected {key} of shape {list(shape)}, found {list(found.shape)}.")
        return found

    def changes(self, place: str, parameters: dict[str, nn.Parameter]) -> Iterator[tuple[str, torch.Tensor]]:
        """Name of each parameter of a place that changes, and what is added to it."""
        keys = self.keys.get(place, {})
        weight = place if place in parameters else f"{place}.weight"
        bias = f"{place}.bias"
        if {"bias", "up_bias"} & keys.keys() and bias not in parameters:
            raise self.unfit(f"expected changes of weights alone in {place}, which has no bias, found {keys.get('bias') or keys['up_bias']}.")
        if "down" in keys:
            yield weight, self.lora.strength * self.product(keys, parameters[weight].shape)
        if "weight" in keys:
            yield weight, self.lora.strength * self.whole(keys["weight"], parameters[weight].shape)
        if "up_bias" in keys:
            scale = self.scale(keys, self.file.get_slice(keys["down"]).get_shape()[0])
            yield bias, self.lora.strength * scale * self.whole(keys["up_bias"], parameters[bias].shape)
        if "bias" in keys:
            yield bias, self.lora.strength * self.whole(keys["bias"], parameters[bias].shape)


def merge(transformer: nn.Module, loras: list[Lora], original: tuple[tuple[str, str], ...], precision: str) -> None:
    """Add `loras` to the weights of `transformer`, one after another, each sum in single precision. Weights that may have fewer
    bits are then those of `precision`, `fp16` or `fp32`."""
    names = spellings(transformer, original)
    files = [LoraFile(lora, names) for lora in loras]
    large = {layer for _, layer in large_layers(transformer)} if precision == "fp16" else set()
    parameters = dict(transformer.named_parameters())
    for place in dict.fromkeys(place for file in files for place in file.keys):
        sums: dict[str, torch.Tensor] = {}
        for file in files:
            for name, change in file.changes(place, parameters):
                sums[name] = sums.get(name, parameters[name].detach().float()) + change
        for name, total in sums.items():
            layer, _, leaf = name.rpartition(".")
            holder = transformer.get_submodule(layer)
            holder._parameters[leaf] = nn.Parameter(half(name, total) if holder in large else total, requires_grad=False)
            del parameters[name]


class Adapted:
    """A source whose transformer has LoRAs merged in."""

    def __init__(self, source: Source, loras: list[Lora], family: ModuleType, precision: str):
        self.source, self.loras, self.family, self.precision = source, loras, family, precision
        self.settings, self.release, self.tokenizer = source.settings, source.release, source.tokenizer

    def component(self, name: str) -> nn.Module:
        module = self.source.component(name)
        if name == "transformer" and self.loras:
            merge(module, self.loras, self.family.ORIGINAL, self.precision)
        return module
