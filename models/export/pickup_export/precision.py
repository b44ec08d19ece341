"""Weights with fewer bits than single precision, and modules that run with them.

Weights of matrices, convolutions and tables of tokens may have fewer bits; everything else, and what makes an embedding of
the noise level, stays in single precision. A module is computed in three ways:

`widened`   as diffusers has it in single precision, whatever its weights are stored as: what is right
`halved`    for transformers and VAEs: matrices, convolutions, attention and what lies between layers in half precision;
            norms, modulation and noise levels in single
`stored`    for text encoders, whose numbers half precision cannot hold everywhere: in single precision between layers
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl_wan import WanRMS_norm
from diffusers.models.normalization import RMSNorm
from torch import nn

from .errors import Unfit

#: layers whose weights may have fewer bits
LARGE = (nn.Linear, nn.Conv2d, nn.Conv3d, nn.Embedding)
#: parts whose weights stay in single precision: what becomes of the noise level, and of places in a prompt
KEPT = {"time_embedder", "time_proj", "time_embed", "relative_attention_bias"}
NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, RMSNorm, WanRMS_norm)


def large_layers(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Name and layer of each whose weights may have fewer bits."""
    return ((name, layer) for name, layer in module.named_modules()
            if isinstance(layer, LARGE) and not KEPT & set(name.split(".")))


@contextmanager
def widened(module: nn.Module):
    """`module` computes in single precision. Each layer's weights are made wide while it runs, and no longer."""
    narrow: dict[nn.Module, dict[str, nn.Parameter]] = {}

    def widen(layer: nn.Module) -> None:
        # A table of tokens is looked up as it is: that is exact.
        if isinstance(layer, LARGE) and not isinstance(layer, nn.Embedding) and layer not in narrow:
            weights = {name: weight for name, weight in layer._parameters.items() if weight is not None and weight.dtype != torch.float32}
            if weights:
                narrow[layer] = weights
                layer._parameters.update({name: nn.Parameter(weight.float(), requires_grad=False) for name, weight in weights.items()})

    def narrow_again(layer: nn.Module) -> None:
        layer._parameters.update(narrow.pop(layer, {}))

    def before(layer: nn.Module, _: tuple) -> None:
        # Some layers look at the type of a child's weights before they call it.
        for one in (layer, *layer.children()):
            widen(one)

    def after(layer: nn.Module, _: tuple, out: object) -> object:
        for one in (layer, *layer.children()):
            narrow_again(one)
        return out.float() if isinstance(layer, nn.Embedding) else out

    hooks = [hook for layer in module.modules() for hook in (layer.register_forward_pre_hook(before), layer.register_forward_hook(after))]
    try:
        yield module
    finally:
        for hook in hooks:
            hook.remove()
        for layer in list(narrow):
            narrow_again(layer)


def half(name: str, weight: torch.Tensor) -> torch.Tensor:
    narrow = weight.detach().half()
    # The ends are numbers if all are; looking at each would take twice the weight's memory.
    if not all(end.isfinite() for end in torch.aminmax(narrow)):
        raise Unfit(f"{name}: expected weights of at most 65504, which half precision holds, found {weight.abs().max():.3g}. "
                    "Export this model with --dtype fp32.")
    return narrow


def single(module: nn.Module) -> nn.Module:
    """`module` with all weights in single precision."""
    return module.float()


def halved(module: nn.Module) -> nn.Module:
    """`module` with its large weights in half precision; it has to run under `mixed`."""
    for name, layer in large_layers(module):
        for key, weight in layer._parameters.items():
            if weight is not None:
                layer._parameters[key] = nn.Parameter(half(f"{name}.{key}", weight), requires_grad=False)
    for _, layer in module.named_modules():
        if not (isinstance(layer, LARGE) and layer._parameters["weight"].dtype == torch.float16):
            for key, weight in layer._parameters.items():
                if weight is not None:
                    layer._parameters[key] = nn.Parameter(weight.float(), requires_grad=False)
    return module


