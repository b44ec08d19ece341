"""The procedural world: clips of simple things in front of painted backgrounds, with captions and true motion.

Everything here is made from a seeded `random.Random`; nothing is read from disk.
A clip is a float tensor `(t, h, w, 3)` in -1..1. A scene is a stack of layers (the background and up to two
objects); each layer moves by a scale and an offset per frame, so the motion of every pixel is known exactly:
a point `u` of layer `l` is seen in frame `t` at `zoom[t] * u + centre[l, t]`.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.88, 0.10, 0.12), "green": (0.12, 0.75, 0.20), "blue": (0.12, 0.28, 0.95),
    "yellow": (0.97, 0.88, 0.10), "purple": (0.58, 0.12, 0.80), "orange": (0.98, 0.52, 0.05),
    "white": (0.96, 0.96, 0.96), "cyan": (0.08, 0.82, 0.88),
}
BACKGROUNDS: dict[str, tuple[float, float, float]] = {
    "dark": (0.06, 0.06, 0.07), "grey": (0.42, 0.42, 0.42), "blue": (0.08, 0.12, 0.32),
    "brown": (0.34, 0.22, 0.12), "green": (0.08, 0.26, 0.12),
}
SHAPES = ("circle", "square", "triangle", "ring")
DIRECTIONS: dict[str, tuple[int, int]] = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1), "still": (0, 0)}
SPEEDS: dict[str, tuple[float, float]] = {"slowly": (0.45, 0.9), "quickly": (1.5, 2.3)}
#: camera move -> (x, y, zoom); the camera itself travels that way, so the picture moves the other way.
CAMERAS: dict[str, tuple[int, int, int]] = {
    "still": (0, 0, 0), "pans left": (-1, 0, 0), "pans right": (1, 0, 0), "tilts up": (0, -1, 0),
    "tilts down": (0, 1, 0), "zooms in": (0, 0, 1), "zooms out": (0, 0, -1),
}
TEXTURES = ("plain", "textured", "striped", "natural")
CANVAS = (176, 256)
POOL = 320


@dataclass(frozen=True)
class Thing:
    """One object: its words, and its numbers in pixels of a 64-pixel-high picture."""
    colour: str
    shape: str
    direction: str
    speed: str
    radius: float
    start: tuple[float, float]
    rate: float
    edge: float
    textured: bool


@dataclass(frozen=True)
class Scene:
    """One clip before it is drawn."""
    background: str
    surface: str
    camera: str
    camera_rate: float
    ease: float
    things: tuple[Thing, ...]
    seed: int
    size: tuple[int, int]
    frames: int


@dataclass
class Clip:
    """A drawn clip: frames `(t, h, w, 3)`, caption, and the motion of its layers."""
    frames: torch.Tensor
    caption: str
    scene: Scene
    zoom: torch.Tensor                      # (t,)
    centre: torch.Tensor                    # (l, t, 2), x and y in pixels
    layer: torch.Tensor = field(repr=False)  # (t, h/4, w/4) int64: which layer is seen at the middle of each 4x4 cell


# ---- textures ------------------------------------------------------------------------------------------------

def octave_noise(rng: np.random.Generator, height: int, width: int, slope: float, channels: int = 1) -> np.ndarray:
    """Noise `(h, w, c)` of spectrum 1/f**slope, mean 0 and deviation 1."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    radius = np.maximum(np.hypot(fy, fx), 1.0 / max(height, width))
    spectrum = rng.standard_normal((channels, height, fx.size)) + 1j * rng.standard_normal((channels, height, fx.size))
    noise = np.fft.irfft2(spectrum / radius**slope, s=(height, width))
    noise = (noise - noise.mean((1, 2), keepdims=True)) / noise.std((1, 2), keepdims=True)
    return noise.transpose(1, 2, 0).astype(np.float32)


def _leaf_distance(kind: int, x: np.ndarray, y: np.ndarray, radius: float, stretch: float) -> np.ndarray:
    if kind == 0:
        return np.hypot(x, y * stretch) - radius
    if kind == 1:
        return np.maximum(np.abs(x), np.abs(y) * stretch) - radius
    return np.maximum(np.abs(x) * 0.866 + y * 0.5, -y) - radius * 0.6


