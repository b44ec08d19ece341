"""Sample clips with the starter in torch, as the exported package is sampled."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

import tokenizer as words
from masks import control_input
from network import Starter


def shifted_sigmas(steps: int, shift: float = 3.0) -> torch.Tensor:
    """`steps + 1` noise levels from 1 to 0."""
    s = torch.linspace(1, 0, steps + 1)
    return shift * s / (1 + (shift - 1) * s)


def make_scheduler(steps: int, shift: float):
    """diffusers' UniPC for flow prediction."""
    from diffusers import UniPCMultistepScheduler
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
    scheduler.set_timesteps(steps)
    return scheduler


class Graph(nn.Module):
    """The exported transformer in place of the one in torch: what users run, and faster."""

    NAMES = ("hidden_states", "timestep", "encoder_hidden_states", "control_hidden_states", "control_scale")

    def __init__(self, package: Path, threads: int = 2):
        super().__init__()
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(package / "transformer" / "model.onnx", options)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        feeds = {name: x.float().contiguous().numpy() for name, x in zip(self.NAMES, inputs)}
        return torch.from_numpy(self.session.run(None, feeds)[0])


@torch.no_grad()
def sample(net: Starter, texts: list[str], video: torch.Tensor, mask: torch.Tensor, references: torch.Tensor | None = None,
           steps: int = 12, guidance: float = 1.5, shift: float = 3.0, sampler: str = "flow_euler", seed: int = 0) -> torch.Tensor:
    """Fill `video` `(b, 3, t, h, w)` where `mask` `(b, t, h, w)` is 1; known pixels come back as they were."""
    tokens = words.build()
    encode = lambda lines: net.encode_text(*(torch.tensor(x) for x in words.encode(tokens, lines, net.config.max_tokens)))
    text, nothing = encode(texts), encode([""] * len(texts))
    control = control_input(net.codec, video, mask, references)
    b, f = len(texts), control.shape[2]
    latent = torch.randn(b, net.config.channels, *control.shape[2:], generator=torch.Generator().manual_seed(seed))
    one = torch.ones(1)

    def velocity(x: torch.Tensor, timestep: float) -> torch.Tensor:
        t = torch.full((b,), float(timestep))
        v = net.transformer(x, t, text, control, one)
        if guidance != 1.0:
            free = net.transformer(x, t, nothing, control, one)
            v = free + guidance * (v - free)
        return v

    if sampler == "unipc":
        scheduler = make_scheduler(steps, shift)
        for timestep in scheduler.timesteps:
            latent = scheduler.step(velocity(latent, timestep), timestep, latent).prev_sample
    else:
        sigmas = shifted_sigmas(steps, shift)
        for now, then in zip(sigmas[:-1], sigmas[1:]):
            latent = latent + (then - now) * velocity(latent, now * 1000)
    out = net.codec.decode(latent[:, :, f - (video.shape[2] + 3) // 4:])
    unknown = mask[:, None]
    return out * unknown + video * (1 - unknown)
