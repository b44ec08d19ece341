"""Schedules of diffusers' schedulers, and their walks along made-up velocities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from .values import save_json


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
