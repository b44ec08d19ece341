"""What the control input says, read inside the network: which frames are known, and a first guess of the others.

The codec is linear, so known pixels can be had back from the control latents. Time is laid out in slots: four for
each latent frame, `n = 4 f`; the single frame of a first block or of a reference fills its four slots alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from codec import LEVEL, SPATIAL, TEMPORAL, Codec, to_blocks

CELL = 4            # pixels to a side of a cell of the motion field
REACH = 4           # of the motion features, in half-size pixels
SHIFTS = (2 * REACH + 1) ** 2
GREY = 0.012        # a block whose mean colour is nearer to mid grey than this is unknown


@dataclass
class Canvas:
    """The control input, understood. Shapes use `n = 4 f` slots."""
    reference: torch.Tensor  # (b, f) 1 where the latent frame is a reference
    position: torch.Tensor   # (b, f) latent frame number; 0 is the first that is no reference
    time: torch.Tensor       # (b, n) frame number of each slot
    pixels: torch.Tensor     # (b, n, 3, H, W) known pixels, anything elsewhere
    known: torch.Tensor      # (b, n, h, w) 1 where known
    past: torch.Tensor       # (b, n, n) one-hot choice of the nearest known frame before each slot, or zeros
    future: torch.Tensor     # (b, n, n) likewise after


def _by_slot(per_frame: torch.Tensor) -> torch.Tensor:
    """Repeat `(b, f, ...)` four times along axis 1: `(b, 4f, ...)`."""
    return torch.stack([per_frame] * TEMPORAL, 2).flatten(1, 2)


def _nearest(time: torch.Tensor, usable: torch.Tensor, sign: int) -> torch.Tensor:
    """For each slot the one-hot `(b, n, n)` nearest usable slot before (sign 1) or after (sign -1), or zeros."""
    gap = sign * (time[:, :, None] - time[:, None, :])
    score = torch.where((gap > 0) & (usable[:, None, :] > 0.5), gap, torch.full_like(gap, 1e4))
    best = score.amin(2, keepdim=True)
    found = (best < 1e3).to(time.dtype)
    return (score == best).to(time.dtype) * found


def parts(codec: Codec, control: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A control input `(b, 2c+64, f, h, w)` in parts.

    The latents of what is known and of mid grey elsewhere `(b, c, f, h, w)`, what share of each is masked
    `(b, 1, f, h, w)`, which latent frames are references, and the number of each latent frame, both `(b, f)`.
    The reactive latents of a reference are zero; those of a frame are the latents of mid grey or more, whose mean
    colours are far from zero.
    """
    c = codec.channels
    inactive, reactive, mask = control[:, :c], control[:, c:c + 3 * TEMPORAL], control[:, 2 * c:]
    reference = (reactive.abs().mean((1, 3, 4)) < 1e-3).to(control.dtype)
    frame = torch.ones_like(reference).cumsum(1) - 1
    return inactive.contiguous(), mask.mean(1, keepdim=True), reference, frame - reference.sum(1, keepdim=True)


def anything_known(codec: Codec, inactive: torch.Tensor) -> torch.Tensor:
    """Whether a canvas of latents `(b, c, f, h, w)` may hold a reference or a known block.

    The mean colours of a block that is known differ from mid grey by more than GREY in a frame, of which the first
    components then tell: being orthonormal, at least one of the dozen by that colour's share.
    """
    colours = 3 * TEMPORAL
    grey = (codec.basis[:colours].sum(1) * -LEVEL)[:, None, None, None]
    away = inactive[:, :colours] * codec.scale[:colours, None, None, None] - grey
    return away.abs().max() > GREY * SPATIAL / colours**0.5


