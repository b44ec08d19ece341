"""Start a run from a checkpoint made with another codec: weights that meet latents are carried over by a linear map.

Both codecs are linear with the same zero, so latents of one are a matrix times latents of the other.
"""

from __future__ import annotations

from pathlib import Path

import torch

import canvas as cv
from codec import TEMPORAL, Codec
from network import Starter


def between(old: Codec, new: Codec) -> torch.Tensor:
    """The matrix `(c_old, c_new)` from latents of `new` to latents of `old`."""
    return (old.basis_next / old.scale_next[:, None]) @ (new.basis_next * new.scale_next[:, None]).t()


def columns(weight: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """Weights `(d, 4 c_old)` that read patches of old latents, made to read patches of new ones."""
    d, c_old = weight.shape[0], matrix.shape[0]
    return torch.einsum("dop,on->dnp", weight.reshape(d, c_old, 4), matrix).reshape(d, -1)


@torch.no_grad()
def warm_start(net: Starter, checkpoint: Path) -> None:
    """Fill `net` with what carries over from an earlier network that was not told the measured motion; its own motion is forgotten."""
    state = torch.load(checkpoint)
    held = state["average"]
    c_old, c_new, d = state["config"]["channels"], net.config.channels, net.config.width
    old = Codec(c_old)
    old.load_state_dict({k.removeprefix("codec."): v for k, v in held.items() if k.startswith("codec.")})
    new, model = net.codec, net.transformer
    part = lambda name: held[f"transformer.{name}"]

    skip = ("codec.", "transformer.codec.", "transformer.embed_", "transformer.residual", "transformer.field", "transformer.spread_", "transformer.pull_")
    net.load_state_dict({k: v for k, v in held.items() if not k.startswith(skip)}, strict=False)

    to_old, to_new = between(old, new), between(new, old)
    for name in ("embed_noisy", "embed_guess"):
        layer = getattr(model, name)
        layer.weight.copy_(columns(part(f"{name}.weight"), to_old))
        layer.bias.copy_(part(f"{name}.bias"))

    weight = part("embed_control.weight")
    marks, match = 4 * (TEMPORAL + 1), 4 * cv.SHIFTS
    latents, known, matches, flags, times = weight.split((4 * c_old, marks, match, 2, 4 * TEMPORAL), 1)
    blank = weight.new_zeros(d, 4 * 6)
    model.embed_control.weight.copy_(torch.cat([columns(latents, to_old), known, blank, matches, flags, blank[:, :6], times], 1))
    model.embed_control.bias.copy_(part("embed_control.bias"))

    scale = to_new * part("spread_free").exp() / model.spread_free.exp()[:, None]
    carry = lambda x: torch.einsum("no,op...->np...", scale, x.reshape(c_old, 4, *x.shape[1:])).reshape(4 * c_new, *x.shape[1:])
    model.residual.weight.copy_(carry(part("residual.weight")))
    model.residual.bias.copy_(carry(part("residual.bias")))
