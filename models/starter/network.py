"""The starter's networks: a small text encoder, and a diffusion transformer with the graph signature of Wan2.1-VACE.

The transformer sees tokens of 1x2x2 latents (16x16 pixels, 4 frames). From its tokens it predicts, for the unknown,
how the nearest known frames move (which makes a first guess in pixels), and what is to be added to that guess. It
predicts the clean latents, never the noise: tokens are narrower than the latents they stand for, and clean clips, not
noise, fit in them (Li and He, "Back to Basics: Let Denoising Generative Models Denoise", 2025).
Sizes: b batch, c latent channels, f latent frames (references first), h and w latent height and width, l text tokens,
s = f * h/2 * w/2 tokens, d width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn

import canvas as cv
from codec import TEMPORAL, Codec


@dataclass(frozen=True)
class Config:
    channels: int = 192
    width: int = 192
    layers: int = 8
    motion_layer: int = 4  # layers before which where things are, and how they move, is told
    cover_layer: int = 6   # layers before which what they cover is told
    heads: int = 6
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    vocabulary: int = 80
    max_tokens: int = 32


TOKEN = 16          # pixels to a side of a token
RADIUS = 10         # pixels, of a thing in a picture 64 pixels high, about which sizes are told
CELLS = 8           # cells to a side of a token, in which it is told what covers it
THINGS = 2          # things that the text may tell of
PATHS = THINGS + 1  # of the things, and of the scene behind them
FOLLOWED = (0, 0, 1, 1, 2, 3)  # which path each head of a layer follows; 0 is none


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> torch.Tensor:
    """Attention over `(b, s, d)`; in an exported graph one fused com.microsoft operator."""
    if torch.onnx.is_in_onnx_export():
        return torch.onnx.ops.symbolic("com.microsoft::MultiHeadAttention", (q, k, v), {"num_heads": heads},
                                       dtype=q.dtype, shape=q.shape, version=1)
    with torch.autocast("cpu", enabled=False):  # at this size fp32 is the faster of the two
        q, k, v = (x.float().unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def either(choice: torch.Tensor, one: Callable, other: Callable, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """What `one` makes of the inputs if `choice` holds, else what `other` does; in an exported graph an If."""
    if torch.compiler.is_exporting():
        return torch.cond(choice, one, other, inputs)
    return (one if choice else other)(*inputs)


def modulated(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Layer normalisation of `(b, s, d)`, then scaled and shifted by `(b, 1, d)`; in an exported graph one operator."""
    if torch.onnx.is_in_onnx_export():
        return torch.onnx.ops.symbolic("LayerNormalization", (x, scale, shift), {"axis": -1, "epsilon": 1e-5},
                                       dtype=x.dtype, shape=x.shape, version=17)
    return F.layer_norm(x, x.shape[-1:]) * scale + shift


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position: both halves of `(b, s, heads, e)` turned by angles `(b, s, heads, e/2)`; in an exported graph one operator.

    That operator knows one angle for all heads of a place, so each head of each token is a place of its own to it.
    """
    if torch.onnx.is_in_onnx_export():
        turned, pairs = x.reshape(1, -1, x.shape[-1]), x.shape[-1] // 2
        places = torch.arange(turned.shape[1], device=x.device)[None]
        inputs = turned, places, cos.reshape(-1, pairs), sin.reshape(-1, pairs)
        turned = torch.onnx.ops.symbolic("com.microsoft::RotaryEmbedding", inputs, {}, dtype=x.dtype, shape=turned.shape, version=1)
        return turned.reshape(x.shape)
    one, other = x.chunk(2, -1)
    return torch.cat([one * cos - other * sin, one * sin + other * cos], -1)


def patches(x: torch.Tensor) -> torch.Tensor:
    """`(b, c, f, h, w)` to tokens `(b, f*h/2*w/2, 4c)`, in order row, column, channel: channels stay together, which is fast."""
    b, c, f, h, w = x.shape
    x = x.permute(0, 2, 3, 4, 1).reshape(b, f, h // 2, 2, w // 2, 2, c)
    return x.transpose(3, 4).reshape(b, f * (h // 2) * (w // 2), 4 * c)


def embed_patches(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Tokens of `(b, c, f, h, w)` times a weight `(d, 4c)` in order channel, row, column, which is turned once when a graph is loaded."""
    return F.linear(patches(x), weight.unflatten(1, (-1, 4)).transpose(1, 2).flatten(1))