def dead_leaves(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Overlapping soft-edged patches `(h, w, 3)` in 0..1, with the statistics of natural pictures."""
    palette = np.clip(rng.uniform(0.05, 0.95, (6, 1)) * 0.75 + rng.normal(0, 0.16, (6, 3)), 0.02, 0.98).astype(np.float32)
    picture = np.broadcast_to(palette[0], (height, width, 3)).copy()
    for _ in range(int(rng.integers(120, 360))):
        radius = float(np.clip(4.0 / rng.uniform(0.02, 1.0) ** 0.7, 3.0, 60.0))
        cx, cy, angle = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0, 2 * math.pi)
        stretch, edge = rng.uniform(1.0, 3.0), rng.uniform(0.8, 3.0)
        y0, y1 = max(0, int(cy - 1.5 * radius - 3)), min(height, int(cy + 1.5 * radius + 4))
        x0, x1 = max(0, int(cx - 1.5 * radius - 3)), min(width, int(cx + 1.5 * radius + 4))
        if y1 <= y0 or x1 <= x0:
            continue
        yy, xx = np.mgrid[y0:y1, x0:x1].astype(np.float32)
        u = (xx - cx) * math.cos(angle) + (yy - cy) * math.sin(angle)
        v = (yy - cy) * math.cos(angle) - (xx - cx) * math.sin(angle)
        cover = np.clip(0.5 - _leaf_distance(int(rng.integers(3)), u, v, radius, stretch) / edge, 0, 1)[..., None]
        shade = palette[rng.integers(6)] + rng.normal(0, 0.04, 3).astype(np.float32) + 0.12 * rng.uniform(-1, 1) * (v / radius)[..., None]
        picture[y0:y1, x0:x1] = picture[y0:y1, x0:x1] * (1 - cover) + shade * cover
    grain = octave_noise(rng, height, width, rng.uniform(0.8, 1.4)) * rng.uniform(0.0, 0.09)
    light = octave_noise(rng, height, width, 2.2) * rng.uniform(0.0, 0.12)
    return np.clip(picture * (1 + light) + grain, 0, 1)


def stripes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Soft stripes `(h, w, 1)` in -1..1 at a random angle."""
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    angle, period = rng.uniform(0, math.pi), rng.uniform(8, 22)
    wave = np.sin((xx * math.cos(angle) + yy * math.sin(angle)) * 2 * math.pi / period)
    return np.tanh(wave * rng.uniform(0.8, 2.5))[..., None].astype(np.float32)


@functools.lru_cache(maxsize=1)
def texture_pool(count: int = POOL) -> dict[str, np.ndarray]:
    """Textures the size of CANVAS, made once from fixed seeds and drawn from with random flips and tints."""
    height, width = CANVAS
    rng = np.random.default_rng(20240)
    return {
        "noise": np.stack([octave_noise(rng, height, width, rng.uniform(1.0, 1.9)) for _ in range(count // 4)]),
        "stripes": np.stack([stripes(rng, height, width) for _ in range(count // 4)]),
        "natural": np.stack([dead_leaves(rng, height, width) for _ in range(count)]).astype(np.float16),
    }


def _pick(rng: np.random.Generator, kind: str) -> np.ndarray:
    pool = texture_pool()[kind]
    picture = pool[rng.integers(len(pool))].astype(np.float32)
    return picture[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]


def background_canvas(scene: Scene, rng: np.random.Generator) -> torch.Tensor:
    """The whole painted background `(1, 3, H, W)` in 0..1, larger than the picture."""
    height, width = CANVAS
    colour = np.array(BACKGROUNDS[scene.background], np.float32)
    if scene.surface == "natural":
        picture = _pick(rng, "natural")
        if rng.random() < 0.5:
            picture = picture[..., rng.permutation(3)]
        gain, lift = rng.uniform(0.6, 1.1), rng.uniform(-0.05, 0.1)
        picture = picture * gain + lift
    else:
        yy, xx = np.mgrid[-0.5:0.5:height * 1j, -0.5:0.5:width * 1j].astype(np.float32)
        angle = rng.uniform(0, 2 * math.pi)
        ramp = (math.cos(angle) * xx + math.sin(angle) * yy)[..., None] * rng.uniform(0.0, 0.22)
        amount = {"plain": rng.uniform(0.0, 0.03), "textured": rng.uniform(0.05, 0.10), "striped": rng.uniform(0.04, 0.11)}[scene.surface]
        detail = _pick(rng, "stripes" if scene.surface == "striped" else "noise") * amount
        picture = colour * (1 + 2.0 * detail) + detail * 0.6 + ramp
    return torch.from_numpy(np.clip(picture, 0, 1).astype(np.float32).copy()).permute(2, 0, 1)[None]


# ---- scenes and captions -------------------------------------------------------------------------------------

def _start(rng: random.Random, direction: str, travel: float, radius: float, size: tuple[float, float]) -> tuple[float, float]:
    """A starting point from which the thing stays in the picture while it travels, where that is possible."""
    at = []
    for axis, extent in ((0, size[1]), (1, size[0])):
        low, high = radius + 1, extent - radius - 1
        step = DIRECTIONS[direction][axis] * travel
        low, high = max(low, low - step), min(high, high - step)
        at.append(rng.uniform(low, high) if high > low else (low + high) / 2)
    return at[0], at[1]


def sample_thing(rng: random.Random, size: tuple[int, int], frames: int, small: bool = False, textured: bool = False) -> Thing:
    """A random thing that stays in view of a still camera."""
    scale = size[0] / 64
    direction, speed = rng.choice(tuple(DIRECTIONS)), rng.choice(tuple(SPEEDS))
    radius = rng.uniform(6.5, 9) if small else rng.uniform(7.5, 13)
    rate = rng.uniform(*SPEEDS[speed])
    units = (64, size[1] / scale)
    return Thing(rng.choice(tuple(COLOURS)), rng.choice(SHAPES), direction, speed, radius,
                 _start(rng, direction, rate * (frames - 1), radius, units), rate,
                 rng.choice((1.0, 1.0, 1.6, 2.4)), textured)


def sample_scene(seed: int, size: tuple[int, int] = (64, 96), frames: int = 17, tier: int | None = None) -> Scene:
    """A random scene. Tier 1: one thing, plain background, camera still or panning. Tier 2: all else. Tier 0: judged captions."""
    rng = random.Random(seed)
    if tier is None:
        tier = 1 if rng.random() < 0.5 else 2
    background = rng.choice(tuple(BACKGROUNDS))
    if tier <= 1:
        things = [sample_thing(rng, size, frames)]
        camera = rng.choice(("pans left", "pans right")) if tier == 1 and rng.random() < 0.25 else "still"
        surface = "plain"
    else:
        surface = rng.choices(TEXTURES, (0.15, 0.2, 0.1, 0.55))[0]
        camera = rng.choices(tuple(CAMERAS), (0.22, 0.15, 0.15, 0.1, 0.1, 0.14, 0.14))[0]
        count = rng.choices((0, 1, 2), (0.35, 0.35, 0.3))[0] if surface == "natural" else rng.choices((1, 2), (0.5, 0.5))[0]
        things = [sample_thing(rng, size, frames, small=count == 2, textured=rng.random() < 0.4) for _ in range(count)]
        if count == 2 and things[0].colour == things[1].colour:
            things = things[:1]
    if background == "blue" or background == "green":  # a thing must stand out from a plain background of its own hue
        if surface != "natural" and any(t.colour == background for t in things) and rng.random() < 0.5:
            background = "dark"
    rate = rng.uniform(0.4, 1.8)
    if surface == "natural" and rng.random() < 0.6:  # shots from life mostly move little
        rate *= rng.random()
    ease = rng.uniform(-0.4, 0.4) if tier == 2 and rng.random() < 0.3 else 0.0
    return Scene(background, surface, camera, rate, ease, tuple(things), seed, size, frames)


def caption(scene: Scene, rng: random.Random) -> str:
    """One of several wordings of the scene."""
    parts = []
    for thing in scene.things:
        noun = f"{'an' if thing.colour == 'orange' else 'a'} {thing.colour} {thing.shape}"
        if thing.direction == "still":
            verb = rng.choice(("holding still", "standing still", "not moving", "still"))
        elif thing.direction in ("up", "down"):
            verb = rng.choice(("moving {d} {s}", "moves {d} {s}", "{s} moving {d}", "going {d} {s}")).format(d=thing.direction, s=thing.speed)
        else:
            verb = rng.choice(("moving {d} {s}", "moves {d} {s}", "{s} moving {d}", "moving {s} to the {d}", "going {d} {s}")).format(d=thing.direction, s=thing.speed)
        parts.append(f"{noun} {verb}")
    place = {"plain": f"a {scene.background} background", "textured": f"a textured {scene.background} background",
             "striped": f"a striped {scene.background} background", "natural": "a colourful patchwork background"}[scene.surface]
    text = f"{' and '.join(parts)} on {place}" if parts else place
    lens = rng.choice((", camera {}", ", the camera {}", "; camera {}")).format(scene.camera)
    if scene.camera == "still" and rng.random() < 0.5:
        lens = rng.choice(("", ", the camera is still"))
    return text + lens


# ---- drawing -------------------------------------------------------------------------------------------------

def outline_distance(shape: str, x: torch.Tensor, y: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Signed distance in pixels to the outline of a shape, negative inside."""
    if shape == "circle":
        return torch.hypot(x, y) - radius
    if shape == "square":
        return torch.maximum(x.abs(), y.abs()) - radius * 0.88
    if shape == "ring":
        return (torch.hypot(x, y) - radius * 0.78).abs() - radius * 0.27
    y = y - radius * 0.15
    return torch.maximum(x.abs() * 0.866 - y * 0.5, y) - radius * 0.58


def camera_path(scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
    """Zoom `(t,)` and position `(t, 2)` of the camera, in pixels."""
    steps = torch.arange(scene.frames, dtype=torch.float32)
    steps = steps + scene.ease * steps * (steps - scene.frames + 1) / scene.frames  # gentle acceleration
    x, y, z = CAMERAS[scene.camera]
    scale = scene.size[0] / 64
    zoom = torch.exp(z * 0.012 * scene.camera_rate * (steps - steps[-1] / 2))
    return zoom, torch.stack([x * steps, y * steps], -1) * scene.camera_rate * scale


def draw(scene: Scene) -> Clip:
    """Draw a scene; every random number comes from its seed."""
    rng, words = np.random.default_rng(scene.seed), random.Random(scene.seed + 1)
    height, width = scene.size
    scale = height / 64
    zoom, camera = camera_path(scene)
    middle = torch.tensor([width / 2, height / 2])
    centres = [middle - zoom[:, None] * (camera - camera.mean(0))]
    yy, xx = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    grid = torch.stack([xx, yy], -1)  # (h, w, 2)

    moving = scene.camera != "still"
    frames = slice(None) if moving else slice(0, 1)
    spot = (grid[None] - centres[0][frames, None, None]) / zoom[frames, None, None, None] / scale
    half = torch.tensor([CANVAS[1] / 2, CANVAS[0] / 2])
    canvas = background_canvas(scene, rng)
    picture = F.grid_sample(canvas.expand(len(spot), -1, -1, -1), spot / half, padding_mode="reflection", align_corners=False)
    picture = picture.permute(0, 2, 3, 1).expand(scene.frames, -1, -1, -1).clone()

    cells = grid[2::4, 2::4] - 0.5
    layer = torch.zeros(scene.frames, height // 4, width // 4, dtype=torch.int64)
    for index, thing in enumerate(scene.things, 1):
        steps = torch.arange(scene.frames, dtype=torch.float32)[:, None]
        travel = torch.tensor(DIRECTIONS[thing.direction], dtype=torch.float32) * thing.rate * steps
        place = (torch.tensor(thing.start) + travel) * scale - middle  # in the world, around the middle
        centre = middle + zoom[:, None] * (place - (camera - camera.mean(0)))
        centres.append(centre)
        radius = (thing.radius * scale * zoom)[:, None, None]
        local = grid[None] - centre[:, None, None]
        alpha = (0.5 - outline_distance(thing.shape, local[..., 0], local[..., 1], radius) / thing.edge).clamp(0, 1)
        colour = torch.tensor(COLOURS[thing.colour]).expand(1, 1, 1, 3)
        if thing.textured:
            noise = torch.from_numpy(_pick(rng, "noise").copy()).permute(2, 0, 1)[None]
            spot = local / zoom[:, None, None, None] / scale / half
            colour = colour * (1 + 0.16 * F.grid_sample(noise.expand(scene.frames, -1, -1, -1), spot, padding_mode="reflection", align_corners=False).permute(0, 2, 3, 1))
        picture = picture * (1 - alpha[..., None]) + colour * alpha[..., None]
        inside = cells[None] - centre[:, None, None]
        layer[outline_distance(thing.shape, inside[..., 0], inside[..., 1], radius) < 0] = index
    grain = rng.uniform(0, 0.012)
    noise = torch.from_numpy(rng.standard_normal(picture.shape, dtype=np.float32)) * grain
    return Clip((picture + noise).clamp(0, 1) * 2 - 1, caption(scene, words), scene, zoom, torch.stack(centres), layer)


def make_clip(seed: int, size: tuple[int, int] = (64, 96), frames: int = 17, tier: int | None = None) -> Clip:
    """Draw the scene of a seed."""
    return draw(sample_scene(seed, size, frames, tier))


def motion(clip: Clip, target: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """Where the things seen in each frame `target[i]` are in frame `source[i]`: displacements `(i, h/4, w/4, 2)` in pixels."""
    height, width = clip.scene.size
    yy, xx = torch.meshgrid(torch.arange(2, height, 4), torch.arange(2, width, 4), indexing="ij")
    here = torch.stack([xx, yy], -1).float()[None]
    seen = clip.layer[target]  # (i, h/4, w/4)
    frame = target[:, None, None].expand_as(seen)
    other = source[:, None, None].expand_as(seen)
    ratio = (clip.zoom[source] / clip.zoom[target])[:, None, None, None]
    there = clip.centre[seen, other] + ratio * (here - clip.centre[seen, frame])
    return there - here


VOCABULARY = sorted({
    *COLOURS, *BACKGROUNDS, *SHAPES, *DIRECTIONS, *SPEEDS, "a", "an", "and", "on", "the", "to", "is", "camera", "background",
    "moving", "moves", "going", "holding", "standing", "not", "textured", "striped", "colourful", "patchwork",
    "pans", "tilts", "zooms", "in", "out",
})
