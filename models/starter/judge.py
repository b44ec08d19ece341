"""Measure the starter: `python judge.py --checkpoint DIR/checkpoint.pt`. Judges see pixels only; clips and captions were never trained on."""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from export import load
from network import Starter
from sampling import Graph, sample
from world import COLOURS, DIRECTIONS, SHAPES, _distance, make_clip

TEST_SEED = 700_000_000


def psnr(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Of each clip `(b, 3, t, h, w)` in -1..1, in dB."""
    return -10 * torch.log10(((a - b) / 2).square().mean((1, 2, 3, 4)).clamp(min=1e-9))


def clips(count: int, tier: int, frames: int, size: tuple[int, int] = (64, 96), seed: int = 0, moving: bool = False) -> tuple[torch.Tensor, list]:
    """Unseen clips `(b, 3, t, h, w)` and what they show; with `moving`, none in which nothing moves."""
    made, index = [], TEST_SEED + seed
    while len(made) < count:
        clip = make_clip(index, size, frames, tier)
        index += 1
        still = clip.scene.camera == "still" and all(t.direction == "still" for t in clip.scene.things)
        if not (moving and still):
            made.append(clip)
    return torch.stack([c.frames for c in made]).permute(0, 4, 1, 2, 3), made


# ---- known frames --------------------------------------------------------------------------------------------

def crossfade(video: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Frames `start..stop` as a linear crossfade between their neighbours."""
    out = video.clone()
    for t in range(start, stop):
        share = (t - start + 1) / (stop - start + 1)
        out[:, :, t] = video[:, :, start - 1] * (1 - share) + video[:, :, stop] * share
    return out


def freeze(video: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Frames `start..stop` as their nearest known neighbour held."""
    out = video.clone()
    out[:, :, start:stop] = video[:, :, start - 1:start] if start else video[:, :, stop:stop + 1]
    return out


def span_mask(video: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """`(b, t, h, w)`: 1 in `start..stop`."""
    mask = torch.zeros(video.shape[0], *video.shape[2:])
    mask[:, start:stop] = 1
    return mask


def pooled(made: torch.Tensor, truth: torch.Tensor, start: int, stop: int) -> float:
    """PSNR of the mean error over all clips, which clips that hardly move do not rule."""
    return -10 * torch.log10(((made - truth)[:, :, start:stop] / 2).square().mean()).item()


#: name -> (frames, start and stop of the unknown, baseline)
SPANS = {
    "fill 8 between 5 and 4": (17, 5, 13, crossfade),
    "fill 8 between 8 and 9": (25, 8, 16, crossfade),
    "extend 8 forwards": (17, 9, 17, freeze),
    "extend 8 backwards": (17, 0, 8, freeze),
}


def judge_spans(net: Starter, video: torch.Tensor, texts: list[str], only: tuple[str, ...], **how) -> dict:
    """PSNR over the unknown frames, of the starter and of the baseline, mean over clips."""
    found = {}
    for name in only:
        frames, start, stop, baseline = SPANS[name]
        part = video[:, :, :frames]
        made = torch.cat([sample(net, texts[i:i + 16], part[i:i + 16], span_mask(part[i:i + 16], start, stop), seed=i, **how) for i in range(0, len(part), 16)])
        ours, theirs = psnr(made[:, :, start:stop], part[:, :, start:stop]), psnr(baseline(part, start, stop)[:, :, start:stop], part[:, :, start:stop])
        found[name] = {"ours": ours.mean().item(), "baseline": theirs.mean().item(), "gain": (ours - theirs).mean().item(),
                       "gain of mean errors": pooled(made, part, start, stop) - pooled(baseline(part, start, stop), part, start, stop),
                       "better in": (ours > theirs).float().mean().item()}
    return found


def judge_region(net: Starter, video: torch.Tensor, texts: list[str], **how) -> dict:
    """A quarter of the picture unknown in all frames, against the mean of its border."""
    b, _, t, h, w = video.shape
    mask = torch.zeros(b, t, h, w)
    y, x = h // 4, w // 4
    mask[:, :, y:y + h // 2, x:x + w // 2] = 1
    ring = F.pad(torch.ones(h // 2, w // 2), (x, w - x - w // 2, y, h - y - h // 2))
    ring = F.max_pool2d(ring[None, None], 3, 1, 1)[0, 0] - ring
    mean = (video * ring).sum((3, 4), keepdim=True) / ring.sum()
    flat = video * (1 - mask[:, None]) + mean * mask[:, None]
    made = torch.cat([sample(net, texts[i:i + 16], video[i:i + 16], mask[i:i + 16], seed=i, **how) for i in range(0, b, 16)])
    cut = lambda v: v[..., y:y + h // 2, x:x + w // 2]
    ours, theirs = psnr(cut(made), cut(video)), psnr(cut(flat), cut(video))
    return {"ours": ours.mean().item(), "baseline": theirs.mean().item(), "gain": (ours - theirs).mean().item()}


# ---- text ----------------------------------------------------------------------------------------------------

def find_thing(clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where pixels differ from the background, `(t, h, w)` in 0/1, and the centre of that in each frame `(t, 2)`; nan if nowhere."""
    middle = np.median(clip.reshape(clip.shape[0], -1, 3), 1)[:, None, None]
    away = np.abs(clip - middle).max(-1)
    seen = away > max(0.25, 0.5 * np.quantile(away, 0.99))
    yy, xx = np.mgrid[0:clip.shape[1], 0:clip.shape[2]]
    area = seen.sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.stack([(seen * xx).sum((1, 2)) / area, (seen * yy).sum((1, 2)) / area], 1)
    return seen, np.where(area[:, None] > 12, centre, np.nan)


def name_colour(clip: np.ndarray, seen: np.ndarray) -> str:
    """The named colour nearest to what the thing mostly shows."""
    if not seen.any():
        return "none"
    shown = np.median((clip[seen] + 1) / 2, 0)
    names = list(COLOURS)
    return names[int(np.argmin([np.linalg.norm(shown - np.array(COLOURS[n])) for n in names]))]


def name_direction(centre: np.ndarray) -> str:
    """From the first to the last frames in which the thing is seen."""
    held = centre[~np.isnan(centre[:, 0])]
    if len(held) < 6:
        return "none"
    dx, dy = held[-3:].mean(0) - held[:3].mean(0)
    if max(abs(dx), abs(dy)) < 3:
        return "still"
    if abs(dx) > abs(dy):
        return "right" if dx > 0 else "left"
    return "down" if dy > 0 else "up"


def name_shape(seen: np.ndarray) -> str:
    """The shape whose drawing covers the same pixels best, over all frames."""
    height, width = seen.shape[1:]
    yy, xx = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    score = dict.fromkeys(SHAPES, 0.0)
    for frame in seen[::2]:
        if frame.sum() < 12:
            continue
        rows, columns = np.where(frame.any(1))[0], np.where(frame.any(0))[0]
        cy, cx = (rows[0] + rows[-1] + 1) / 2, (columns[0] + columns[-1] + 1) / 2
        half = max(rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) / 2
        for shape, reach in (("circle", 1.0), ("square", 0.88), ("ring", 1.05), ("triangle", 1.0)):
            best = 0.0
            for grow in (0.9, 1.0, 1.1):
                radius = torch.tensor(half / reach * grow)
                drop = 0.15 * float(radius) if shape == "triangle" else 0.0
                cover = (_distance(shape, xx - cx, yy - cy - drop, radius) < 0).numpy()
                best = max(best, (cover & frame).sum() / max(1, (cover | frame).sum()))
            score[shape] += best
    return max(score, key=score.get) if any(score.values()) else "none"


def judge_pixels(video: torch.Tensor, scenes: list, turn: int = 0) -> dict:
    """Share of clips whose thing has the named colour, direction, shape; with `turn`, against other clips' words."""
    right = {"colour": 0, "direction": 0, "shape": 0}
    for index in range(len(video)):
        clip = video[index].permute(1, 2, 3, 0).numpy()
        thing = scenes[(index + turn) % len(scenes)].things[0]
        seen, centre = find_thing(clip)
        right["colour"] += name_colour(clip, seen) == thing.colour
        right["direction"] += name_direction(centre) == thing.direction
        right["shape"] += name_shape(seen) == thing.shape
    return {k: v / len(video) for k, v in right.items()}


def block_ratio(video: torch.Tensor) -> float:
    """Mean step across 16-pixel edges over the mean step elsewhere."""
    across = (video[..., 1:] - video[..., :-1]).abs().mean((0, 1, 2, 3))
    down = (video[..., 1:, :] - video[..., :-1, :]).abs().mean((0, 1, 2, 4))
    edge = np.concatenate([across[15::16], down[15::16]]).mean()
    keep = lambda x: np.delete(x.numpy(), np.s_[15::16])
    return float(edge / np.concatenate([keep(across), keep(down)]).mean())


# ---- real footage --------------------------------------------------------------------------------------------

def read_footage(path: Path, ffmpeg: str, size: tuple[int, int] = (64, 112)) -> torch.Tensor:
    """Frames `(t, 3, h, w)` of a film, scaled."""
    import subprocess
    height, width = size
    raw = subprocess.run([ffmpeg, "-v", "error", "-i", str(path), "-vf", f"scale={width}:{height}:flags=area", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                         capture_output=True, check=True).stdout
    frames = torch.from_numpy(np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3).copy()).float() / 127.5 - 1
    return frames.permute(0, 3, 1, 2)


def spans_of(frames: torch.Tensor, count: int, length: int) -> torch.Tensor:
    """`count` clips `(b, 3, t, h, w)` spread over a film."""
    starts = np.linspace(0, len(frames) - length, count).astype(int)
    return torch.stack([frames[s:s + length] for s in starts]).transpose(1, 2)


# ---- pictures ------------------------------------------------------------------------------------------------

def sheet(rows: list[torch.Tensor], path: Path, every: int = 2, zoom: int = 1) -> None:
    """Rows of clips `(3, t, h, w)`, every second frame, as one picture."""
    lines = [torch.cat(list(row[:, ::every].permute(1, 2, 3, 0)), 1) for row in rows]
    wide = max(line.shape[1] for line in lines)
    lines = [F.pad(line, (0, 0, 0, wide - line.shape[1], 0, 2), value=-1) for line in lines]
    picture = ((torch.cat(lines).clamp(-1, 1) + 1) * 127.5).round().byte().numpy()
    image = Image.fromarray(picture)
    image.resize((image.width * zoom, image.height * zoom), Image.NEAREST).quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def contact_sheet(net: Starter, footage: torch.Tensor | None, path: Path, **how) -> None:
    """Truth above result for fills and extensions, then clips from text alone."""
    rows = []
    video, made = clips(3, 2, 17, (64, 112), seed=5000)
    simple, more = clips(2, 1, 17, (64, 112), seed=6000)
    sources = [(video, [c.caption for c in made]), (simple, [c.caption for c in more])]
    if footage is not None:
        sources.append((spans_of(footage, 3, 17), [""] * 3))
    for video, texts in sources:
        for start, stop in ((5, 13), (9, 17)):
            out = sample(net, texts, video, span_mask(video, start, stop), **{**how, "guidance": 1.0})
            for index in range(len(video)):
                rows += [video[index], out[index]]
    texts = ["a red circle moving left quickly on a dark background, camera still", "a yellow triangle moving up slowly on a brown background",
             "a white ring moving right quickly on a blue background", "a cyan square holding still on a grey background"]
    blank = torch.zeros(len(texts), 3, 17, 64, 112)
    rows += list(sample(net, texts, blank, torch.ones(len(texts), 17, 64, 112), **how))
    sheet(rows, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--package", type=Path, help="run this package's transformer instead of torch")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "figures.json")
    parser.add_argument("--count", type=int, default=64, help="clips of the text judge, and of both tiers together")
    parser.add_argument("--footage", type=Path)
    parser.add_argument("--ffmpeg", default="ffmpeg")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=1.5)
    parser.add_argument("--shift", type=float, default=3.0)
    parser.add_argument("--sampler", default="flow_euler")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    net, state = load(args.checkpoint)
    if args.package:
        net.transformer = Graph(args.package, args.threads)
    how = {"steps": args.steps, "guidance": args.guidance, "shift": args.shift, "sampler": args.sampler}
    found = {"clips trained on": state["clips"], "sampling": how}
    footage = read_footage(args.footage, args.ffmpeg) if args.footage else None
    names = ("fill 8 between 5 and 4", "extend 8 forwards") if args.quick else tuple(SPANS)
    spans = {**how, "guidance": 1.0}
    for tier in (1, 2):
        video, made = clips(args.count // 2, tier, 25 if not args.quick else 17, moving=True)
        found[f"tier {tier}"] = judge_spans(net, video, [c.caption for c in made], names, **spans)
        if not args.quick:
            found[f"tier {tier}"]["a quarter of the picture"] = judge_region(net, video[:, :, :17], [c.caption for c in made], **spans)
    video, made = clips(args.count, 0, 17, seed=10_000)
    scenes = [c.scene for c in made]
    began = time.time()
    drawn = torch.cat([sample(net, [c.caption for c in made[i:i + 16]], video[i:i + 16], torch.ones(len(made[i:i + 16]), *video.shape[2:]), seed=i, **how)
                       for i in range(0, len(made), 16)])
    found["text"] = {"right": judge_pixels(drawn, scenes), "shuffled": judge_pixels(drawn, scenes, turn=7), "judge on true clips": judge_pixels(video, scenes),
                     "seconds a clip": (time.time() - began) / len(made)}
    found["step across 16-pixel edges over elsewhere"] = {"text": block_ratio(drawn), "true clips": block_ratio(video)}
    if footage is not None:
        real = spans_of(footage, 6, 25)
        found["real footage"] = judge_spans(net, real, [""] * len(real), names, **spans)
        out = sample(net, [""] * len(real), real[:, :, :17], span_mask(real[:, :, :17], 5, 13), **spans)
        found["step across 16-pixel edges over elsewhere"] |= {"real fill": block_ratio(out[:, :, 5:13]), "real": block_ratio(real[:, :, 5:13])}
    args.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    if args.sheet:
        contact_sheet(net, footage, args.sheet, **how)


if __name__ == "__main__":
    main()
