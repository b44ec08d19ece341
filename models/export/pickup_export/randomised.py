"""Published models at their full size with random weights: for measuring export, memory and time without the weights.

The components are written as a checkpoint in diffusers' format, in half precision, one when it is asked for, and taken away
when it is released. Everything behind that is what a published checkpoint goes through.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from zlib import crc32

import torch
from diffusers import (AutoencoderKLLTXVideo, AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, LTXVideoTransformer3DModel,
                       UniPCMultistepScheduler, WanTransformer3DModel, WanVACETransformer3DModel)
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn
from transformers import T5Config, T5EncoderModel, UMT5Config, UMT5EncoderModel

from .families import ltx, wan_ti2v, wan_vace
from .precision import large_layers
from .source import Checkpoint, bare
from .tiny.parts import build_tokenizer

#: bytes of a file of weights, at least
SHARD = 1 << 30
LICENCE = "Random numbers made by `pickup-export --random`, free for any use: Apache-2.0 OR MIT. They make no pictures.\n"


@dataclass(frozen=True)
class Recipe:
    """A published model's configuration: class and arguments of each component."""
    family: ModuleType
    pipeline: str
    transformer: tuple[type, dict]
    vae: tuple[type, dict]
    text_encoder: tuple[type, dict]
    scheduler: tuple[type, dict]
    index: dict  # what else model_index.json says
    title: str | None = None  # what a person reads, where it is not the family's published model

    def modules(self) -> dict[str, tuple[type, dict]]:
        return {"text_encoder": self.text_encoder, "transformer": self.transformer, "vae": self.vae}


#: the encoders of T5 and UMT5 of the size XXL (google/t5-v1_1-xxl, google/umt5-xxl)
XXL = {"d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64, "feed_forward_proj": "gated-gelu"}
UMT5 = (UMT5EncoderModel, {**XXL, "vocab_size": 256384})
T5 = (T5EncoderModel, {**XXL, "vocab_size": 32128})
UNIPC = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}

