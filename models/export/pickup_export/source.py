"""Where a model's components come from: a pipeline in memory, or a checkpoint's folder, one component at a time."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Protocol

import torch
from accelerate import init_empty_weights
from diffusers import DiffusionPipeline
from diffusers.configuration_utils import FrozenDict
from safetensors import safe_open
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoTokenizer, PreTrainedConfig

from .errors import Unfit
from .precision import large_layers


def bare(build: Callable[[], nn.Module]) -> nn.Module:
    """The module that `build` makes, without its weights."""
    with init_empty_weights(include_buffers=False):
        module = build().eval()
    tie(module)
    return module


def tie(module: nn.Module) -> None:
    """Let a table that a module of transformers holds under two names be one."""
    if hasattr(module, "tie_weights"):
        module.tie_weights()


class Source(Protocol):
    """Gives the components of a pipeline by their names in diffusers."""

    def settings(self, name: str) -> FrozenDict | PreTrainedConfig:
        """A component's configuration, with what was left to its class."""
        ...

    def component(self, name: str) -> nn.Module: ...

    def release(self, name: str) -> None:
        """The component is not asked for any more."""
        ...

    def tokenizer(self) -> tuple[Tokenizer, int]:
        """The tokenizer, and the id that pads."""
        ...


class Loaded:
    """A pipeline that is in memory."""

    def __init__(self, pipeline: DiffusionPipeline):
        self.pipeline = pipeline

    def settings(self, name: str) -> FrozenDict | PreTrainedConfig:
        return getattr(self.pipeline, name).config

    def component(self, name: str) -> nn.Module:
        return getattr(self.pipeline, name)

    def release(self, name: str) -> None:
        pass

    def tokenizer(self) -> tuple[Tokenizer, int]:
        return self.pipeline.tokenizer.backend_tokenizer, self.pipeline.tokenizer.pad_token_id


class Checkpoint:
    """A folder as `save_pretrained` writes it and as checkpoints are published. What is not asked for is not read."""

    LIBRARIES = ("diffusers", "transformers")

    def __init__(self, folder: Path):
        self.folder = folder
        index = folder / "model_index.json"
        if not index.is_file():
            raise Unfit(f"{folder}: expected a diffusers checkpoint with model_index.json, found none. "
                        "Name the folder that holds it.")
        self.index: dict = json.loads(index.read_text("utf-8"))

    def kind(self, name: str) -> tuple[str, str]:
        """Library and class of a component."""
        library, kind = self.index.get(name) or (None, None)
        if library not in self.LIBRARIES:
            raise Unfit(f"{self.folder}: expected `{name}` in model_index.json to be of {' or '.join(self.LIBRARIES)}, "
                        f"found {library}. Choose a checkpoint in diffusers' format.")
        return library, kind

    def empty(self, name: str) -> nn.Module:
        """A component without its weights."""
        library, kind = self.kind(name)
        loader, folder = getattr(importlib.import_module(library), kind), self.folder / name
        if not (folder / "config.json").is_file():
            raise Unfit(f"{folder / 'config.json'}: expected a component's configuration, found none. Fetch the whole checkpoint.")
        if library == "diffusers":
            return bare(lambda: loader.from_config(loader.load_config(folder, local_files_only=True)))
        return bare(lambda: loader(loader.config_class.from_pretrained(folder, local_files_only=True)))

    def scheduler(self) -> FrozenDict:
        """The scheduler's configuration."""
        library, kind = self.kind("scheduler")
        return getattr(importlib.import_module(library), kind).from_pretrained(self.folder / "scheduler", local_files_only=True).config

    def settings(self, name: str) -> FrozenDict | PreTrainedConfig:
        return self.scheduler() if name == "scheduler" else self.empty(name).config

    def component(self, name: str) -> nn.Module:
        """A component whose large weights are the files', mapped into memory in the precision that they were saved in."""
        module = self.empty(name)
        large = {layer for _, layer in large_layers(module)}
        for key, tensor in self.tensors(name):
            place, _, leaf = key.rpartition(".")
            try:
                layer = module.get_submodule(place)
            except AttributeError:
                continue  # of a part that this model does without, as an encoder does without a decoder
            held = layer._parameters if leaf in layer._parameters else layer._buffers
            if held.get(leaf) is None:
                continue
            if held[leaf].shape != tensor.shape:
                raise Unfit(f"{self.folder / name}: expected {key} of shape {list(held[leaf].shape)}, found {list(tensor.shape)}. "
                            "The weights are not those of config.json.")
            # A small one that stayed a part of its mapped file would keep all of it in memory.
            tensor = tensor if layer in large else tensor.to(torch.float32, copy=True)
            held[leaf] = nn.Parameter(tensor, requires_grad=False) if held is layer._parameters else tensor
        tie(module)
        missing = [key for key, weight in module.named_parameters() if weight.is_meta]
        if missing:
            raise Unfit(f"{self.folder / name}: expected weights of {missing[0]}, found none ({len(missing)} are missing). "
                        "Fetch the whole checkpoint.")
        return module

    def tensors(self, name: str) -> Iterator[tuple[str, torch.Tensor]]:
        """Name and value of each tensor that was saved of a component."""
        folder = self.folder / name
        index = next(iter(sorted(folder.glob("*.safetensors.index.json"), key=lambda path: len(path.name))), None)
        if index:
            files = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        else:
            files = [next((file for file in ("diffusion_pytorch_model.safetensors", "model.safetensors") if (folder / file).is_file()), None)]
        for file in files:
            if file is None or not (folder / file).is_file():
                raise Unfit(f"{folder}: expected weights in {file or 'a file named model.safetensors'}, found none. "
                            "Fetch the whole checkpoint, with its .safetensors files.")
            with safe_open(folder / file, "pt") as tensors:
                for key in tensors.keys():
                    yield key, tensors.get_tensor(key)

    def release(self, name: str) -> None:
        pass

    def tokenizer(self) -> tuple[Tokenizer, int]:
        tokenizer = AutoTokenizer.from_pretrained(self.folder / "tokenizer", local_files_only=True)
        return tokenizer.backend_tokenizer, tokenizer.pad_token_id

    def revision(self) -> str:
        """A hash of all files that make the model."""
        total = sha256()
        for path in sorted(p for p in self.folder.rglob("*") if p.suffix in (".json", ".safetensors", ".bin", ".model")):
            with path.open("rb") as file:
                total.update(f"{path.relative_to(self.folder).as_posix()} {file_digest(file, 'sha256').hexdigest()}\n".encode())
        return f"sha256:{total.hexdigest()}"