def read_canvas(codec: Codec, inactive: torch.Tensor, masked: torch.Tensor, reference: torch.Tensor, position: torch.Tensor) -> Canvas:
    """Understand a control input, given in `parts`."""
    first = (position.abs() < 0.5).to(inactive.dtype)
    single = torch.maximum(first, reference)

    slot = torch.arange(TEMPORAL, device=inactive.device, dtype=inactive.dtype)
    time = (4 * position - 3)[:, :, None] + slot
    time = torch.where(single[:, :, None] > 0.5, position[:, :, None].expand_as(time), time).flatten(1)

    pixels = codec.decode_next(inactive).transpose(1, 2)
    b, n, _, height, width = pixels.shape
    colour = F.avg_pool2d(pixels.flatten(0, 1), SPATIAL).unflatten(0, (b, n))
    cover = masked[:, 0]
    cut = _by_slot(((cover > 0.01) & (cover < 0.99)).to(inactive.dtype))
    painted = _by_slot(1 - reference)[:, :, None, None]
    known = (colour.abs().amax(2) > GREY).to(inactive.dtype) * (1 - cut) * painted

    share = known.mean((2, 3))
    lone = (first[:, :, None] * (slot < TEMPORAL - 1).to(inactive.dtype)).flatten(1)  # count the first frame once
    usable = (share > 0.5).to(inactive.dtype) * (1 - lone)
    return Canvas(reference, position, time, pixels, known, _nearest(time, usable, 1), _nearest(time, usable, -1))


def gaps(canvas: Canvas) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Frames from each slot to its past and future source, and whether it has them; each `(b, n)`."""
    before = canvas.past.sum(2)
    after = canvas.future.sum(2)
    back = (canvas.time - (canvas.past * canvas.time[:, None]).sum(2)) * before
    ahead = ((canvas.future * canvas.time[:, None]).sum(2) - canvas.time) * after
    return back, ahead, before, after


def pull_sources(canvas: Canvas, choice: torch.Tensor) -> torch.Tensor:
    """The source pixels of each slot with their knownness as fourth channel: `(b, n, 4, H, W)`."""
    b, n, _, height, width = canvas.pixels.shape
    cover = F.interpolate(canvas.known, scale_factor=float(SPATIAL), mode="nearest")[:, :, None]
    whole = torch.cat([canvas.pixels * cover, cover], 2).flatten(2)
    return (choice @ whole).reshape(b, n, 4, height, width)


def warp(picture: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Sample `(k, c, H, W)` at every pixel plus `shift` `(k, 2, H, W)` in pixels, x first."""
    _, _, height, width = picture.shape
    y = torch.arange(height, device=picture.device, dtype=picture.dtype)[:, None] + 0.5
    x = torch.arange(width, device=picture.device, dtype=picture.dtype)[None] + 0.5
    grid = torch.stack([(x + shift[:, 0]) * (2 / width) - 1, (y + shift[:, 1]) * (2 / height) - 1], -1)
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)


def spread(canvas: Canvas) -> torch.Tensor:
    """Mean colours of known blocks spread over the unknown ones of the same frame: `(b, n, 3, H, W)`."""
    b, n, _, height, width = canvas.pixels.shape
    colour = F.avg_pool2d(canvas.pixels.flatten(0, 1), SPATIAL).unflatten(0, (b, n))
    h, w = height // SPATIAL, width // SPATIAL
    rows = torch.arange(h, device=colour.device, dtype=colour.dtype)
    columns = torch.arange(w, device=colour.device, dtype=colour.dtype)
    down = torch.exp(-1.2 * (rows[:, None] - rows[None]).abs())
    across = torch.exp(-1.2 * (columns[:, None] - columns[None]).abs())
    weight = canvas.known[:, :, None]
    total = down @ (weight * (colour - LEVEL)) @ across
    share = down @ weight @ across
    filled = total / (share + 1e-4) + LEVEL
    return F.interpolate(filled.flatten(0, 1), scale_factor=float(SPATIAL), mode="bilinear").unflatten(0, (b, n))


