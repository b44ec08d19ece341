"""The starter's networks: a small text encoder, and a diffusion transformer with the graph signature of Wan2.1-VACE.

The transformer sees tokens of 1x2x2 latents (16x16 pixels, 4 frames). From its tokens it predicts, for the unknown,
how the nearest known frames move (which makes a first guess in pixels), and what is to be added to that guess.
Sizes: b batch, c latent channels, f latent frames (references first), h and w latent height and width, l text tokens,
s = f * h/2 * w/2 tokens, d width.
"""

from __future__ import annotations

import math
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
    layers: int = 7
    motion_layer: int = 4
    heads: int = 6
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    vocabulary: int = 80
    max_tokens: int = 32


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int) -> torch.Tensor:
    """Attention over `(b, s, d)`; in an exported graph one fused com.microsoft operator."""
    if torch.onnx.is_in_onnx_export():
        return torch.onnx.ops.symbolic("com.microsoft::MultiHeadAttention", (q, k, v), {"num_heads": heads},
                                       dtype=q.dtype, shape=q.shape, version=1)
    q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position: `(b, s, heads, e)` turned by angles `(b, s, 1, e/2)`."""
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


def patches(x: torch.Tensor) -> torch.Tensor:
    """`(b, c, f, h, w)` to tokens `(b, f*h/2*w/2, 4c)`."""
    b, c, f, h, w = x.shape
    return x.reshape(b, c, f, h // 2, 2, w // 2, 2).permute(0, 2, 3, 5, 1, 4, 6).reshape(b, f * (h // 2) * (w // 2), 4 * c)


def unpatches(x: torch.Tensor, f: int, h: int, w: int) -> torch.Tensor:
    """Tokens `(b, f*h/2*w/2, 4c)` to `(b, c, f, h, w)`."""
    b, _, width = x.shape
    x = x.reshape(b, f, h // 2, w // 2, width // 4, 2, 2)
    return x.permute(0, 4, 1, 2, 5, 3, 6).reshape(b, width // 4, f, h, w)


def spread_frames(x: torch.Tensor, tokens: int) -> torch.Tensor:
    """What is said of frames `(b, f, k)` to each of their tokens: `(b, f*tokens, k)`."""
    b, f, k = x.shape
    return x.unsqueeze(2).expand(b, f, tokens, k).reshape(b, f * tokens, k)


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
    """Self-attention, attention to the text, and a feed-forward layer, modulated by the noise level."""

    def __init__(self, config: Config):
        super().__init__()
        d, self.heads = config.width, config.heads
        self.norm1, self.norm3 = (nn.LayerNorm(d, elementwise_affine=False) for _ in range(2))
        self.norm2 = nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.q_norm, self.k_norm = (nn.Parameter(torch.ones(d // self.heads)) for _ in range(2))
        self.q_text, self.kv_text, self.out_text = nn.Linear(d, d), nn.Linear(config.text_width, 2 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.table = nn.Parameter(torch.randn(6, d) * 0.02)

    def forward(self, x: torch.Tensor, level: torch.Tensor, text: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """`x` (b, s, d), `level` (b, 6, d), `text` (b, l, text_width), `cos` and `sin` (b, s, 1, e/2)."""
        scale1, shift1, gate1, scale2, shift2, gate2 = (level + self.table).unsqueeze(2).unbind(1)
        q, k, v = self.qkv(self.norm1(x) * (1 + scale1) + shift1).chunk(3, 2)
        q = rotate(self._unit(q, self.q_norm), cos, sin).flatten(2)
        k = rotate(self._unit(k, self.k_norm), cos, sin).flatten(2)
        x = x + (1 + gate1) * self.out(attend(q, k, v, self.heads))
        k, v = self.kv_text(text).chunk(2, 2)
        x = x + self.out_text(attend(self.q_text(self.norm2(x)), k, v, self.heads))
        h = self.up(self.norm3(x) * (1 + scale2) + shift2)
        return x + (1 + gate2) * self.down(F.gelu(h, approximate="tanh"))

    def _unit(self, x: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        x = x.unflatten(2, (self.heads, -1))
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * gain


@dataclass
class Prediction:
    """What the transformer says of a noisy clip."""
    clean: torch.Tensor         # (b, c, f, h, w) predicted clean latents
    guess: torch.Tensor         # (b, c, f, h, w) the part of it that comes from known frames alone
    canvas: cv.Canvas | None
    rates: torch.Tensor | None  # (b, n, 4, H/4, W/4) pixels a frame: x, y towards the past source, x, y towards the future one


class Transformer(nn.Module):
    """The diffusion transformer. Its graph returns the velocity noise - clean."""

    FIELD = 6  # numbers to a motion cell: two rates, the lean between the sources, and faith in the measured motion

    def __init__(self, config: Config, codec: Codec):
        super().__init__()
        self.config, self.codec = config, codec
        c, d = config.channels, config.width
        self.embed_noisy = nn.Linear(4 * c, d)
        self.embed_control = nn.Linear(4 * (c + TEMPORAL + 1 + 6 + cv.SHIFTS) + 4 * TEMPORAL + 2 + 6, d)
        self.time = nn.Sequential(nn.Linear(128, d), nn.SiLU(), nn.Linear(d, d), nn.SiLU(), nn.Linear(d, 6 * d))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm_motion = nn.LayerNorm(d)
        self.embed_guess = nn.Linear(4 * c, d)
        self.norm = nn.LayerNorm(d, elementwise_affine=False)
        self.level_out = nn.Linear(6 * d, 2 * d)
        self.residual = nn.Linear(d, 4 * c)
        self.doubt = nn.Linear(d, 4)
        self.field = nn.Linear(d, TEMPORAL * 16 * self.FIELD)
        self.spread_free = nn.Parameter(torch.zeros(c))    # log deviation of a channel where nothing is known
        self.spread_known = nn.Parameter(torch.zeros(c))   # and around a guess from known frames
        # The same two, for how far the noisy latents themselves are believed. Tokens are narrower than their latents, so
        # the network cannot take noise out again: only the mean colours are believed at first.
        self.pull_free, self.pull_known = nn.Parameter(torch.zeros(c)), nn.Parameter(torch.zeros(c))
        for layer in (self.level_out, self.residual, self.doubt, self.field, self.time[-1]):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.doubt.bias, -2.0)

    def set_spread(self, deviation: torch.Tensor) -> None:
        """Start from the deviation `(c,)` of the world's latents."""
        with torch.no_grad():
            self.spread_free.copy_(deviation.log())
            self.spread_known.copy_((0.35 * deviation).log())
            coarse = torch.arange(len(deviation)) < 3 * TEMPORAL
            self.pull_free.copy_(torch.where(coarse, deviation, 0.1 * deviation).log())
            self.pull_known.copy_((0.05 * deviation).log())

    def angles(self, position: torch.Tensor, h: int, w: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Rotary cosines and sines `(b, s, 1, e/2)` over time, rows and columns."""
        pairs = self.config.width // self.config.heads // 2
        sizes = (pairs - 2 * (pairs // 3), pairs // 3, pairs // 3)
        b, f = position.shape
        rows = torch.arange(h // 2, device=position.device, dtype=position.dtype)
        columns = torch.arange(w // 2, device=position.device, dtype=position.dtype)
        axes = (position[:, :, None, None], rows[None, None, :, None], columns[None, None, None])
        parts = []
        for axis, size in zip(axes, sizes):
            wave = 60.0 ** (-torch.arange(size, device=axis.device, dtype=axis.dtype) / size)
            parts.append((axis[..., None] * wave).expand(b, f, h // 2, w // 2, size))
        angle = torch.cat(parts, -1).reshape(b, f * (h // 2) * (w // 2), 1, pairs)
        return angle.cos(), angle.sin()

    def describe(self, canvas: cv.Canvas, inactive: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens' view of the control, `(b, s, ...)`: known pixels, what is known, distances in time, motion nearby.

        And the motion carried over from known frames, `(b, n, 2, h, w)`.
        """
        b, f = canvas.position.shape
        h, w = inactive.shape[3:]
        known = canvas.known.unflatten(1, (f, TEMPORAL)).transpose(1, 2)
        match = cv.motion_features(canvas)
        past, future = cv.nearby_motion(canvas, cv.measured_motion(match))
        near = torch.cat([past, future], 2)
        local = patches(torch.cat([inactive, known, mask.mean(1, keepdim=True), near.transpose(1, 2), match.transpose(1, 2) * 4], 1))
        back, ahead, before, after = cv.gaps(canvas)
        flags = torch.stack([canvas.reference, (canvas.position.abs() < 0.5).to(inactive.dtype)], 2)
        per_frame = torch.cat([flags, near.mean((3, 4)), *(x.unflatten(1, (f, TEMPORAL)) for x in (back / 8, ahead / 8, before, after))], 2)
        return torch.cat([local, spread_frames(per_frame, (h // 2) * (w // 2))], 2), cv.carried_motion(canvas, past, future)

    def describe_blank(self, reference: torch.Tensor, position: torch.Tensor, inactive: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What `describe` says where nothing is known."""
        h, w = inactive.shape[3:]
        local = patches(torch.cat([F.pad(inactive, (0, 0, 0, 0, 0, 0, 0, TEMPORAL)), mask.mean(1, keepdim=True)], 1))
        flags = torch.stack([reference, (position.abs() < 0.5).to(inactive.dtype)], 2)
        flags = spread_frames(flags, (h // 2) * (w // 2))
        return torch.cat([F.pad(local, (0, 4 * (cv.SHIFTS + 6))), F.pad(flags, (0, 4 * TEMPORAL + 6))], 2)

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

    def predict(self, noisy: torch.Tensor, sigma: torch.Tensor, text: torch.Tensor, control: torch.Tensor,
                control_scale: torch.Tensor, blank: bool = False) -> Prediction:
        """Predict the clean latents. `blank` promises that nothing is known and skips what then has no effect."""
        b, c, f, h, w = noisy.shape
        reference, position = cv.find_references(self.codec, control)
        keep = reference[:, None, :, None, None]
        inactive, mask = control[:, :c], control[:, 2 * c:]
        canvas = None if blank else cv.read_canvas(self.codec, control)
        if blank:
            features = self.describe_blank(reference, position, inactive, mask)
        else:
            features, carried = self.describe(canvas, inactive, mask)
        wave = torch.exp(torch.arange(64, device=noisy.device, dtype=noisy.dtype) * (-math.log(1000.0) / 64))
        phase = (sigma * 1000)[:, None] * wave
        level = self.time(torch.cat([phase.cos(), phase.sin()], 1))
        modulation = level.unflatten(1, (6, -1))
        cos, sin = self.angles(position, h, w)
        x = self.embed_noisy(patches(noisy)) + control_scale[0] * self.embed_control(features)
        for block in self.blocks[:self.config.motion_layer]:
            x = block(x, modulation, text, cos, sin)

        if blank:
            rates, guess, unknown = None, keep * inactive, (1 - keep).expand(-1, -1, -1, h, w)
            sure = torch.zeros_like(unknown)
        else:
            rates, lean = self.motion(self.norm_motion(x), carried)
            single = torch.maximum(reference, (position.abs() < 0.5).to(noisy.dtype))
            guess = cv.encode_slots(self.codec, self.moved_guess(canvas, rates, lean), single)
            guess = guess + keep * (inactive - guess)
            found = ((canvas.past.sum(2) + canvas.future.sum(2)) > 0.5).to(noisy.dtype).unflatten(1, (f, TEMPORAL)).amax(2)
            sure = found[:, None, :, None, None] * torch.sigmoid(-unpatches(self.doubt(x), f, h, w))
            unknown = (1 - canvas.known.unflatten(1, (f, TEMPORAL)).amin(2)[:, None]) * (1 - keep)
        x = x + self.embed_guess(patches(guess))
        for block in self.blocks[self.config.motion_layer:]:
            x = block(x, modulation, text, cos, sin)
        scale, shift = self.level_out(F.silu(level)).unsqueeze(1).chunk(2, 2)
        x = self.norm(x) * (1 + scale) + shift

        def mix(free: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
            free, near = free.exp()[:, None, None, None], near.exp()[:, None, None, None]
            return free.square() + sure * (near.square() - free.square())

        level_ = sigma[:, None, None, None, None]
        share = lambda variance: variance / ((1 - level_).square() * variance + level_.square())
        pull = (1 - level_) * share(mix(self.pull_free, self.pull_known))          # of the noisy latents on the prediction
        size = share(mix(self.spread_free, self.spread_known)).sqrt() * level_     # of what is left to predict
        residual = unpatches(self.residual(x), f, h, w)
        clean = guess + unknown * (pull * (noisy - (1 - level_) * guess) + size * residual)
        return Prediction(clean, guess, canvas, rates)

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
