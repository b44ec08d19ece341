"""LTX-Video: every latent is a token with its own noise level, place and time; the VAE takes whole clips."""

from __future__ import annotations

import math
from contextlib import contextmanager

import numpy as np
import torch
from diffusers import AutoencoderKLLTXVideo, LTXVideoTransformer3DModel
from diffusers.models.autoencoders.autoencoder_kl_ltx import LTXVideoDownsampler3d, LTXVideoUpsampler3d
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.models.normalization import RMSNorm
from torch import nn
from torch.export import Dim

from ..attention import exported_attention
from ..blocks import from_blocks, from_patches, to_blocks, to_patches
from ..errors import Unfit
from ..golden import Case
from ..graphs import Graphs, trace
from ..layers import channel_squares, replaced, rms_norm
from ..randoms import normal, uniform
from ..source import Checkpoint
from ..timesteps import exported_timesteps

NAME = "ltx"
#: names of layers in diffusers, in part, and in LTX-Video's own code
ORIGINAL = (("norm_q", "q_norm"), ("norm_k", "k_norm"), ("time_embed", "adaln_single"))

#: LTX-Video 2B 0.9.5; what should not be seen is in our words
PUBLISHED = {
    "version": "1", "name": "ltx-video-2b-0.9.5", "title": "LTX-Video 2B 0.9.5",
    "licence": {"spdx": "LicenseRef-LTXV-Open-Weights", "acceptance_required": True},
    "tokenizer": {"max_tokens": 256},
    "held": {"strength": 1.0, "noise": 0.15}, "decode": {"timestep": 0.05, "noise": 0.025},
    "limits": {"size_multiple": 32, "frame_multiple": 8, "frame_offset": 1, "min_frames": 9, "max_frames": 249,
               "max_pixels": 1216 * 704, "native_pixels": 768 * 512, "min_side": 256, "max_side": 1280},
    "frame_rate": {"native": [24, 1], "follows_timeline": True},
    "presets": {"draft": {"steps": 20, "guidance": 3.0}, "final": {"steps": 40, "guidance": 3.0}},
    "guidance_default_negative": "blurred, jerky motion, warped shapes, low quality, compression artefacts",
}