def compose(canvas: Canvas, filler: torch.Tensor, past: torch.Tensor, future: torch.Tensor, lean: torch.Tensor) -> torch.Tensor:
    """The guess `(b, n, 3, H, W)`: known pixels, else the two sources `(b, n, 4, H, W)` mixed, else `filler`.

    `lean` `(b, n, H, W)` moves the mix towards the future source; at 0 it is a crossfade by distance in time.
    """
    back, ahead, _, _ = gaps(canvas)
    fade = torch.log((back + 0.05) / (ahead + 0.05))[:, :, None, None]
    share = torch.sigmoid(fade + lean)[:, :, None]
    past, past_known = past.split((3, 1), 2)
    future, future_known = future.split((3, 1), 2)
    weight_past, weight_future = (1 - share + 1e-6) * past_known, (share + 1e-6) * future_known
    total = weight_past + weight_future
    cover = F.interpolate(canvas.known, scale_factor=float(SPATIAL), mode="nearest")[:, :, None]
    trust = (total * 1e4).clamp(max=1) * (1 - cover)
    scale = trust / (total + 1e-7)
    fixed = cover * canvas.pixels + (1 - cover - trust) * filler
    return fixed + (weight_past * scale) * past + (weight_future * scale) * future


def motion_features(canvas: Canvas) -> torch.Tensor:
    """How well each known block matches itself three frames on, for shifts to +-8 pixels: `(b, f, 81, h, w)`."""
    luma = F.avg_pool2d(canvas.pixels.mean(2), 2).unflatten(1, (-1, TEMPORAL))  # (b, f, 4, H/2, W/2)
    b, f, _, height, width = luma.shape
    start, stop = luma[:, :, 0].reshape(b * f, 1, height, width), luma[:, :, 3].reshape(b * f, 1, height, width)
    kernel = torch.eye(SHIFTS, device=luma.device, dtype=luma.dtype).reshape(SHIFTS, 1, 2 * REACH + 1, 2 * REACH + 1)
    shifted = F.conv2d(F.pad(stop, (REACH, REACH, REACH, REACH), mode="replicate"), kernel)
    cost = F.avg_pool2d((shifted - start).abs(), SPATIAL // 2).unflatten(0, (b, f))
    known = canvas.known.unflatten(1, (-1, TEMPORAL)).amin(2)[:, :, None]
    later = (canvas.position > 0.5).to(luma.dtype)[:, :, None, None, None]
    return torch.softmax(-100 * cost, 2) * known * later


def measured_motion(match: torch.Tensor) -> torch.Tensor:
    """Mean motion in pixels a frame and whether it was measured, `(b, f, 3, h, w)`, of motion features."""
    steps = torch.arange(-REACH, REACH + 1, device=match.device, dtype=match.dtype) * (2 / (TEMPORAL - 1))
    y, x = steps.repeat_interleave(2 * REACH + 1), steps.repeat(2 * REACH + 1)
    weights = torch.stack([x, y, torch.ones_like(x)])
    b, f, k, h, w = match.shape
    return (weights @ match.flatten(3)).reshape(b, f, 3, h, w)


def nearby_motion(canvas: Canvas, measured: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Motion measured where a latent frame has its sources: in the past and in the future block, each `(b, f, 3, h, w)`.

    Where a block has none that was measured, such as a lone first frame, there are zeros.
    """
    b, f, _, h, w = measured.shape
    flat = measured.flatten(2)
    both = []
    for choice in (canvas.past, canvas.future):
        of_block = choice.unflatten(2, (f, TEMPORAL)).sum(3).unflatten(1, (f, TEMPORAL)).amax(2)
        of_block = of_block / of_block.sum(2, keepdim=True).clamp(min=1)
        both.append((of_block @ flat).reshape(b, f, 3, h, w))
    return both[0], both[1]


def carried_motion(canvas: Canvas, past: torch.Tensor, future: torch.Tensor) -> torch.Tensor:
    """The nearby motions mixed by distance in time: `(b, n, 2, h, w)` in pixels a frame."""
    back, ahead, before, after = gaps(canvas)
    weight_past = (before / (back + 0.5))[:, :, None, None, None] * _by_slot(past[:, :, 2:])
    weight_future = (after / (ahead + 0.5))[:, :, None, None, None] * _by_slot(future[:, :, 2:])
    total = weight_past * _by_slot(past[:, :, :2]) + weight_future * _by_slot(future[:, :, :2])
    return total / (weight_past + weight_future + 1e-4)
