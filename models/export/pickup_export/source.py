"""Where a model's components come from: a pipeline in memory, or a checkpoint's folder, one component at a time."""

from __future__ import annotations

import importlib
import json
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Protocol

import torch
from diffusers import DiffusionPipeline
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoTokenizer


class Unfit(Exception):
    """The source is not what was expected. The message says what was, what was found, and what to do."""


class Source(Protocol):
    """Gives the components of a pipeline by their names in diffusers."""

    def component(self, name: str) -> nn.Module: ...

    def tokenizer(self) -> tuple[Tokenizer, int]:
        """The tokenizer, and the id that pads."""
        ...


class Loaded:
    """A pipeline that is in memory."""

    def __init__(self, pipeline: DiffusionPipeline):
        self.pipeline = pipeline

    def component(self, name: str) -> nn.Module:
        return getattr(self.pipeline, name)

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

    def configuration(self, name: str) -> dict:
        """A component's configuration as it was saved."""
        path = self.folder / name / "config.json"
        if not path.is_file():
            raise Unfit(f"{path}: expected a component's configuration, found none. Fetch the whole checkpoint.")
        return json.loads(path.read_text("utf-8"))

    def component(self, name: str) -> nn.Module:
        library, kind = self.kind(name)
        loader = getattr(importlib.import_module(library), kind)
        # diffusers loads in single precision unless told otherwise, transformers as the weights were saved
        dtype = {"dtype": torch.float32} if library == "transformers" else {}
        component = loader.from_pretrained(self.folder / name, local_files_only=True, **dtype)
        return component.eval() if isinstance(component, nn.Module) else component

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
