"""Weights, tokenizer and text encoder that all tiny models share."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from diffusers import DiffusionPipeline
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from ..package import Precision, complete, write_components
from ..source import Loaded

TEXT_WIDTH, MAX_TOKENS = 32, 24
WORDS = "a the of red green blue ball box moves left right up down over water slowly quickly".split()
LICENCE = "Random numbers made by models/export/make_goldens.py, under the repository's licence: Apache-2.0 OR MIT.\n"

#: fields of every tiny package's manifest
FIELDS = {
    "version": "1",
    "licence": {"spdx": "Apache-2.0 OR MIT", "acceptance_required": False},
    "source": {"origin": "models/export/make_goldens.py", "revision": "1"},
    "tokenizer": {"max_tokens": MAX_TOKENS},
    "presets": {"draft": {"steps": 2, "guidance": 1.0}, "final": {"steps": 8, "guidance": 3.0}},
    "guidance_default_negative": "",
}


def seeded(module: nn.Module, seed: int) -> nn.Module:
    """`module` with weights from numpy's PCG64, which is the same on every machine, unlike torch's vectorised normals.

    Matrices keep the size of what passes through; gains are around 1, everything else around 0.
    """
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, weight in sorted(module.named_parameters()):
            noise = torch.from_numpy(rng.standard_normal(tuple(weight.shape)).astype(np.float32))
            if "scale_shift_table" in name:
                weight.copy_(0.5 * noise)
            elif "norm" in name and name.endswith(("weight", "gamma")):
                weight.copy_(1 + 0.2 * noise)
            elif weight.ndim < 2 or name.endswith("bias"):
                weight.copy_(0.1 * noise)
            elif "shared" in name or "embed_tokens" in name:
                weight.copy_(noise)
            else:
                weight.copy_(noise / np.sqrt(np.prod(weight.shape[1:])))
    return module.eval()


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Made like UMT5's: NFKC, `▁` for spaces, pieces by their likelihood, `</s>` at the end."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,-é"
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0)]
    pieces += [("▁" + word, -2.0 - 0.01 * index) for index, word in enumerate(WORDS)]
    pieces += [("ing", -3.0), ("ed", -3.1), ("s", -3.2)]
    pieces += [(letter, -6.0 - 0.01 * index) for index, letter in enumerate(letters) if letter != "s"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def build_text_encoder(tokenizer: PreTrainedTokenizerFast) -> UMT5EncoderModel:
    config = UMT5Config(vocab_size=len(tokenizer), d_model=TEXT_WIDTH, d_kv=8, d_ff=48, num_layers=2, num_heads=4,
                        feed_forward_proj="gated-gelu")
    return seeded(UMT5EncoderModel(config), 1)


def write_package(pipeline: DiffusionPipeline, family: ModuleType, fields: dict, folder: Path) -> None:
    """A tiny model as a package."""
    source = Loaded(pipeline)
    precision = Precision()
    write_components(source, family, precision, folder)
    complete(source, family, precision, fields, LICENCE, folder)
