"""Layers of diffusers that are exported in another form than they are written in, with the same numbers up to rounding."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Callable, Iterator, Mapping

import torch
from torch import nn


@contextmanager
def replaced(forwards: Mapping[type[nn.Module], Callable]) -> Iterator[None]:
    """Every layer of these classes runs as told, and as before afterwards."""
    before = {layer: layer.forward for layer in forwards}
    try:
        for layer, forward in forwards.items():
            layer.forward = forward
        yield
    finally:
        for layer, forward in before.items():
            layer.forward = forward


def rms_norm(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """`(…, c)` divided by the root of its mean square, times the norm's weights if it has them, in single precision: torch's and
    diffusers' `RMSNorm`. ONNX has such an operator from opset 23 on; ONNX Runtime has this one in each."""
    wide = x.float()
    eps = torch.finfo(torch.float32).eps if norm.eps is None else norm.eps
    scale = torch.ones(x.shape[-1]) if norm.weight is None else norm.weight.float()
    if torch.onnx.is_in_onnx_export():
        return torch.onnx.ops.symbolic("SimplifiedLayerNormalization", [wide, scale], {"axis": -1, "epsilon": eps},
                                       dtype=wide.dtype, shape=wide.shape)
    return wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps) * scale


def channel_squares(x: torch.Tensor) -> torch.Tensor:
    """The sum of squares over the channels of `(b, c, …)`: `(b, 1, …)`. It is a product with ones: what ONNX Runtime's processor
    kernels do for a sum over channels takes two to four times as long."""
    return torch.matmul(torch.ones(1, x.shape[1]), (x * x).flatten(2)).unflatten(2, x.shape[2:])