def spread_frames(x: torch.Tensor, tokens: int) -> torch.Tensor:
    """What is said of frames `(b, f, k)` to each of their tokens: `(b, f*tokens, k)`."""
    b, f, k = x.shape
    return x.unsqueeze(2).expand(b, f, tokens, k).reshape(b, f * tokens, k)


def token_centres(h: int, w: int, like: torch.Tensor) -> torch.Tensor:
    """The middles of a frame's tokens `(h/2*w/2, 2)`, x first, in tokens."""
    y = torch.arange(h // 2, device=like.device, dtype=like.dtype)[:, None] + 0.5
    x = torch.arange(w // 2, device=like.device, dtype=like.dtype)[None] + 0.5
    return torch.stack([x.expand(h // 2, w // 2), y.expand(h // 2, w // 2)], -1).flatten(0, 1)


def frame_times(position: torch.Tensor) -> torch.Tensor:
    """The middle of each latent frame, in frames."""
    return torch.where(position > 0.5, TEMPORAL * position - 1.5, torch.zeros_like(position))


class TextEncoder(nn.Module):
    """Token ids `(b, l)` and their mask to `(b, l, text_width)`."""

    def __init__(self, config: Config):
        super().__init__()
        d = config.text_width
        self.heads = config.text_heads
        self.embedding = nn.Embedding(config.vocabulary, d)
        self.place = nn.Parameter(torch.randn(config.max_tokens, d) * 0.02)
        self.layers = nn.ModuleList(nn.ModuleDict({
            "norm1": nn.LayerNorm(d), "qkv": nn.Linear(d, 3 * d), "out": nn.Linear(d, d),
            "norm2": nn.LayerNorm(d), "up": nn.Linear(d, 3 * d), "down": nn.Linear(3 * d, d),
        }) for _ in range(config.text_layers))
        self.norm = nn.LayerNorm(d)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        x = self.embedding(input_ids) + self.place[: input_ids.shape[1]]
        hide = (1 - attention_mask.to(x.dtype))[:, None, None] * -1e4
        for layer in self.layers:
            q, k, v = layer["qkv"](layer["norm1"](x)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
            score = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(q.shape[-1]) + hide, -1)
            x = x + layer["out"]((score @ v).transpose(1, 2).flatten(2))
            x = x + layer["down"](F.gelu(layer["up"](layer["norm2"](x)), approximate="tanh"))
        return self.norm(x)


class Block(nn.Module):
    """Self-attention, attention to the text, and a feed-forward layer, modulated by noise level and text."""

    def __init__(self, config: Config):
        super().__init__()
        d, self.heads = config.width, config.heads
        self.norm2 = nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.q_norm, self.k_norm = (nn.Parameter(torch.ones(d // self.heads)) for _ in range(2))
        self.q_text, self.kv_text, self.out_text = nn.Linear(d, d), nn.Linear(config.text_width, 2 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.modulation = nn.Linear(d, 6 * d)
        self.register_buffer("rest", torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 1.0]).repeat_interleave(d), persistent=False)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: torch.Tensor, level: torch.Tensor, text: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """`x` (b, s, d), `level` (b, d), `text` (b, l, text_width), `cos` and `sin` (b, s, heads, e/2)."""
        scale1, shift1, gate1, scale2, shift2, gate2 = (self.modulation(level) + self.rest)[:, None].chunk(6, 2)
        h = modulated(x, scale1, shift1)  # three products instead of one that is split: nothing is copied
        q, k, v = (F.linear(h, weight, bias) for weight, bias in zip(self.qkv.weight.chunk(3), self.qkv.bias.chunk(3)))
        q = rotate(self._unit(q, self.q_norm), cos, sin).flatten(2)
        k = rotate(self._unit(k, self.k_norm), cos, sin).flatten(2)
        x = x + gate1 * self.out(attend(q, k, v, self.heads))
        k, v = self.kv_text(text).chunk(2, 2)
        x = x + self.out_text(attend(self.q_text(self.norm2(x)), k, v, self.heads))
        h = self.up(modulated(x, scale2, shift2))
        return x + gate2 * self.down(F.gelu(h, approximate="tanh"))

    def _unit(self, x: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        x = x.unflatten(2, (self.heads, -1))
        return x / torch.sqrt(x.square().mean(-1, keepdim=True) + 1e-6) * gain  # written as ONNX Runtime knows it, to be one operator


@dataclass
class Layout:
    """Where the things of a clip are, and how large."""
    places: torch.Tensor  # (b, f, THINGS, 2) their middles in tokens from the top left corner, x first
    size: torch.Tensor    # (b, THINGS) logarithm of their radius, of RADIUS pixels in a picture 64 pixels high
    cover: torch.Tensor   # (b, s, THINGS, CELLS**2) logits of what they cover of each token's cells, row by row


@dataclass
class Prediction:
    """What the transformer says of a noisy clip."""
    clean: torch.Tensor         # (b, c, f, h, w) predicted clean latents
    guess: torch.Tensor         # (b, c, f, h, w) the part of it that comes from known frames and references alone
    paths: torch.Tensor         # (b, PATHS, 3) how the text says that things move, as `Transformer.paths`
    layout: Layout              # where things are
    rates: torch.Tensor         # (b, n, 4, H/4, W/4) pixels a frame: x, y towards the past source, x, y towards the future one


class Transformer(nn.Module):
    """The diffusion transformer. Its graph returns the velocity noise - clean."""

    FIELD = 6  # numbers to a motion cell: two rates, the lean between the sources, and faith in the measured motion
    WAVES = (0.25, 0.5, 1.0, 2.0)  # in half turns a radius, how a token is told its place within a thing
    PER_FRAME = 2 + 6 + 4 * TEMPORAL  # numbers about a latent frame: its kind, the motion nearby, distances in time
    LAP = 4    # latents to a side of what one token draws; tokens are 2 apart, so that neighbours overlap and no edge shows

    def __init__(self, config: Config, codec: Codec):
        super().__init__()
        self.config, self.codec = config, codec
        self.half = False  # whether the layers compute in bf16, which training does
        c, d = config.channels, config.width
        self.embed_noisy = nn.Linear(4 * c, d)
        self.embed_control = nn.Linear(4 * (c + TEMPORAL + 1 + 6 + cv.SHIFTS) + self.PER_FRAME, d)
        self.time = nn.Sequential(nn.Linear(128, d), nn.SiLU(), nn.Linear(d, d))
        self.gist = nn.Sequential(nn.Linear(config.text_width, d), nn.SiLU(), nn.Linear(d, d))
        self.way = nn.Sequential(nn.Linear(config.text_width, d), nn.SiLU(), nn.Linear(d, PATHS * 3))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm_motion = nn.LayerNorm(d)
        self.place, self.trust = nn.Linear(d, THINGS * 4), nn.Linear(d, THINGS)
        self.embed_place = nn.Linear(THINGS * (4 * len(self.WAVES) + 1), d)
        self.embed_guess = nn.Linear(4 * c, d)
        self.cover, self.embed_cover = nn.Linear(d, THINGS * CELLS**2), nn.Linear(THINGS * CELLS**2, d)
        self.level_out = nn.Linear(d, 2 * d)
        self.residual = nn.ConvTranspose2d(d, c, self.LAP, stride=2, padding=1)
        self.field = nn.Linear(d, TEMPORAL * 16 * self.FIELD)
        for layer in (self.level_out, self.residual, self.field, self.way[2], self.place, self.trust, self.embed_place, self.cover, self.embed_cover):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def layers(self) -> torch.autocast:
        """What the layers compute in: bf16 if `half`."""
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.half)

    def paths(self, text: torch.Tensor) -> torch.Tensor:
        """How the text says that the first thing, the second and the scene move, `(b, PATHS, 3)`.

        In a picture 64 pixels high: pixels a frame to the right and down, and growth in 1/32 a frame.
        """
        return self.way(text.sum(1) / 8).unflatten(1, (PATHS, 3))

    def angles(self, position: torch.Tensor, paths: torch.Tensor, h: int, w: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotary cosines and sines `(b, s, heads, e/2)` over time, rows and columns.

        Some heads see places at rest. Each of the others sees them from one of the paths, so that what moves as the
        text says stays in one place for it: what noise hides in one frame is then told by all frames together.
        """
        pairs, heads = self.config.width // self.config.heads // 2, self.config.heads
        sizes = (pairs - 2 * (pairs // 3), pairs // 3, pairs // 3)
        b, f = position.shape
        frame = torch.where(position > -0.5, frame_times(position) - 2 * position[:, -1:], torch.zeros_like(position))
        follows = F.pad(paths, (0, 0, 1, 0))[:, [FOLLOWED[i % len(FOLLOWED)] for i in range(heads)]]
        travel = frame[:, :, None, None] * follows[:, None]  # (b, f, heads, 3)
        shrink = torch.exp(-travel[..., 2] / 32)[:, :, None, None]
        rows = torch.arange(h // 2, device=position.device, dtype=position.dtype) - (h // 2 - 1) / 2
        columns = torch.arange(w // 2, device=position.device, dtype=position.dtype) - (w // 2 - 1) / 2
        scale = h / TOKEN / 8  # tokens to a pixel of a picture 64 pixels high
        axes = (position[:, :, None, None, None].expand(b, f, h // 2, w // 2, heads),
                (rows[None, None, :, None, None] * shrink - scale * travel[:, :, None, None, :, 1]).expand(b, f, h // 2, w // 2, heads),
                (columns[None, None, None, :, None] * shrink - scale * travel[:, :, None, None, :, 0]).expand(b, f, h // 2, w // 2, heads))
        parts = []
        for axis, size in zip(axes, sizes):
            wave = 60.0 ** (-torch.arange(size, device=axis.device, dtype=axis.dtype) / size)
            parts.append(axis[..., None] * wave)
        angle = torch.cat(parts, -1).reshape(b, f * (h // 2) * (w // 2), heads, pairs)
        return angle.cos(), angle.sin()

    def layout(self, tokens: torch.Tensor, level: torch.Tensor, paths: torch.Tensor, position: torch.Tensor, h: int, w: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Where and how large tokens `(b, s, d)` take the things to be, as `Layout.places` and `Layout.size`.

        Each frame's tokens vote for a middle. Through the middles goes a straight line, whose slope is as seen where
        little noise hides it, and as the text says where much does.
        """
        f = position.shape[1]
        votes = self.place(tokens).unflatten(1, (f, (h // 2) * (w // 2))).unflatten(3, (THINGS, 4))
        share = torch.softmax(votes[..., :1], 2)
        middles = (share * (token_centres(h, w, tokens)[:, None] + votes[..., 1:3])).sum(2)  # (b, f, THINGS, 2)
        counted = (position > -0.5).to(tokens.dtype)[:, :, None, None]
        share_of_frame = counted / counted.sum(1, keepdim=True)
        frame = frame_times(position)[:, :, None, None]
        frame = frame - (share_of_frame * frame).sum(1, keepdim=True)
        average = (share_of_frame * middles).sum(1, keepdim=True)
        seen = (share_of_frame * frame * (middles - average)).sum(1) / ((share_of_frame * frame.square()).sum(1) + 1e-3)
        told = paths[:, :THINGS, :2] * (h / TOKEN / 8)
        slope = told + torch.sigmoid(self.trust(level))[:, :, None] * (seen - told)
        size = (share_of_frame * (share * votes[..., 3:]).sum(2)).sum(1)
        return average + slope[:, None] * frame, size[..., 0]

    def within(self, places: torch.Tensor, size: torch.Tensor, h: int, w: int) -> torch.Tensor:
        """How each token lies to the things, `(b, s, k)`: waves of the distance to their middles in radii, fading, and the radius."""
        radius = (size.exp() * (h / 8 * RADIUS / TOKEN))[:, None, None, :, None]
        away = (token_centres(h, w, places)[:, None] - places[:, :, None]) / radius  # (b, f, tokens, THINGS, 2)
        near = torch.exp(-away.square().sum(-1, keepdim=True) / 8)
        turns = [math.pi * wave * away for wave in self.WAVES]
        waves = [part for turn in turns for part in (turn.sin(), turn.cos())]
        return torch.cat([near * part for part in (*waves, size[:, None, None, :, None].expand_as(near))], -1).flatten(3).flatten(1, 2)

    def embed_known(self, inactive: torch.Tensor, masked: torch.Tensor, reference: torch.Tensor,
                    position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens' view of the control, `(b, s, d)`: known pixels, what is known, distances in time, motion nearby.

        And the motion carried over from known frames, `(b, n, 2, h, w)`.
        """
        canvas = cv.read_canvas(self.codec, inactive, masked, reference, position)
        (_, f), (h, w) = position.shape, inactive.shape[3:]
        known = canvas.known.unflatten(1, (f, TEMPORAL)).transpose(1, 2)
        match = cv.motion_features(canvas)
        past, future = cv.nearby_motion(canvas, cv.measured_motion(match))
        near = torch.cat([past, future], 2)
        local = torch.cat([inactive, known, masked, near.transpose(1, 2), match.transpose(1, 2) * 4], 1)
        back, ahead, before, after = cv.gaps(canvas)
        flags = torch.stack([reference, (position.abs() < 0.5).to(inactive.dtype)], 2)
        per_frame = torch.cat([flags, near.mean((3, 4)), *(x.unflatten(1, (f, TEMPORAL)) for x in (back / 8, ahead / 8, before, after))], 2)
        with self.layers():
            of_patches, of_frames = self.embed_control.weight.tensor_split([4 * local.shape[1]], 1)
            frames = F.linear(per_frame, of_frames, self.embed_control.bias)
            embedded = embed_patches(local, of_patches) + spread_frames(frames, (h // 2) * (w // 2))
        return embedded, cv.carried_motion(canvas, past, future).contiguous()

    def embed_blank(self, inactive: torch.Tensor, masked: torch.Tensor, reference: torch.Tensor,
                    position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What `embed_known` says where nothing is known: all tokens of a frame show the same grey."""
        b, c, f, h, w = inactive.shape
        weight, at = self.embed_control.weight, c + TEMPORAL  # the mask's channel
        flags = torch.stack([reference, (position.abs() < 0.5).to(inactive.dtype)], 2)
        with self.layers():
            frames = F.linear(flags, weight[:, -self.PER_FRAME:][:, :2], self.embed_control.bias)
            frames = frames + embed_patches(inactive[..., :2, :2], weight[:, :4 * c])
            embedded = spread_frames(frames, (h // 2) * (w // 2)) + embed_patches(masked, weight[:, 4 * at:4 * at + 4])
        return embedded, inactive.new_zeros(b, f * TEMPORAL, 2, h, w)

    def motion(self, tokens: torch.Tensor, carried: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The motion field of tokens `(b, s, d)`: rates `(b, n, 4, H/4, W/4)` and lean `(b, n, 1, H/4, W/4)`."""
        b, n, _, h, w = carried.shape
        x = self.field(tokens).reshape(b, n // TEMPORAL, h // 2, w // 2, TEMPORAL, self.FIELD, 4, 4)
        x = x.permute(0, 1, 4, 5, 2, 6, 3, 7).reshape(b, n, self.FIELD, h * 2, w * 2)
        rates, lean, faith = x.split((4, 1, 1), 2)
        carried = F.interpolate(carried.flatten(0, 1), scale_factor=2.0, mode="nearest").unflatten(0, (b, n))
        return rates + torch.sigmoid(faith - 1.5) * torch.cat([-carried, carried], 2), lean

    def moved_guess(self, canvas: cv.Canvas, rates: torch.Tensor, lean: torch.Tensor) -> torch.Tensor:
        """The guess in pixels `(b, n, 3, H, W)`: the nearest known frames moved along the field and mixed."""
        past, future = cv.pull_sources(canvas, canvas.past), cv.pull_sources(canvas, canvas.future)
        b, n, _, height, width = past.shape
        field = torch.cat([rates, lean], 2)
        dense = F.interpolate(field.flatten(0, 1), scale_factor=float(cv.CELL), mode="bilinear").unflatten(0, (b, n))
        back, ahead, _, _ = cv.gaps(canvas)
        rate_past, rate_future, lean = dense.split((2, 2, 1), 2)
        shift_past = rate_past * back[:, :, None, None, None]
        shift_future = rate_future * ahead[:, :, None, None, None]
        past = cv.warp(past.flatten(0, 1), shift_past.flatten(0, 1)).unflatten(0, (b, n))
        future = cv.warp(future.flatten(0, 1), shift_future.flatten(0, 1)).unflatten(0, (b, n))
        return cv.compose(canvas, cv.spread(canvas), past, future, lean[:, :, 0])

    def level(self, sigma: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """What modulates every layer, `(b, d)`: the noise level and the gist of the text."""
        wave = torch.exp(torch.arange(64, device=sigma.device, dtype=sigma.dtype) * (-math.log(1000.0) / 64))
        phase = (sigma * 1000)[:, None] * wave
        return F.silu(self.time(torch.cat([phase.cos(), phase.sin()], 1)) + self.gist(text.sum(1) / 8))

    def even(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        """The noisy latents with every channel at deviation 1, whatever the noise level."""
        sigma, deviation = sigma[:, None, None, None, None], self.codec.deviation[:, None, None, None]
        return noisy * torch.rsqrt(((1 - sigma) * deviation).square() + sigma.square())

    def draw(self, x: torch.Tensor, level: torch.Tensor, f: int, h: int, w: int) -> torch.Tensor:
        """Tokens `(b, s, d)` to what they add to the guess `(b, c, f, h, w)`."""
        scale, shift = self.level_out(level).unsqueeze(1).chunk(2, 2)
        x = modulated(x, 1 + scale, shift).reshape(-1, h // 2, w // 2, x.shape[2]).permute(0, 3, 1, 2)
        return (self.residual(x) * self.codec.deviation[:, None, None]).unflatten(0, (-1, f)).transpose(1, 2)

    def known_guess(self, tokens: torch.Tensor, carried: torch.Tensor, inactive: torch.Tensor, masked: torch.Tensor, reference: torch.Tensor,
                    position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """What references and known frames alone let one guess `(b, c, f, h, w)`; the same to tokens `(b, s, d)`.

        And where anything is unknown `(b, 1, f, h, w)`, and the rates.
        """
        canvas = cv.read_canvas(self.codec, inactive, masked, reference, position)
        rates, lean = self.motion(tokens, carried)
        guess = self.codec.encode_next(self.moved_guess(canvas, rates, lean).transpose(1, 2))
        keep = reference[:, None, :, None, None]
        guess = guess + keep * (inactive - guess)
        known = canvas.known.unflatten(1, (-1, TEMPORAL)).amin(2)
        with self.layers():
            told = embed_patches(guess, self.embed_guess.weight) + self.embed_guess.bias
        return guess.contiguous(), told, ((1 - known[:, None]) * (1 - keep)).contiguous(), rates.contiguous()

    def blank_guess(self, tokens: torch.Tensor, carried: torch.Tensor, inactive: torch.Tensor, masked: torch.Tensor, reference: torch.Tensor,
                    position: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """`known_guess` where nothing is known."""
        b, _, f, h, w = inactive.shape
        told = self.embed_guess.bias + torch.zeros_like(tokens)
        return torch.zeros_like(inactive), told, torch.ones_like(masked), inactive.new_zeros(b, f * TEMPORAL, 4, 2 * h, 2 * w)

    def predict(self, noisy: torch.Tensor, sigma: torch.Tensor, text: torch.Tensor, control: torch.Tensor,
                control_scale: torch.Tensor) -> Prediction:
        """Predict the clean latents. Where nothing is known, what known frames say is not computed."""
        b, c, f, h, w = noisy.shape
        canvas = inactive, _, reference, position = cv.parts(self.codec, control)
        known = cv.anything_known(self.codec, inactive)
        told, carried = either(known, self.embed_known, self.embed_blank, canvas)
        paths = self.paths(text)
        cos, sin = self.angles(position, paths, h, w)
        with self.layers():
            level = self.level(sigma, text)
            x = embed_patches(self.even(noisy, sigma), self.embed_noisy.weight) + self.embed_noisy.bias + control_scale[0] * told
            for block in self.blocks[:self.config.motion_layer]:
                x = block(x, level, text, cos, sin)
        tokens = self.norm_motion(x.float())
        places, size = self.layout(tokens, level.float(), paths, position, h, w)
        guess, seen, unknown, rates = either(known, self.known_guess, self.blank_guess, (tokens, carried, *canvas))
        with self.layers():
            x = x + seen + self.embed_place(self.within(places, size, h, w))
            for block in self.blocks[self.config.motion_layer:self.config.cover_layer]:
                x = block(x, level, text, cos, sin)
            cover = self.cover(F.layer_norm(x, x.shape[-1:]))
            x = x + self.embed_cover(torch.sigmoid(cover))
            for block in self.blocks[self.config.cover_layer:]:
                x = block(x, level, text, cos, sin)
            residual = self.draw(x, level, f, h, w)
        clean = guess + unknown * residual.float()
        layout = Layout(places, size, cover.float().unflatten(2, (THINGS, CELLS**2)))
        return Prediction(clean, guess, paths, layout, rates)

    def forward(self, hidden_states: torch.Tensor, timestep: torch.Tensor, encoder_hidden_states: torch.Tensor,
                control_hidden_states: torch.Tensor, control_scale: torch.Tensor) -> torch.Tensor:
        """The exported graph: velocity of the flow `noisy = (1 - sigma) clean + sigma noise`."""
        sigma = (timestep / 1000).clamp(0.001, 1.0)
        clean = self.predict(hidden_states, sigma, encoder_hidden_states, control_hidden_states, control_scale).clean
        return (hidden_states - clean) / sigma[:, None, None, None, None]


class Starter(nn.Module):
    """Everything that is trained, together with the fixed codec."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.codec = Codec(config.channels)
        self.text = TextEncoder(config)
        self.transformer = Transformer(config, self.codec)

    def encode_text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """As the caller does it: positions beyond the mask become zero vectors."""
        return self.text(ids, mask) * mask[..., None].to(torch.float32)

    def settings(self) -> dict:
        return asdict(self.config)
