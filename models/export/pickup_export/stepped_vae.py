"""The Wan VAE as two graphs for each direction: the first frame, and the next ones with what the network remembers.

diffusers loops over frames in Python and keeps a list of the last frames that each causal convolution saw. Here the same
weights run on any number of latent frames at once, and that list becomes inputs and outputs: two frames for each causal
convolution, zeros where there was nothing yet. The numbers are those of `AutoencoderKLWan`, both as Wan2.1
configures it and as Wan2.2 does, whose blocks have shortcuts across their change of size and whose pixels
go in and out as patches.
"""

from __future__ import annotations

from typing import Iterator

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import AvgDown3D, DupUp3D, WanCausalConv3d, WanResample, WanRMS_norm
from torch import nn

from .blocks import from_blocks, from_patches, to_blocks, to_patches
from .layers import channel_squares, replaced


class Tape:
    """Caches of one run: those that came in, in order of use, and those that go out."""

    def __init__(self, incoming: tuple[torch.Tensor, ...] | None):
        self.first = incoming is None
        self._incoming: Iterator[torch.Tensor] = iter(incoming or ())
        self.outgoing: list[torch.Tensor] = []

    def next(self) -> torch.Tensor:
        return next(self._incoming)

    def keep(self, cache: torch.Tensor) -> None:
        self.outgoing.append(cache)


def causal_conv(conv: WanCausalConv3d, x: torch.Tensor, tape: Tape) -> torch.Tensor:
    """A causal convolution with its two frames of past."""
    left, right, top, bottom, past, _ = conv._padding
    if past and tape.first:
        x = F.pad(x, (0, 0, 0, 0, past, 0))
        tape.keep(x[:, :, -past:])
    elif past:
        before = tape.next()
        # Not cut from the whole: that is then used by the convolution alone, and a runtime may read its parts where they lie.
        tape.keep(torch.cat([before, x[:, :, -past:]], 2)[:, :, -past:])
        x = torch.cat([before, x], 2)
    if left or right or top or bottom:
        x = F.pad(x, (left, right, top, bottom, 0, 0))
    return nn.Conv3d.forward(conv, x)


def channel_norm(norm: WanRMS_norm, x: torch.Tensor) -> torch.Tensor:
    """Channels of `(b, c, …)` divided by the root of their mean square, in single precision, as `F.normalize` does it with its
    least length of 1e-12."""
    wide = x.float()
    return (wide * (norm.scale / channel_squares(wide).sqrt().clamp_min(1e-12)) * norm.gamma + norm.bias).type_as(x)


