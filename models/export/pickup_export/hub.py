"""Checkpoints by their id on Hugging Face."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import snapshot_download

from .errors import Unfit

#: what an export reads of a checkpoint
WANTED = ["model_index.json", "LICENSE*", "*/config.json", "scheduler/*.json", "tokenizer/*", "text_encoder/*.safetensors*",
          "transformer/*.safetensors*", "vae/*.safetensors*"]


def fetched(source: str) -> Path:
    """The folder that `source` names, or one with what is published under that id, fetched once."""
    if Path(source).is_dir() or not re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        return Path(source)
    try:
        return Path(snapshot_download(source, allow_patterns=WANTED))
    except Exception as error:  # its own types and those of the network below it
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise Unfit(f"{source}: expected a folder, or an id on Hugging Face that can be fetched, found neither: {reason[0]} "
                    "Fetch the checkpoint where there is a network, and name its folder.") from error
