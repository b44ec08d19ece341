"""Sample clips with the starter in torch, as the exported package is sampled."""

from __future__ import annotations

import torch

import tokenizer as words
from masks import control_input
from network import Starter


def shifted_sigmas(steps: int, shift: float) -> torch.Tensor:
    """`steps + 1` noise levels from 1 to 0."""
    s = torch.linspace(1, 0, steps + 1)
    return shift * s / (1 + (shift - 1) * s)


@torch.no_grad()
def sample(net: Starter, texts: list[str], video: torch.Tensor, mask: torch.Tensor, references: torch.Tensor | None = None,
           steps: int = 8, guidance: float = 1.5, guidance_interval: tuple[float, float] = (0.0, 1.0), sigmas: list[float] | None = None, shift: float = 6.0,
           seed: int = 0) -> torch.Tensor:
    """Fill `video` `(b, 3, t, h, w)` where `mask` `(b, t, h, w)` is 1; known pixels come back as they were.

    There is guidance in the steps between two shares of them (models/samplers/src/guidance.rs). `sigmas` are the noise
    levels before each step, if they do not follow from `shift`.
    """
    tokens = words.build()
    encode = lambda lines: net.encode_text(*(torch.tensor(x) for x in words.encode(tokens, lines, net.config.max_tokens)))
    text, nothing = encode(texts), encode([""] * len(texts))
    control = control_input(net.codec, video, mask, references)
    b, f = len(texts), control.shape[2]
    latent = torch.randn(b, net.config.channels, *control.shape[2:], generator=torch.Generator().manual_seed(seed))
    one = torch.ones(1)
    guided = range(*(int(share * steps) for share in guidance_interval))

    def velocity(x: torch.Tensor, timestep: float, guidance: float) -> torch.Tensor:
        t = torch.full((b,), float(timestep))
        v = net.transformer(x, t, text, control, one)
        if guidance != 1.0:
            free = net.transformer(x, t, nothing, control, one)
            v = free + guidance * (v - free)
        return v

    sigmas = shifted_sigmas(steps, shift) if sigmas is None else torch.tensor([*sigmas, 0.0])
    for step, (now, then) in enumerate(zip(sigmas[:-1], sigmas[1:])):
        latent = latent + (then - now) * velocity(latent, now * 1000, guidance if step in guided else 1.0)
    out = net.codec.decode(latent[:, :, f - (video.shape[2] + 3) // 4:])
    unknown = mask[:, None]
    return out * unknown + video * (1 - unknown)
