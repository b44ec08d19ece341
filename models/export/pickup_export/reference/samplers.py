"""What diffusers' schedulers and guidance make of a made-up flow."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler
from diffusers.guiders import ClassifierFreeGuidance
from diffusers.pipelines.ltx.pipeline_ltx_condition import linear_quadratic_schedule

SHAPE = (1, 2, 1, 2, 2)                           # of the latent (b, c, f, h, w)
DISTILLED = (1.0, 0.993, 0.987, 0.981, 0.975, 0.909, 0.725, 0.03)
STRENGTHS = (0.0, 0.35, 0.8, 1.0)                 # of the tokens, where each has a level of its own


@dataclass(frozen=True)
class Walk:
    """One walk; `levels` is `shifted`, `linear_quadratic`, or `given` with the noise levels themselves."""
    kind: str
    order: int
    steps: int
    shift: float = 1.0
    levels: str = "shifted"
    given: tuple[float, ...] = ()
    strengths: tuple[float, ...] = ()

    def scheduler(self):
        """The scheduler, its timesteps set."""
        shape = dict(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=self.shift, solver_order=self.order)
        match self.kind:
            case "unipc":
                scheduler = UniPCMultistepScheduler(**shape)
                explicit = {"sigmas": np.array(self.given)} if self.given else {"num_inference_steps": self.steps}
            case "dpmpp":
                scheduler = DPMSolverMultistepScheduler(**shape)
                explicit = {"num_inference_steps": self.steps}
            case _:
                scheduler = FlowMatchEulerDiscreteScheduler(shift=self.shift)
                explicit = self.euler_levels()
        scheduler.set_timesteps(**explicit)
        return scheduler

    def euler_levels(self) -> dict:
        """As the LTX pipeline gives them to the scheduler, or as sigmas."""
        match self.levels:
            case "linear_quadratic":
                return {"timesteps": linear_quadratic_schedule(self.steps) * 1000}
            case "given":
                return {"timesteps": np.array(self.given) * 1000}
            case _:
                return {"sigmas": np.linspace(1.0, 0.0, self.steps + 1)[:-1]}


ORDERS = ((1, 3.0, 4), (2, 3.0, 1), (2, 3.0, 2), (2, 1.0, 8), (2, 3.0, 20), (2, 5.0, 50), (3, 3.0, 3), (3, 5.0, 12), (3, 3.0, 20))
WALKS = (
    *(Walk("unipc", order, steps, shift) for order, shift, steps in ORDERS),
    Walk("unipc", 2, 5, levels="given", given=(1.0, 0.9, 0.6, 0.3, 0.05)),
    *(Walk("flow_euler", 1, steps, shift) for shift, steps in ((1.0, 1), (3.0, 8), (5.0, 30))),
    *(Walk("flow_euler", 1, steps, levels="linear_quadratic") for steps in (1, 2, 7, 8, 40)),
    Walk("flow_euler", 1, 8, levels="given", given=DISTILLED),
    *(Walk("dpmpp", order, steps, shift) for order, shift, steps in ((1, 3.0, 4), (2, 3.0, 1), (2, 1.0, 2), (2, 1.0, 8), (2, 3.0, 20), (2, 5.0, 50))),
    Walk("token_euler", 1, 20, 3.0, strengths=STRENGTHS),
    Walk("token_euler", 1, 8, levels="linear_quadratic", strengths=STRENGTHS),
    Walk("token_euler", 1, 8, levels="given", given=DISTILLED, strengths=STRENGTHS),
)


def tokens(latent: torch.Tensor) -> torch.Tensor:
    """`(b, c, f, h, w)` to `(b, f h w, c)`."""
    return latent.flatten(2).transpose(1, 2)


def token_step(scheduler, velocity: torch.Tensor, timestep: torch.Tensor, latent: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
    """One step of `LTXConditionPipeline.__call__`, where each token is held with a strength."""
    mask = strengths[None]
    per_token = torch.min(timestep.expand(1).unsqueeze(-1).float(), (1 - mask) * 1000.0)
    denoised = scheduler.step(-tokens(velocity), timestep, tokens(latent), per_token_timesteps=per_token, return_dict=False)[0]
    moves = (timestep / 1000 - 1e-6 < (1.0 - mask)).unsqueeze(-1)
    return torch.where(moves, denoised, tokens(latent)).transpose(1, 2).unflatten(2, latent.shape[2:])


def states(walk: Walk, scheduler, velocities: np.ndarray, start: np.ndarray) -> list[list[float]]:
    """Latents after each step of a scheduler that is given `velocities`."""
    latent, result = torch.from_numpy(start.copy()), []
    for timestep, velocity in zip(scheduler.timesteps, torch.from_numpy(velocities)):
        if walk.strengths:
            latent = token_step(scheduler, velocity, timestep, latent, torch.tensor(walk.strengths))
        else:
            latent = scheduler.step(velocity, timestep, latent).prev_sample
        result.append(floats(latent))
    return result


def floats(values: object) -> list[float]:
    return [float(x) for x in torch.as_tensor(values).flatten()]


def run(walk: Walk) -> dict:
    rng = np.random.default_rng(1000 * walk.steps + walk.order)
    scheduler = walk.scheduler()
    start = rng.standard_normal(SHAPE).astype(np.float32)
    velocities = rng.standard_normal((walk.steps, *SHAPE)).astype(np.float32)
    return {**asdict(walk), "timesteps": floats(scheduler.timesteps), "sigmas": floats(scheduler.sigmas), "start": floats(start),
            "velocities": [floats(v) for v in velocities], "states": states(walk, scheduler, velocities, start)}


def walks() -> list[dict]:
    return [run(walk) for walk in WALKS]


def guided() -> list[dict]:
    """Velocities that diffusers' guidance makes of two others in each step of a walk; `null` where it looks at one only."""
    cases = ((3.0, 0.0, 0.0, 1.0, 3), (5.0, 0.7, 0.0, 1.0, 2), (4.0, 1.0, 0.25, 0.8, 10), (7.5, 0.3, 0.5, 1.0, 5), (1.0, 0.5, 0.0, 1.0, 2))
    return [guided_case(*case, seed) for seed, case in enumerate(cases)]


def guided_case(scale: float, rescale: float, start: float, stop: float, steps: int, seed: int) -> dict:
    rng = np.random.default_rng(500 + seed)
    positive, negative = (rng.standard_normal(SHAPE).astype(np.float32) + 0.3 for _ in range(2))
    guider = ClassifierFreeGuidance(guidance_scale=scale, guidance_rescale=rescale, start=start, stop=stop)
    results = []
    for step in range(steps):
        guider.set_state(step=step, num_inference_steps=steps, timestep=torch.tensor(0))
        pair = guider.num_conditions == 2
        results.append(floats(guider.forward(torch.from_numpy(positive), torch.from_numpy(negative)).pred) if pair else None)
    return {"scale": scale, "rescale": rescale, "interval": [start, stop], "positive": floats(positive), "negative": floats(negative),
            "guided": results}
