"""Golden values: what diffusers makes of the tiny model, its schedulers of a made-up flow, and arithmetic of a noise.

Layout of the folder, all arrays in NumPy's format, little-endian, C order:

    tiny_wan_vace/            the model as a package
    components/               NAME.in.*.npy and NAME.out.npy of single graphs
    pipeline/CASE/            case.json, video, mask, references, noise, embeddings; latent and frames that came out
    samplers.json             schedules and walks of diffusers' schedulers
    noise.json                noise numbers, computed with 60 digits
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import mpmath
import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler, WanVACEPipeline
from diffusers.pipelines.wan import pipeline_wan_vace
from PIL import Image

from . import tiny

PROMPTS = ["a red ball moves left over the water", "", "  Blue\n box,  slowly ", "unknown Ünïcode ☃ and № 42", "the green ball " * 12]


@dataclass(frozen=True)
class Case:
    """One run of the whole pipeline."""
    name: str
    frames: int
    height: int
    width: int
    known: tuple[tuple[int, int], ...]  # runs of known frames
    region: bool                        # the left half of two more frames is known too
    references: int
    steps: int
    guidance: float
    prompt: str = PROMPTS[0]
    negative: str = "blue box slowly"


CASES = (Case("fill", 17, 32, 48, ((0, 5), (14, 17)), True, 1, 20, 5.0),
         Case("extend", 13, 48, 32, ((0, 5),), False, 2, 8, 3.0))


def save(path: Path, array: np.ndarray | torch.Tensor) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.ascontiguousarray(array.numpy() if isinstance(array, torch.Tensor) else array))


def save_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def moving_picture(rng: np.random.Generator, frames: int, height: int, width: int) -> np.ndarray:
    """Colours that drift, with grain: `(t, h, w, 3)` bytes."""
    t, y, x = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), indexing="ij")
    phase = rng.uniform(0, 6, 3)
    smooth = np.stack([np.sin(0.19 * x + 0.11 * (c + 1) * y + 0.4 * t + phase[c]) for c in range(3)], -1)
    return np.clip(127.5 + 90 * smooth + 12 * rng.standard_normal(smooth.shape), 0, 255).round().astype(np.uint8)


def case_mask(case: Case) -> np.ndarray:
    """1 where a pixel is to be made: `(t, h, w)` bytes."""
    mask = np.ones((case.frames, case.height, case.width), np.uint8)
    for start, stop in case.known:
        mask[start:stop] = 0
    if case.region:
        mask[8:10, :, : case.width // 2] = 0
    return mask


def pictures(frames: np.ndarray) -> list[Image.Image]:
    return [Image.fromarray(frame) for frame in frames]


def run_case(pipeline: WanVACEPipeline, case: Case, seed: int, folder: Path) -> None:
    rng = np.random.default_rng(seed)
    video = moving_picture(rng, case.frames, case.height, case.width)
    mask = case_mask(case)
    references = np.concatenate([moving_picture(rng, 1, case.height, case.width) for _ in range(case.references)])
    shape = (1, 16, (case.frames - 1) // 4 + 1 + case.references, case.height // 8, case.width // 8)
    noise = rng.standard_normal(shape).astype(np.float32)
    positive, negative = pipeline.encode_prompt(case.prompt, case.negative, max_sequence_length=tiny.MAX_TOKENS)
    arguments = dict(video=pictures(video), mask=pictures(mask * 255), reference_images=pictures(references),
                     prompt=case.prompt, negative_prompt=case.negative, max_sequence_length=tiny.MAX_TOKENS,
                     conditioning_scale=tiny.CONTROL_SCALE, height=case.height, width=case.width, num_frames=case.frames,
                     num_inference_steps=case.steps, guidance_scale=case.guidance)
    latent = pipeline(output_type="latent", latents=torch.from_numpy(noise.copy()), **arguments).frames
    frames = pipeline(output_type="pt", latents=torch.from_numpy(noise.copy()), **arguments).frames[0].permute(0, 2, 3, 1)
    save_json(folder / "case.json", {"steps": case.steps, "guidance": case.guidance, "prompt": case.prompt, "negative": case.negative})
    arrays = {"video": video, "mask": mask, "references": references, "noise": noise, "positive": positive, "negative": negative,
              "latent": latent, "frames": frames}
    for name, array in arrays.items():
        save(folder / f"{name}.npy", array)
    print(f"{case.name}: frames {tuple(frames.shape)}, mean {frames.mean():.3f}, deviation {frames.std():.3f}")


def statistics(pipeline: WanVACEPipeline) -> tuple[torch.Tensor, torch.Tensor]:
    config = pipeline.vae.config
    return torch.tensor(config.latents_mean).view(1, -1, 1, 1, 1), torch.tensor(config.latents_std).view(1, -1, 1, 1, 1)


def run_components(pipeline: WanVACEPipeline, folder: Path) -> None:
    rng = np.random.default_rng(7)
    normal = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    mean, std = statistics(pipeline)

    tokens = [pipeline.tokenizer(" ".join(prompt.split()), padding="max_length", max_length=tiny.MAX_TOKENS, truncation=True)
              for prompt in PROMPTS]
    save_json(folder / "tokens.json", [{"prompt": prompt, "ids": t.input_ids, "mask": t.attention_mask} for prompt, t in zip(PROMPTS, tokens)])
    embeddings = [pipeline.encode_prompt(prompt, None, False, max_sequence_length=tiny.MAX_TOKENS)[0] for prompt in PROMPTS]
    save(folder / "text.out.npy", torch.cat(embeddings))

    frames = np.clip(0.5 * normal(1, 3, 17, 32, 48), -1, 1)
    save(folder / "encode.in.npy", frames)
    save(folder / "encode.out.npy", (pipeline.vae.encode(torch.from_numpy(frames)).latent_dist.mode() - mean) / std)

    latent = normal(1, 16, 6, 4, 6)
    save(folder / "decode.in.npy", latent)
    save(folder / "decode.out.npy", pipeline.vae.decode(torch.from_numpy(latent) * std + mean).sample)

    inputs = {"latent": normal(1, 16, 5, 6, 4), "text": normal(1, tiny.MAX_TOKENS, tiny.TEXT_WIDTH), "control": normal(1, 96, 5, 6, 4)}
    for name, array in inputs.items():
        save(folder / f"transformer.in.{name}.npy", array)
    latent, text, control = (torch.from_numpy(array) for array in inputs.values())
    scale = torch.full((2,), tiny.CONTROL_SCALE)
    velocity = [pipeline.transformer(latent, torch.tensor([t]), text, control_hidden_states=control, control_hidden_states_scale=scale,
                                     return_dict=False)[0] for t in (999, 713, 20)]
    save(folder / "transformer.out.npy", torch.cat(velocity))


def walk(scheduler, velocities: np.ndarray, start: np.ndarray) -> list[list[float]]:
    """Latents after each step of a scheduler that is given `velocities`."""
    latent, states = torch.from_numpy(start.copy()), []
    for timestep, velocity in zip(scheduler.timesteps, velocities):
        latent = scheduler.step(torch.from_numpy(velocity), timestep, latent).prev_sample
        states.append([float(x) for x in latent.flatten()])
    return states


def sampler_case(kind: str, order: int, shift: float, steps: int) -> dict:
    rng = np.random.default_rng(1000 * steps + order)
    if kind == "unipc":
        scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift, solver_order=order)
        scheduler.set_timesteps(steps)
    else:
        scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
        scheduler.set_timesteps(sigmas=np.linspace(1.0, 0.0, steps + 1)[:-1])
    shape = (1, 2, 1, 2, 2)
    start = rng.standard_normal(shape).astype(np.float32)
    velocities = rng.standard_normal((steps, *shape)).astype(np.float32)
    return {"kind": kind, "order": order, "shift": shift, "steps": steps,
            "timesteps": [float(t) for t in scheduler.timesteps], "sigmas": [float(s) for s in scheduler.sigmas],
            "start": [float(x) for x in start.flatten()], "velocities": [[float(x) for x in v.flatten()] for v in velocities],
            "states": walk(scheduler, velocities, start)}


def run_samplers(path: Path) -> None:
    unipc = [sampler_case("unipc", order, shift, steps) for order, shift, steps in
             ((1, 3.0, 4), (2, 3.0, 1), (2, 3.0, 2), (2, 1.0, 8), (2, 3.0, 20), (2, 5.0, 50), (3, 3.0, 3), (3, 5.0, 12), (3, 3.0, 20))]
    euler = [sampler_case("flow_euler", 1, shift, steps) for shift, steps in ((1.0, 1), (3.0, 8), (5.0, 30))]
    save_json(path, unipc + euler)


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 of Salmon et al. 2011, written from the paper's text."""
    word = 0xFFFFFFFF
    for turn in range(10):
        k0, k1 = (key[0] + turn * 0x9E3779B9) & word, (key[1] + turn * 0xBB67AE85) & word
        p0, p1 = counter[0] * 0xD2511F53, counter[2] * 0xCD9E8D57
        counter = [(p1 >> 32) ^ counter[1] ^ k0, p1 & word, (p0 >> 32) ^ counter[3] ^ k1, p0 & word]
    return counter