def each_frame(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A layer for pictures over `(b, c, t, h, w)`."""
    b, _, t = x.shape[:3]
    return layer(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (b, t)).transpose(1, 2)


def double_time(x: torch.Tensor) -> torch.Tensor:
    """`(b, 2c, t, h, w)` to `(b, c, 2t, h, w)`: the two halves of the channels are frames in turn."""
    return x.unflatten(1, (2, -1)).permute(0, 2, 3, 1, 4, 5).flatten(2, 3)


def resample(layer: WanResample, x: torch.Tensor, tape: Tape) -> torch.Tensor:
    """Scales space, and time except for the first frame."""
    if layer.mode == "upsample3d":
        if tape.first:
            tape.keep(torch.zeros_like(x).repeat(1, 1, 2, 1, 1))
        else:
            x = double_time(causal_conv(layer.time_conv, x, tape))
    x = each_frame(layer.resample, x)
    if layer.mode == "downsample3d":
        last = x[:, :, -1:]
        if not tape.first:
            x = nn.Conv3d.forward(layer.time_conv, torch.cat([tape.next(), x], 2))
        tape.keep(last)
    return x


def average_down(layer: AvgDown3D, x: torch.Tensor, tape: Tape) -> torch.Tensor:
    """The shortcut of a block that scales down: means over blocks of pixels and frames, the first frame's
    with nothing before it."""
    time, space = layer.factor_t, layer.factor_s
    if tape.first and time > 1:
        x = F.pad(x, (0, 0, 0, 0, time - 1, 0))
    blocks = to_blocks(x, (time, space, space))
    return blocks.unflatten(1, (layer.out_channels, layer.group_size)).mean(2)


def repeat_up(layer: DupUp3D, x: torch.Tensor, tape: Tape) -> torch.Tensor:
    """The shortcut of a block that scales up: every pixel repeated, and every frame but the first."""
    time, space = layer.factor_t, layer.factor_s
    x = from_blocks(x.repeat_interleave(layer.repeats, dim=1), (time, space, space))
    return x[:, :, time - 1:] if tape.first else x


def stepped(tape: Tape):
    """diffusers' VAE layers run with `tape` in place of their own cache."""
    return replaced({WanCausalConv3d: lambda self, x, cache_x=None: causal_conv(self, x, tape),
                     WanRMS_norm: channel_norm,
                     WanResample: lambda self, x, feat_cache=None, feat_idx=None: resample(self, x, tape),
                     AvgDown3D: lambda self, x: average_down(self, x, tape),
                     DupUp3D: lambda self, x, first_chunk=None: repeat_up(self, x, tape)})


#: what each stage makes of what
STAGES = {"enc": ("frames", "latent"), "mid": ("latent", "features"), "dec": ("features", "frames")}


class VaeStage(nn.Module):
    """The encoder; or the decoder's part that attends over the whole picture (`mid`), or its rest, which sees a neighbourhood
    only (`dec`): each with its caches. Latents are normalised as the transformer wants them."""

    def __init__(self, vae: AutoencoderKLWan, stage: str, first: bool):
        super().__init__()
        self.vae, self.stage, self.first = vae, stage, first
        self.patch = vae.config.patch_size or 1
        shape = (1, -1, 1, 1, 1)
        self.register_buffer("mean", torch.tensor(vae.config.latents_mean).view(shape))
        self.register_buffer("std", torch.tensor(vae.config.latents_std).view(shape))

    def forward(self, x: torch.Tensor, *caches: torch.Tensor) -> tuple[torch.Tensor, ...]:
        tape = Tape(None if self.first else caches)
        run = {"enc": self._encode, "mid": self._attend, "dec": self._decode}[self.stage]
        with stepped(tape):
            out = run(x)
        return (out.float(), *tape.outgoing)

    def _encode(self, frames: torch.Tensor) -> torch.Tensor:
        moments = self.vae.quant_conv(self.vae.encoder(to_patches(frames, self.patch)))
        return (moments.chunk(2, dim=1)[0] - self.mean) / self.std

    def _attend(self, latent: torch.Tensor) -> torch.Tensor:
        decoder = self.vae.decoder
        return decoder.mid_block(decoder.conv_in(self.vae.post_quant_conv(latent * self.std + self.mean)))

    def _decode(self, features: torch.Tensor) -> torch.Tensor:
        decoder, x = self.vae.decoder, features
        for block in decoder.up_blocks:
            x = block(x)
        patches = decoder.conv_out(decoder.nonlinearity(decoder.norm_out(x)))
        return from_patches(patches, self.patch).clamp(-1.0, 1.0)

    def sample(self, frames: int, height: int, width: int) -> torch.Tensor:
        """An input of so many latent frames, or the frames after the first, and latents."""
        config = self.vae.config
        if self.stage == "enc":
            size = (3, frames * (config.scale_factor_temporal if frames > 1 else 1),
                    height * config.scale_factor_spatial, width * config.scale_factor_spatial)
        else:
            channels = config.z_dim if self.stage == "mid" else self.vae.decoder.conv_in.out_channels
            size = (channels, frames, height, width)
        return torch.rand(1, *size)


def cache_names(stage: VaeStage, sample: torch.Tensor) -> tuple[list[str], list[torch.Tensor]]:
    """Names of the caches, and the caches after the first frame of `sample`."""
    with torch.no_grad():
        caches = list(VaeStage(stage.vae, stage.stage, first=True)(sample)[1:])
    return [str(index) for index in range(len(caches))], caches
