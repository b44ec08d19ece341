"""Train the starter: `python train.py --out DIR`. Run again to go on from the last checkpoint in DIR.

The rate of learning is constant and falls linearly over the last part, `--decay`, of `--clips`. A run may therefore be
made longer or shorter than planned by starting it again with another `--clips`, or with `--finish`, which lets the
rate fall to nothing over so many minutes and stops.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import functools
import math
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F

import canvas as cv
import codec as codecs
import tokenizer as words
from masks import blank_control, control_input, sample_mask
from network import CELLS, PATHS, RADIUS, TOKEN, Config, Layout, Starter
from optim import Muon
from package_io import fill, read_package
from world import CAMERAS, DIRECTIONS, Clip, Scene, draw, make_clip, motion, outline_distance

#: (height, width), frames, share of the steps
SIZES = (((64, 96), 17, 0.60), ((64, 112), 17, 0.20), ((64, 96), 9, 0.05), ((64, 96), 21, 0.09), ((64, 112), 25, 0.04), ((80, 128), 17, 0.02))
SIMPLE_BLANK, SIMPLE_KNOWN = 0.85, 0.35  # share of clips of the first tier, where nothing and where something is known
BLANK = 0.9         # share of the steps in which nothing is known: text takes longest
KNOWN_BATCH = 0.5   # size of the other steps' batch, which cost more
SHIFT_BLANK, SHIFT_KNOWN = 6.0, 3.0  # noise levels to train at: what text alone decides is decided in much noise
ALL_NOISE_BLANK, ALL_NOISE_KNOWN = 0.08, 0.6  # share of clips of which noise hides all: known frames are continued in one step
RELATIVE = 0.2      # weight of an error's logarithm where known frames are continued: plain surfaces show small errors, too
SEAM = 3.0          # weight of steps at the edges of blocks that are not the clip's, which the eye sees before it sees an error
MATRICES = ("qkv", "out", "q_text", "kv_text", "out_text", "up", "down")  # of a block, for Muon
#: for the C library of the workers: freed memory is kept for the next step, which else costs a sixth of the time
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "8589934592", "MALLOC_TRIM_THRESHOLD_": "17179869184", "MALLOC_TOP_PAD_": "268435456", "MALLOC_ARENA_MAX": "2"}
TRAIN_SEED = 1_000_000
LOG_EVERY = 25


@dataclasses.dataclass
class Sample:
    """A clip as it is trained on."""
    clip: Clip
    latent: torch.Tensor  # (c, f, h, w)

    @functools.cached_property
    def reference(self) -> torch.Tensor:
        """A picture `(h, w, 3)` of the clip's first object, or one of its frames if it has none."""
        scene = self.clip.scene
        if not scene.things:
            return self.clip.frames[scene.seed % scene.frames]
        return draw(object_reference(scene, random.Random(scene.seed))).frames[0].half()


def object_reference(scene: Scene, rng: random.Random) -> Scene:
    """The scene's first object alone, standing still in the middle on a plain background."""
    thing = dataclasses.replace(scene.things[0], direction="still", start=(32 * scene.size[1] / scene.size[0], 32.0))
    return dataclasses.replace(scene, surface="plain", camera="still", frames=1, things=(thing,), background=rng.choice(("dark", "grey")))