#: by the names of the catalogue, from the config.json of each published component; and one between them and the tiny ones, which
#: a processor runs in seconds
RECIPES = {
    wan_vace.PUBLISHED["name"]: Recipe(
        wan_vace, "WanVACEPipeline",
        (WanVACETransformer3DModel, {"num_attention_heads": 12, "attention_head_dim": 128, "in_channels": 16, "out_channels": 16,
                                     "ffn_dim": 8960, "num_layers": 30, "vace_layers": list(range(0, 30, 2)), "vace_in_channels": 96}),
        (AutoencoderKLWan, {}), UMT5, (UniPCMultistepScheduler, {**UNIPC, "flow_shift": 3.0}), {}),
    wan_ti2v.PUBLISHED["name"]: Recipe(
        wan_ti2v, "WanPipeline",
        (WanTransformer3DModel, {"num_attention_heads": 24, "attention_head_dim": 128, "in_channels": 48, "out_channels": 48,
                                 "ffn_dim": 14336, "num_layers": 30}),
        (AutoencoderKLWan, {"base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2,
                            "temperal_downsample": [False, True, True], "is_residual": True, "in_channels": 12, "out_channels": 12,
                            "patch_size": 2, "scale_factor_spatial": 16, "scale_factor_temporal": 4,
                            "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48}),
        UMT5, (UniPCMultistepScheduler, {**UNIPC, "flow_shift": 5.0}), {"expand_timesteps": True, "boundary_ratio": None}),
    ltx.PUBLISHED["name"]: Recipe(
        ltx, "LTXConditionPipeline",
        (LTXVideoTransformer3DModel, {"in_channels": 128, "out_channels": 128, "num_attention_heads": 32, "attention_head_dim": 64,
                                      "cross_attention_dim": 2048, "num_layers": 28, "caption_channels": 4096}),
        (AutoencoderKLLTXVideo, {
            "latent_channels": 128, "block_out_channels": [128, 256, 512, 1024, 2048], "decoder_block_out_channels": [256, 512, 1024],
            "down_block_types": ["LTXVideo095DownBlock3D"] * 4, "layers_per_block": [4, 6, 6, 2, 2], "decoder_layers_per_block": [5, 5, 5, 5],
            "spatio_temporal_scaling": [True] * 4, "decoder_spatio_temporal_scaling": [True] * 3, "decoder_inject_noise": [False] * 4,
            "downsample_type": ["spatial", "temporal", "spatiotemporal", "spatiotemporal"], "upsample_residual": [True] * 3,
            "upsample_factor": [2, 2, 2], "timestep_conditioning": True, "patch_size": 4, "patch_size_t": 1, "encoder_causal": True,
            "decoder_causal": False, "spatial_compression_ratio": 32, "temporal_compression_ratio": 8}),
        T5, (FlowMatchEulerDiscreteScheduler, {}), {}),
    "wan-mid": Recipe(
        wan_vace, "WanVACEPipeline",
        (WanVACETransformer3DModel, {"num_attention_heads": 8, "attention_head_dim": 64, "in_channels": 16, "out_channels": 16,
                                     "text_dim": 512, "ffn_dim": 2048, "num_layers": 8, "vace_layers": [0, 2, 4, 6], "vace_in_channels": 96}),
        (AutoencoderKLWan, {"base_dim": 32}),
        (UMT5EncoderModel, {"d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 8, "num_heads": 8, "feed_forward_proj": "gated-gelu",
                            "vocab_size": 32128}),
        (UniPCMultistepScheduler, {**UNIPC, "flow_shift": 3.0}), {}, "Wan VACE of width 512 with 8 layers"),
}


def empty(kind: type, arguments: dict) -> nn.Module:
    """A component without weights."""
    return bare(lambda: kind(kind.config_class(**arguments)) if hasattr(kind, "config_class") else kind(**arguments))


def random_weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Matrices keep the size of what passes through; gains are around 1, everything else around 0."""
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(crc32(name.encode())))
    if "norm" in name and name.endswith(("weight", "gamma")):
        return 1 + 0.1 * noise
    if len(shape) < 2 or name.endswith("bias"):
        return 0.05 * noise
    if "shared" in name or "embed_tokens" in name:
        return noise
    fan_in = torch.Size(shape[1:]).numel()
    if name.endswith("SelfAttention.q.weight"):
        # T5 does not divide its scores by the root of their width; its q is that much smaller, or one token would take all.
        fan_in *= XXL["d_kv"]
    return noise.mul_(fan_in**-0.5)


def write_weights(module: nn.Module, folder: Path) -> None:
    """Random weights for a component without, in files of about `SHARD` bytes."""
    large = {layer for _, layer in large_layers(module)}
    places, shard, size = {}, {}, 0

    def close() -> None:
        nonlocal shard, size
        if shard:
            file = f"random-{len(set(places.values())):03}.safetensors"
            save_file(shard, folder / file)
            places.update(dict.fromkeys(shard, file))
            shard, size = {}, 0

    for name, weight in module.named_parameters():
        holder = module.get_submodule(name.rpartition(".")[0])
        numbers = random_weight(name, tuple(weight.shape))
        shard[name] = numbers.half() if holder in large else numbers
        size += shard[name].nbytes
        if size >= SHARD:
            close()
    close()
    (folder / "random.safetensors.index.json").write_text(json.dumps({"weight_map": places}), "utf-8")


class RandomCheckpoint(Checkpoint):
    """A published model by its name, with random weights, in a new `folder`."""

    def __init__(self, recipe: Recipe, folder: Path):
        self.recipe = recipe
        index = {"_class_name": recipe.pipeline, "_diffusers_version": importlib.import_module("diffusers").__version__, **recipe.index}
        for name, (kind, arguments) in recipe.modules().items():
            index[name] = [kind.__module__.partition(".")[0], kind.__name__]
            module = empty(kind, arguments)
            save = getattr(module, "save_config", None) or module.config.save_pretrained
            save(folder / name)
        kind, arguments = recipe.scheduler
        kind(**arguments).save_pretrained(folder / "scheduler")
        index["scheduler"] = ["diffusers", kind.__name__]
        (folder / "model_index.json").write_text(json.dumps(index), "utf-8")
        (folder / "LICENSE").write_text(LICENCE, "utf-8")
        super().__init__(folder)

    def component(self, name: str) -> nn.Module:
        write_weights(self.empty(name), self.folder / name)
        return super().component(name)

    def release(self, name: str) -> None:
        for file in (self.folder / name).glob("random*"):
            file.unlink()

    def tokenizer(self) -> tuple[Tokenizer, int]:
        """That of the tiny models: a vocabulary of words is no random number."""
        tokenizer = build_tokenizer()
        return tokenizer.backend_tokenizer, tokenizer.pad_token_id

    def revision(self) -> str:
        return "random weights 1"