class ExportedRope(nn.Module):
    """Stands in for `LTXVideoRotaryPosEmbed`, with its frequencies as a constant.

    They go up to 15,708; a last digit, by which a runtime's power differs from torch's, would be a thousandth of a turn.
    """

    def __init__(self, rope: nn.Module):
        super().__init__()
        exponents = torch.linspace(math.log(1.0, rope.theta), math.log(rope.theta, rope.theta), rope.dim // 6, dtype=torch.float32)
        self.register_buffer("frequencies", rope.theta**exponents * math.pi / 2.0)
        self.register_buffer("base", torch.tensor([rope.base_num_frames, rope.base_height, rope.base_width], dtype=torch.float32))
        self.padding = rope.dim % 6

    def forward(self, hidden_states: torch.Tensor, num_frames, height, width, scale, video_coords: torch.Tensor):
        """Coordinates `(1, 3, s)` to cosines and sines `(1, s, d)`."""
        grid = video_coords.transpose(1, 2) / self.base
        phase = (self.frequencies * (grid.unsqueeze(-1) * 2 - 1)).transpose(-1, -2).flatten(2)
        cos, sin = (torch.stack((x, x), -1).flatten(2) for x in (phase.cos(), phase.sin()))
        if self.padding:
            first = cos[:, :, : self.padding]
            cos, sin = torch.cat([torch.ones_like(first), cos], -1), torch.cat([torch.zeros_like(first), sin], -1)
        return cos, sin


@contextmanager
def exported(transformer: LTXVideoTransformer3DModel):
    """`transformer` as it is exported, and as it was afterwards."""
    rope, transformer.rope = transformer.rope, ExportedRope(transformer.rope)
    try:
        norms = replaced({RMSNorm: lambda norm, x: rms_norm(norm, x).type_as(x)})
        with exported_attention(transformer), exported_timesteps(transformer), norms:
            yield transformer
    finally:
        transformer.rope = rope


class Graph(nn.Module):
    def __init__(self, transformer: LTXVideoTransformer3DModel):
        super().__init__()
        self.transformer = transformer

    def forward(self, hidden_states: torch.Tensor, timestep: torch.Tensor, encoder_hidden_states: torch.Tensor,
                video_coords: torch.Tensor) -> torch.Tensor:
        tokens = self.transformer(hidden_states=hidden_states.flatten(2).transpose(1, 2), timestep=timestep.flatten(1),
                                  encoder_hidden_states=encoder_hidden_states, encoder_attention_mask=None,
                                  video_coords=video_coords.flatten(2), return_dict=False)[0]
        return tokens.transpose(1, 2).unflatten(2, hidden_states.shape[2:]).float()


def sample(config: dict, frames: int, height: int, width: int, tokens: int, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Random inputs of the graph, by name."""
    return {"hidden_states": normal(rng, 1, config.in_channels, frames, height, width),
            "timestep": 1000 * uniform(rng, 1, frames, height, width),
            "encoder_hidden_states": normal(rng, 1, tokens, config.caption_channels),
            "video_coords": 100 * uniform(rng, 1, 3, frames, height, width)}


def trace_transformer(transformer: LTXVideoTransformer3DModel) -> Graphs:
    """Latent `(1, c, f, h, w)`, timesteps `(1, f, h, w)`, text `(1, l, d)`, coordinates `(1, 3, f, h, w)` to the velocity."""
    if transformer.config.patch_size != 1 or transformer.config.patch_size_t != 1:
        raise Unfit("expected a token for each latent, found one for several. Choose an LTX-Video model of version 0.9.")
    f, h, w = Dim("f"), Dim("h"), Dim("w")
    grid = {2: f, 3: h, 4: w}
    inputs = sample(transformer.config, 3, 4, 6, 16, np.random.default_rng(0))
    with exported(transformer):
        return {"model": trace(Graph(transformer), tuple(inputs.values()), list(inputs), ["velocity"],
                               (grid, {1: f, 2: h, 3: w}, {1: Dim("l")}, grid))}


class VaeHalf(nn.Module):
    """Encoder or decoder, with latents as the transformer wants them."""

    def __init__(self, vae: AutoencoderKLLTXVideo):
        super().__init__()
        config = vae.config
        if config.patch_size_t != 1:
            raise Unfit(f"expected patches of one frame, found {config.patch_size_t}. Choose version 0.9.5 or later.")
        if any(config.decoder_inject_noise) or not config.timestep_conditioning or config.scaling_factor != 1.0:
            raise Unfit("expected a decoder that takes a timestep and makes no noise of its own, found another. "
                        "Choose version 0.9.5 or later.")
        self.vae = vae
        shape = (1, -1, 1, 1, 1)
        self.register_buffer("mean", vae.latents_mean.view(shape))
        self.register_buffer("std", vae.latents_std.view(shape))


class Encoder(VaeHalf):
    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        with exported_layers(), patches(self.vae.encoder) as size:
            moments = self.vae.encoder(to_patches(frames, size))
        found = DiagonalGaussianDistribution(moments.float())
        return torch.cat([(found.mean - self.mean) / self.std, found.std / self.std], 1)


class Decoder(VaeHalf):
    def forward(self, latent: torch.Tensor, timestep: torch.Tensor, noise: torch.Tensor, noise_scale: torch.Tensor) -> torch.Tensor:
        scale = noise_scale.view(1, 1, 1, 1, 1)
        latent = latent * self.std + self.mean
        with exported_layers(), patches(self.vae.decoder) as size:
            decoded = self.vae.decoder((1 - scale) * latent + scale * noise, timestep)
        return from_patches(decoded, size).clamp(-1.0, 1.0).float()


@contextmanager
def patches(half: nn.Module):
    """`half` of the VAE takes or leaves its pixels in patches, of the size that this gives."""
    size, half.patch_size = half.patch_size, 1
    try:
        yield size
    finally:
        half.patch_size = size


def exported_layers():
    """The VAE's layers with the same numbers up to rounding, in the form that takes ONNX Runtime least time."""
    return replaced({RMSNorm: normalise, LTXVideoDownsampler3d: scale_down, LTXVideoUpsampler3d: scale_up})


def normalise(norm: RMSNorm, x: torch.Tensor) -> torch.Tensor:
    """`(b, t, h, w, c)` divided by the root of its channels' mean square, in single precision: diffusers' `RMSNorm`."""
    if norm.weight is not None:
        raise NotImplementedError("expected a norm without weights in LTX-Video's VAE")
    x = x.movedim(-1, 1)
    wide = x.float()
    return (wide * torch.rsqrt(channel_squares(wide) / x.shape[1] + norm.eps)).type_as(x).movedim(1, -1)


def scale_down(layer: LTXVideoDownsampler3d, x: torch.Tensor) -> torch.Tensor:
    """Blocks of pixels and frames to channels, after a convolution, and beside it their means."""
    x = torch.cat([x[:, :, :layer.stride[0] - 1], x], 2)
    means = to_blocks(x, layer.stride).unflatten(1, (-1, layer.group_size)).mean(2)
    return to_blocks(layer.conv(x), layer.stride) + means


def scale_up(layer: LTXVideoUpsampler3d, x: torch.Tensor) -> torch.Tensor:
    """Channels to blocks of pixels and frames, after a convolution, and beside it those of what came. A clip's first frame
    stays one."""
    def blocks(x: torch.Tensor) -> torch.Tensor:
        return from_blocks(x, layer.stride)[:, :, layer.stride[0] - 1:]

    made = blocks(layer.conv(x))
    if not layer.residual:
        return made
    repeats = math.prod(layer.stride) // layer.upscale_factor
    return made + blocks(x).repeat(1, repeats, 1, 1, 1)


def trace_vae(vae: AutoencoderKLLTXVideo) -> Graphs:
    """`enc_first`: frames to means and deviations; `dec_first`: latent, timestep, noise and its scale to frames. Both
    take whole clips: the decoder looks ahead in time."""
    spatial, temporal, channels = vae.spatial_compression_ratio, vae.temporal_compression_ratio, vae.config.latent_channels
    f, h, w = Dim("f"), Dim("h"), Dim("w")
    # Told as multiples, sizes stay whole through every halving without a proof for each.
    pixels, grid = {2: temporal * Dim("n") + 1, 3: spatial * h, 4: spatial * w}, {2: f, 3: h, 4: w}
    with exported_timesteps(vae):
        frames = torch.rand(1, 3, 2 * temporal + 1, 2 * spatial, 3 * spatial)
        encoder = trace(Encoder(vae), (frames,), ["frames"], ["moments"], (pixels,))
        latent, noise = torch.randn(2, 1, channels, 3, 4, 6)
        decoder = trace(Decoder(vae), (latent, torch.tensor([0.05]), noise, torch.tensor([0.025])),
                        ["latent", "timestep", "noise", "noise_scale"], ["frames"], (grid, {}, grid, {}))
    return {"enc_first": encoder, "dec_first": decoder}


def vae_cases(vae: AutoencoderKLLTXVideo, size: tuple[int, int, int], rng: np.random.Generator) -> dict[str, Case]:
    """Against the whole clip in diffusers."""
    mean, std = (x.view(1, -1, 1, 1, 1) for x in (vae.latents_mean, vae.latents_std))
    spatial, temporal, (frames, height, width) = vae.spatial_compression_ratio, vae.temporal_compression_ratio, size
    clip = uniform(rng, 1, 3, temporal * (frames - 1) + 1, height * spatial, width * spatial) * 2 - 1
    found = vae.encode(clip).latent_dist
    moments = torch.cat([(found.mean - mean) / std, found.std / std], 1)
    latent, noise = normal(rng, 2, 1, vae.config.latent_channels, *size)
    timestep, scale = torch.tensor([0.05]), torch.tensor([0.025])
    decoded = vae.decode((1 - scale) * (latent * std + mean) + scale * noise, timestep).sample.clamp(-1.0, 1.0)
    inputs = {"latent": latent, "timestep": timestep, "noise": noise, "noise_scale": scale}
    return {"vae_encoder": Case.of({"frames": clip}, moments), "vae_decoder": Case.of(inputs, decoded)}


def check(checkpoint: Checkpoint) -> None:
    kinds = {name: checkpoint.kind(name)[1] for name in ("text_encoder", "transformer", "vae", "scheduler")}
    wanted = ("LTXVideoTransformer3DModel", "AutoencoderKLLTXVideo")
    if (kinds["transformer"], kinds["vae"]) != wanted:
        raise Unfit(f"{checkpoint.folder}: expected {' with '.join(wanted)}, found {kinds['transformer']} with {kinds['vae']}. "
                    "Choose the command for this kind of model.")
    scheduler = checkpoint.scheduler()
    if scheduler.use_dynamic_shifting or scheduler.shift_terminal:
        raise Unfit(f"{checkpoint.folder}: expected a schedule that is the same at every size, found one that shifts with it. "
                    "Choose version 0.9.5 or later.")


def facts(configurations: dict) -> dict:
    """`held` and `decode` are the package's choice."""
    vae, scheduler = configurations["vae"], configurations["scheduler"]
    halvings = 2 ** sum(vae.spatio_temporal_scaling)
    return {"family": NAME,
            "text": {"width": configurations["text_encoder"].d_model, "padded": False},
            "latent": {"channels": vae.latent_channels, "spatial": vae.spatial_compression_ratio or vae.patch_size * halvings,
                       "temporal": vae.temporal_compression_ratio or vae.patch_size_t * halvings},
            "conditioning": ["first", "last", "clip_start", "clip_end", "keyframe"],
            "sampler": {"kind": "flow_euler", "order": 1, "schedule": "linear_quadratic", "shift": scheduler.shift,
                        "train_timesteps": scheduler.num_train_timesteps}}