class ClipStream:
    """Clips of each size, a few drawn anew at every step and used several times with other noise and other masks."""

    def __init__(self, codec: codecs.Codec, seed: int, keep: int = 800, reuse: int = 6):
        self.codec, self.next_seed, self.keep, self.reuse = codec, seed, keep, reuse
        self.rng = random.Random(seed)
        self.held: dict[tuple, list[Sample]] = {}

    @torch.no_grad()
    def _draw(self, size: tuple[int, int], frames: int, simple: float) -> Sample:
        clip = make_clip(self.next_seed, size, frames, 1 if self.rng.random() < simple else 2)
        self.next_seed += 1
        latent = self.codec.encode(clip.frames.permute(3, 0, 1, 2)[None])[0].half()
        return Sample(dataclasses.replace(clip, frames=clip.frames.half()), latent)

    def batch(self, size: tuple[int, int], frames: int, count: int, simple: float) -> list[Sample]:
        """`count` clips, of which a share `simple` is of the first tier."""
        held = self.held.setdefault((size, frames, simple), [])
        fresh = count if len(held) < 3 * count else max(1, count // self.reuse)
        for _ in range(fresh):
            sample = self._draw(size, frames, simple)
            if len(held) < self.keep:
                held.append(sample)
            else:
                held[self.rng.randrange(self.keep)] = sample
        return held[-count:] if fresh == count else self.rng.sample(held, count)


def rate_truth(samples: list[Sample], canvas: cv.Canvas) -> torch.Tensor:
    """The true motion `(b, n, 4, H/4, W/4)` in pixels a frame towards past and future source."""
    back, ahead, _, _ = cv.gaps(canvas)
    rows = []
    for index, sample in enumerate(samples):
        last = sample.clip.scene.frames - 1
        target = canvas.time[index].clamp(0, last).long()
        towards = []
        for gap, sign in ((back[index], -1), (ahead[index], 1)):
            source = (target + sign * gap.long()).clamp(0, last)
            towards.append(motion(sample.clip, target, source) / gap.clamp(min=1)[:, None, None, None])
        rows.append(torch.cat(towards, -1).permute(0, 3, 1, 2))
    return torch.stack(rows)


def path_truth(samples: list[Sample], said: list[bool]) -> torch.Tensor:
    """How the things and the scene of each clip move, `(b, PATHS, 3)` as `Transformer.paths`; nothing where nothing is said."""
    truth = torch.zeros(len(samples), PATHS, 3)
    for row, sample, tell in zip(truth, samples, said):
        scene = sample.clip.scene
        if tell:
            x, y, z = CAMERAS[scene.camera]
            row += scene.camera_rate * torch.tensor([-x, -y, 32 * 0.012 * z])
            for path, thing in zip(row, scene.things):
                path[:2] += thing.rate * torch.tensor(DIRECTIONS[thing.direction])
    return truth


def shown(scene: Scene, thing: int, clip: Clip, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Where a thing is in the middle of each of `count` latent frames, `(f, 2)` in tokens, and what it covers of cells, `(f, tokens, CELLS**2)`."""
    times = torch.tensor([0.0, *(4 * k - 1.5 for k in range(1, count))])
    between = lambda values: (values[times.floor().long()] + values[times.ceil().long()]) / 2
    centre, zoom = between(clip.centre[1 + thing]), between(clip.zoom)
    height, width = scene.size
    cell = TOKEN // CELLS
    y = torch.arange(height // cell)[:, None] * cell + cell / 2 - centre[:, 1, None, None]
    x = torch.arange(width // cell)[None] * cell + cell / 2 - centre[:, 0, None, None]
    radius = (scene.things[thing].radius * height / 64 * zoom)[:, None, None]
    cover = (0.5 - outline_distance(scene.things[thing].shape, *torch.broadcast_tensors(x, y), radius) / cell).clamp(0, 1)
    cover = cover.reshape(count, height // TOKEN, CELLS, width // TOKEN, CELLS).transpose(2, 3)
    return centre / TOKEN, cover.reshape(count, -1, CELLS * CELLS)


def layout_errors(layout: Layout, samples: list[Sample], said: list[bool], heads: int) -> tuple[torch.Tensor, torch.Tensor]:
    """How far the layout is from the things that the text tells of.

    The mean distance in tokens of their middles and of their sizes' logarithms, and the cross entropy of what they
    cover, a cell of them each.
    """
    places, covers = [], []
    for index, (sample, tell) in enumerate(zip(samples, said)):
        scene = sample.clip.scene
        for thing in range(len(scene.things) if tell else 0):
            count = layout.places.shape[1] - heads
            where, cover = shown(scene, thing, sample.clip, count)
            size = layout.size[index, thing] - math.log(scene.things[thing].radius / RADIUS)
            places.append((layout.places[index, heads:, thing] - where).abs().mean() + size.abs())
            told = layout.cover[index, :, thing].unflatten(0, (count + heads, -1))[heads:]
            covers.append(F.binary_cross_entropy_with_logits(told, cover, reduction="sum") / cover.sum().clamp(min=20))
    nothing = layout.size.sum() * 0
    mean = lambda errors: torch.stack(errors).mean() if errors else nothing
    return mean(places), mean(covers)


def seam(codec: codecs.Codec, error: torch.Tensor, unknown: torch.Tensor) -> torch.Tensor:
    """Mean step, of a range of 2, that an error of the latents `(b, c, f, h, w)` makes at the edges of blocks, where both are unknown `(b, 1, f, h, w)`."""
    across, down = codec.steps(error)
    there = unknown[:, 0, ..., None]
    counted = there[:, :, :, 1:] * there[:, :, :, :-1], there[:, :, 1:] * there[:, :, :-1]
    total = sum((n * torch.sqrt(step.square() + 1e-4)).mean(-1).sum() for step, n in zip((across, down), counted))
    return total / (counted[0].sum() + counted[1].sum() + 1)


class Trainer:
    """One training run: networks, optimisers, averaged weights, and the log."""

    def __init__(self, out: Path, config: Config, batch: int, rate: float, seed: int, rank: int = 0, workers: int = 1):
        torch.manual_seed(seed)
        self.rank, self.workers = rank, workers
        self.out, self.batch, self.peak, self.seed = out, batch, rate, seed
        self.tokenizer = words.build()
        self.net = Starter(dataclasses.replace(config, vocabulary=self.tokenizer.get_vocab_size()))
        self._fit_codec()
        self.net.transformer.half = True
        for block in self.net.transformer.blocks:
            block.compile(dynamic=True)  # one compilation for all blocks and sizes; needs a C++ compiler
        matrices = [getattr(block, name).weight for block in self.net.transformer.blocks for name in MATRICES]
        chosen = {id(p) for p in matrices}
        others = [p for p in self.net.parameters() if id(p) not in chosen]
        self.optimisers = [Muon(matrices, lr=rate), torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)]
        self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        self.step = self.clips = 0
        self.seconds = 0.0

    def _fit_codec(self) -> None:
        path = self.out / f"codec{self.net.config.channels}.pt"
        if not path.exists():
            if self.rank == 0:
                torch.save(codecs.fit_on_world(self.net.config.channels).state_dict(), path)
        if self.workers > 1:
            dist.barrier()
        self.net.codec.load_state_dict(torch.load(path))
        weight = self.net.codec.scale.square()
        self.channel_weight = (0.3 + 0.7 * weight / weight.mean())[None, :, None, None, None]

    # ---- checkpoints ----

    def save(self) -> None:
        if self.rank:
            return
        state = {"config": self.net.settings(), "net": self.net.state_dict(), "average": self.average, "step": self.step,
                 "clips": self.clips, "seconds": self.seconds, "optimisers": [o.state_dict() for o in self.optimisers]}
        torch.save(state, self.out / "checkpoint.tmp")
        os.replace(self.out / "checkpoint.tmp", self.out / "checkpoint.pt")

    def start_from(self, package: Path) -> None:
        """Begin with the weights of a package, which must have this network's sizes; layers that it lacks begin untrained."""
        config, weights = read_package(package)
        if config != self.net.config:
            raise SystemExit(f"{package}: expected networks of {self.net.config}, found {config}")
        untrained = fill(self.net, weights)
        if self.rank == 0:
            print("untrained:", ", ".join(untrained) or "nothing", flush=True)
        self.average = {k: v.detach().clone() for k, v in self.net.state_dict().items()}

    def resume(self) -> bool:
        path = self.out / "checkpoint.pt"
        if not path.exists():
            return False
        state = torch.load(path)
        self.net.load_state_dict(state["net"])
        self.average, self.step, self.clips, self.seconds = state["average"], state["step"], state["clips"], state["seconds"]
        for optimiser, saved in zip(self.optimisers, state["optimisers"]):
            optimiser.load_state_dict(saved)
        return True

    # ---- one step ----

    def batch_of(self, plan: random.Random, rng: random.Random, stream: ClipStream, blank: bool) -> tuple[list[Sample], torch.Tensor, list[bool], torch.Tensor | None]:
        """Samples, their text `(b, l, d)`, whether there is any, and references `(b, r, 3, h, w)`; `plan` is shared by all workers, `rng` is one worker's."""
        size, frames, _ = plan.choices(SIZES, [s[2] for s in SIZES])[0]
        cost = frames * size[0] * size[1] / (17 * 64 * 96)
        count = max(2, round(self.batch * (1 if blank else KNOWN_BATCH) / self.workers / max(cost, 1.0)))
        samples = stream.batch(size, frames, count, SIMPLE_BLANK if blank else SIMPLE_KNOWN)
        texts = ["" if rng.random() < (0.12 if blank else 0.4) else s.clip.caption for s in samples]
        ids, keep = (torch.tensor(x) for x in words.encode(self.tokenizer, texts, self.net.config.max_tokens))
        ids = torch.where((torch.rand(ids.shape) < 0.02) & (ids > 2), 1, ids)
        pictures = []
        for _ in range(plan.choices((0, 1, 2), (0.76, 0.2, 0.04) if blank else (0.86, 0.12, 0.02))[0]):
            of_object = rng.random() < 0.6
            pictures.append(torch.stack([s.reference if of_object else s.clip.frames[rng.randrange(frames)] for s in samples]).float())
        references = torch.stack(pictures, 1).permute(0, 1, 4, 2, 3) if pictures else None
        return samples, self.net.encode_text(ids, keep), [bool(text) for text in texts], references

    def control(self, samples: list[Sample], references: torch.Tensor | None, rng: random.Random, blank: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """The control input, and what share of each latent is unknown `(b, 1, f, h, w)`, references left out."""
        codec, (frames, height, width, _) = self.net.codec, samples[0].clip.frames.shape
        if blank:
            control = blank_control(codec, (len(samples), frames, height, width), references)
            return control, torch.ones(len(samples), 1, (frames + 3) // 4, height // 8, width // 8)
        video = torch.stack([s.clip.frames for s in samples]).float().permute(0, 4, 1, 2, 3)
        mask = torch.stack([sample_mask(rng, frames, height, width) for _ in samples])
        unknown = F.avg_pool3d(mask[:, None], (1, 8, 8))
        unknown = torch.cat([unknown[:, :, :1], F.max_pool3d(unknown[:, :, 1:], (4, 1, 1))], 2)
        return control_input(codec, video, mask, references), unknown

    def loss(self, plan: random.Random, rng: random.Random, stream: ClipStream, blank: bool) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of one batch, in which nothing is known if `blank`, and figures for the log."""
        samples, text, said, references = self.batch_of(plan, rng, stream, blank)
        codec = self.net.codec
        with torch.no_grad():
            control, unknown = self.control(samples, references, rng, blank)
            clean = torch.stack([s.latent for s in samples]).float()
            heads = 0 if references is None else references.shape[1]
            if heads:
                clean = torch.cat([control[:, :codec.channels, :heads], clean], 2)
                unknown = F.pad(unknown, (0, 0, 0, 0, heads, 0))
            b = len(samples)
            u = (torch.arange(b) + torch.rand(b)) / b  # spread over the levels
            shift = SHIFT_BLANK if blank else SHIFT_KNOWN
            sigma = (shift * u / (1 + (shift - 1) * u)).clamp(0.02, 1.0)
            sigma[torch.rand(b) < (ALL_NOISE_BLANK if blank else ALL_NOISE_KNOWN)] = 1.0
            level = sigma[:, None, None, None, None]
            noisy = (1 - level) * clean + level * torch.randn_like(clean)
        out = self.net.transformer.predict(noisy, sigma, text, control, torch.ones(1))
        weight = unknown * self.channel_weight
        total = weight.sum((1, 2, 3, 4)) + 1e-3
        error = (weight * (out.clean - clean).square()).sum((1, 2, 3, 4)) / total
        present = (unknown.sum((1, 2, 3, 4)) > 0).float()
        main = (error * present * (1 / sigma.square()).clamp(max=6)).mean()
        steps = seam(codec, out.clean - clean, unknown)
        paths = (out.paths - path_truth(samples, said)).abs().mean()
        places, cover = layout_errors(out.layout, samples, said, heads)
        figures = {"main": main.item(), "seam": steps.item(), "paths": paths.item(), "places": places.item(), "cover": cover.item(), "blank": float(blank), "clips": len(samples)}
        also = SEAM * steps + paths + 0.3 * places + 0.3 * cover
        if blank:
            return main + also, figures
        guess = ((weight * (out.guess - clean).square()).sum((1, 2, 3, 4)) / total * present).mean()
        relative = (present * (sigma == 1) * (error + 1e-3).log()).mean()
        with torch.no_grad():
            canvas = cv.read_canvas(codec, *cv.parts(codec, control))
            truth = rate_truth(samples, canvas)
            _, _, before, after = cv.gaps(canvas)
            cells = F.interpolate(1 - canvas.known, scale_factor=2.0, mode="nearest")
            counted = torch.stack([before, before, after, after], 2)[..., None, None] * cells[:, :, None]
            counted = counted * (1 - canvas.reference).repeat_interleave(4, 1)[:, :, None, None, None]
        rates = (counted * (out.rates - truth).abs()).sum() / (counted.sum() + 1)
        figures |= {"guess": guess.item(), "rates": rates.item()}
        return main + guess + rates + also + RELATIVE * relative, figures

    def rate_factor(self, clips: int, decay: float) -> float:
        warm = min(1.0, (self.step + 1) / 100)
        return warm * min(1.0, max(0.02, (clips - self.clips) / (decay * clips)))

    def run(self, clips: int, share: float, decay: float, minutes: float, save_every: float, finish: float | None = None) -> None:
        """Train to `clips`, or for `minutes`, or for `finish` minutes with the rate falling all the while."""
        minutes = minutes if finish is None else finish
        plan, rng = random.Random(self.seed + self.step), random.Random(f"{self.seed + self.step} {self.rank}")
        stream = ClipStream(self.net.codec, TRAIN_SEED + self.clips + 50_000_000 * self.rank)
        torch.manual_seed(self.seed + self.step + 1_000_003 * self.rank)
        log = open(self.out / "train.csv" if self.rank == 0 else os.devnull, "a", newline="")
        writer = csv.writer(log)
        if self.step == 0:
            writer.writerow(["step", "clips", "seconds", "clips_per_second", "main_text", "main_known", "guess", "rates", "paths", "places", "cover", "seam", "rate"])
        began = last_save = last_log = time.time()
        held: dict[str, list[float]] = {}
        counted = self.clips
        base = self.seconds
        while self.clips < share * clips and self._agree(time.time() - began < 60 * minutes):
            factor = self.rate_factor(clips, decay)
            if finish is not None:
                factor *= max(0.02, 1 - (time.time() - began) / (60 * finish))
            for optimiser in self.optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = self.peak * factor
                optimiser.zero_grad(set_to_none=True)
            loss, figures = self.loss(plan, rng, stream, plan.random() < BLANK)
            loss.backward()
            self._share_gradients()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
            for optimiser in self.optimisers:
                optimiser.step()
            self.step += 1
            self.clips += figures.pop("clips") * self.workers
            self._average()
            figures["main_text" if figures.pop("blank") else "main_known"] = figures.pop("main")
            for key, value in figures.items():
                held.setdefault(key, []).append(value)
            now = time.time()
            if self.step % LOG_EVERY == 0:
                self.seconds = base + now - began
                speed = (self.clips - counted) / (now - last_log)
                row = [self.step, self.clips, round(self.seconds), round(speed, 1)]
                row += [round(float(np.mean(held.get(k, [float("nan")]))), 4) for k in ("main_text", "main_known", "guess", "rates", "paths", "places", "cover", "seam")]
                writer.writerow(row + [round(self.peak * factor, 6)])
                log.flush()
                held, counted, last_log = {}, self.clips, now
            if now - last_save > 60 * save_every:
                self.seconds = base + now - began
                self.save()
                last_save = now
        self.seconds = base + time.time() - began
        self.save()

    def _agree(self, go_on: bool) -> bool:
        """Whether every worker wants to go on."""
        if self.workers == 1:
            return go_on
        vote = torch.tensor([float(go_on)])
        dist.all_reduce(vote, op=dist.ReduceOp.MIN)
        return bool(vote.item())

    def _share_gradients(self) -> None:
        """Mean of all workers' gradients."""
        if self.workers == 1:
            return
        held = [p for p in self.net.parameters() if p.requires_grad]
        flat = torch.cat([torch.zeros(p.numel()) if p.grad is None else p.grad.flatten() for p in held])
        dist.all_reduce(flat)
        for p, part in zip(held, (flat / self.workers).split([p.numel() for p in held])):
            p.grad = part.view_as(p)

    def _average(self) -> None:
        keep = min(0.996, (1 + self.step) / (10 + self.step))
        if self.step % 4 == 0:
            with torch.no_grad():
                for name, value in self.net.state_dict().items():
                    self.average[name].lerp_(value, 1 - keep**4)


def work(rank: int, args: argparse.Namespace) -> None:
    """One worker of a run."""
    torch.set_num_threads(args.threads)
    if args.workers > 1:
        dist.init_process_group("gloo", init_method=f"file://{args.out.resolve()}/meeting", rank=rank, world_size=args.workers)
    config = Config(width=args.width, layers=args.layers, motion_layer=args.layers // 2, cover_layer=args.layers * 3 // 4, heads=args.width // 32)
    trainer = Trainer(args.out, config, args.batch, args.rate, args.seed, rank, args.workers)
    if not trainer.resume() and args.start:
        trainer.start_from(args.start)
    if rank == 0:
        print(f"{sum(p.numel() for p in trainer.net.parameters()) / 1e6:.2f}M parameters, from step {trainer.step}", flush=True)
    trainer.run(args.clips, args.share, args.decay, args.minutes, args.save_every, args.finish)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoint.pt and train.csv")
    parser.add_argument("--start", type=Path, help="a package whose weights a new run begins with")
    parser.add_argument("--clips", type=int, default=70_000)
    parser.add_argument("--share", type=float, default=1.0, help="stop after this share of the clips, at the rate that a whole run has there")
    parser.add_argument("--decay", type=float, default=0.5, help="share of the clips over which the rate falls")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop, with a checkpoint, after so long")
    parser.add_argument("--finish", type=float, help="minutes over which to end the run")
    parser.add_argument("--batch", type=int, default=48, help="clips a step, over all workers")
    parser.add_argument("--rate", type=float, default=1.2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes; each step's gradients are their mean")
    parser.add_argument("--threads", type=int, default=1, help="threads of a worker")
    parser.add_argument("--save-every", type=float, default=4.0, help="minutes")
    parser.add_argument("--width", type=int, default=Config.width)
    parser.add_argument("--layers", type=int, default=Config.layers)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "meeting").unlink(missing_ok=True)
    os.environ.update({name: value for name, value in KEEP_MEMORY.items() if name not in os.environ})
    if args.workers > 1:
        mp.spawn(work, (args,), args.workers)
    else:
        work(0, args)


if __name__ == "__main__":
    main()