@contextmanager
def mixed():
    """Layers take what they are given in the precision of their weights, norms compute in single precision."""
    def layer(plain):
        return lambda self, x: plain(self, x.to(self.weight.dtype))

    def norm(plain):
        return lambda self, x: plain(self, x.float()).type_as(x)

    before = {kind: kind.forward for kind in (nn.Linear, nn.Conv2d, nn.Conv3d, *NORMS)}
    try:
        for kind, plain in before.items():
            kind.forward = norm(plain) if kind in NORMS else layer(plain)
        yield
    finally:
        for kind, plain in before.items():
            kind.forward = plain


#: numbers that share a scale in 8-bit weights
BLOCK = 32


class ByteLinear(nn.Module):
    """A layer without bias whose weights have 8 bits each and a scale to each `BLOCK` of a row:
    `com.microsoft.MatMulNBits`. Inputs `(…, k)` to `(…, n)`."""

    weight = None  # transformers casts a layer's input to the type of the weight that it finds

    def __init__(self, layer: nn.Linear):
        super().__init__()
        if layer.bias is not None:
            raise NotImplementedError("8-bit weights are written for layers without bias only")
        self.rows, self.columns = layer.weight.shape
        blocks = F.pad(layer.weight.detach().float(), (0, -self.columns % BLOCK)).unflatten(1, (-1, BLOCK))
        scales = blocks.abs().amax(2) / 127
        # Round to -127..127 and count from 128, the operator's default.
        levels = (blocks / scales.clamp(min=torch.finfo(torch.float32).tiny)[..., None]).round() + 128
        self.register_buffer("levels", levels.to(torch.uint8))
        self.register_buffer("scales", scales.flatten())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.onnx.is_in_onnx_export():
            sizes = {"K": self.columns, "N": self.rows, "bits": 8, "block_size": BLOCK}
            return torch.onnx.ops.symbolic("com.microsoft::MatMulNBits", [x, self.levels, self.scales], sizes,
                                           dtype=x.dtype, shape=(*x.shape[:-1], self.rows), version=1)
        blocks = (self.levels.float() - 128) * self.scales.view(self.rows, -1, 1)
        return F.linear(x, blocks.flatten(1)[:, :self.columns])


class HalfLinear(nn.Module):
    """A layer without bias with weights in half precision. What it gives is in single; what it is given too where it
    may be `large`, beyond what half precision holds."""

    weight = None

    def __init__(self, name: str, layer: nn.Linear, large: bool):
        super().__init__()
        if layer.bias is not None:
            raise NotImplementedError("text encoders in half precision are written for layers without bias only")
        self.register_buffer("numbers", half(name, layer.weight))
        self.large = large

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.numbers.float()) if self.large else F.linear(x.half(), self.numbers).float()


class HalfEmbedding(nn.Module):
    """A table of tokens in half precision, which gives numbers in single."""

    def __init__(self, name: str, layer: nn.Embedding):
        super().__init__()
        self.register_buffer("numbers", half(name, layer.weight))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return F.embedding(ids, self.numbers).float()


def stored(encoder: nn.Module, how: str) -> nn.Module:
    """A text encoder with its weights as `int8` or `fp16`. Layers are replaced one by one, so that wide and narrow weights
    are never all in memory."""
    narrow: dict[nn.Module, nn.Module] = {}

    def replace(name: str, layer: nn.Module) -> nn.Module:
        if isinstance(layer, nn.Embedding):
            return HalfEmbedding(name, layer)
        # The product of two layers that goes into `wo` is what half precision does not hold (transformers, T5DenseGatedActDense).
        return ByteLinear(layer) if how == "int8" else HalfLinear(name, layer, large=name.endswith(".wo"))

    for name, layer in list(large_layers(encoder)):
        narrow[layer] = replace(name, layer)
        # A layer may be held under two names.
        for parent in encoder.modules():
            for key, child in parent._modules.items():
                if child is layer:
                    parent._modules[key] = narrow[layer]
        layer._parameters["weight"] = None
    return encoder