def normal_number(seed: int, stream: int, frame: int, channel: int, y: int, x: int) -> float:
    """The noise of models/samplers/src/noise.rs with 60 digits, rounded once to single precision."""
    a, b, c, d = philox([x, y, channel | stream << 16, frame & 0xFFFFFFFF], [seed & 0xFFFFFFFF, seed >> 32])
    with mpmath.workdps(60):
        u = mpmath.mpf(((a | b << 32) >> 11) + 1) / 2**53
        v = mpmath.mpf((c | d << 32) >> 11) / 2**53
        return float(np.float32(float(mpmath.sqrt(-2 * mpmath.log(u)) * mpmath.cos(2 * mpmath.pi * v))))


def run_noise(path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = [(0, 0, 0, 0, 0, 0), (2**64 - 1, 2, -1, 65535, 2**31, 2**32 - 1)]
    for _ in range(200):
        rows.append((int(rng.integers(0, 2**63)) * 2 + int(rng.integers(2)), int(rng.integers(3)), int(rng.integers(-9, 90)),
                     int(rng.integers(96)), int(rng.integers(200)), int(rng.integers(300))))
    save_json(path, [{"seed": str(row[0]), "at": list(row[1:]), "value": normal_number(*row)} for row in rows])


def make(folder: Path) -> None:
    """Everything, into an empty folder."""
    run_samplers(folder / "samplers.json")
    run_noise(folder / "noise.json")
    # diffusers also repairs wrongly decoded text, which Pickup leaves to whoever wrote it
    pipeline_wan_vace.prompt_clean = lambda text: " ".join(text.split())
    pipeline = tiny.build_pipeline()
    run_components(pipeline, folder / "components")
    for seed, case in enumerate(CASES):
        run_case(pipeline, case, 100 + seed, folder / "pipeline" / case.name)
    tiny.write_package(pipeline, folder / "tiny_wan_vace")
