"""diffusers' side: the same work in PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import diffusers
import torch
from diffusers import DiffusionPipeline, WanVACEPipeline, WanVACETransformer3DModel
from diffusers.pipelines.wan import pipeline_wan, pipeline_wan_vace
from pickup_export.randomised import RECIPES, Recipe
from pickup_export.tiny.parts import build_tokenizer

from pickup import Work

VERSION = diffusers.__version__
PROMPT = "a red circle moving left slowly on a dark background, camera still"


def pipeline(recipe: Recipe) -> WanVACEPipeline:
    """A model with random weights in single precision."""
    parts = {name: made(*part) for name, part in recipe.modules().items()}
    scheduler, settings = recipe.scheduler
    whole = WanVACEPipeline(tokenizer=build_tokenizer(), scheduler=scheduler(**settings), **parts)
    whole.set_progress_bar_config(disable=True)
    return whole


def made(kind: type, arguments: dict) -> torch.nn.Module:
    return (kind(kind.config_class(**arguments)) if hasattr(kind, "config_class") else kind(**arguments)).eval()


def narrowed(model: WanVACETransformer3DModel, dtype: torch.dtype) -> WanVACETransformer3DModel:
    """Weights as diffusers loads them in `dtype`: some of its layers stay in single precision."""
    single = set(model._keep_in_fp32_modules)
    for name, weight in model.named_parameters():
        if single.isdisjoint(name.split(".")):
            weight.data = weight.data.to(dtype)
    return model


def seconds(pipe: DiffusionPipeline, work: Work, tokens: int, runs: int) -> tuple[float, float]:
    """Of one whole generation in eager mode with prompts of `tokens`, and of the transformer in each of its steps: medians of `runs`
    after one that warms up. Pictures stay numbers."""
    for module in (pipeline_wan, pipeline_wan_vace):
        module.prompt_clean = str.strip  # diffusers' own needs a package that mends text

    def generate() -> None:
        pipe(prompt=PROMPT, negative_prompt="blurred", width=work.width, height=work.height, num_frames=work.frames,
             num_inference_steps=work.steps, guidance_scale=work.guidance, max_sequence_length=tokens, output_type="pt",
             generator=torch.Generator().manual_seed(0))

    stops: list[float] = []
    pipe.transformer.register_forward_pre_hook(lambda *_: stops.append(-time.perf_counter()))
    pipe.transformer.register_forward_hook(lambda *_: stops.append(time.perf_counter()))
    whole, count = clocked(generate, runs), len(stops) // (runs + 1)
    steps = [sum(stops[start:start + count]) / work.steps for start in range(count, len(stops), count)]
    return whole, median(steps)


def clocked(do: Callable[[], object], runs: int) -> float:
    """Median seconds of `runs` calls after one that warms up."""
    times = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        do()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return median(times[1:])


class Forward:
    """A forward of a WanVACE transformer with the inputs of `work` and a prompt of `text` tokens."""

    def __init__(self, name: str, work: Work, text: int, device: str = "cuda", dtype: torch.dtype = torch.float16):
        kind, arguments = RECIPES[name].transformer
        with torch.device(device):
            self.model: WanVACETransformer3DModel = narrowed(made(kind, arguments), dtype)
            self.config = self.model.config
            frames, height, width = (work.frames - 1) // 4 + 1, work.height // 8, work.width // 8
            self.tokens = frames * height * width // 4
            self.inputs = {
                "hidden_states": torch.randn(1, self.config.in_channels, frames, height, width, dtype=dtype),
                "timestep": torch.tensor([713.0], dtype=dtype),
                "encoder_hidden_states": torch.randn(1, text, self.config.text_dim, dtype=dtype),
                "control_hidden_states": torch.randn(1, self.config.vace_in_channels, frames, height, width, dtype=dtype),
                "control_hidden_states_scale": torch.ones(len(self.config.vace_layers), dtype=dtype),
            }

    def __call__(self) -> torch.Tensor:
        return self.model(**self.inputs, return_dict=False)[0]

    def seconds(self, compiled: bool, runs: int) -> tuple[float, float]:
        """Of a forward, by PyTorch's own choice of attention kernel, and the gigabytes that PyTorch held at its peak. Once compiled, the
        model stays so."""
        if compiled:
            self.model.compile_repeated_blocks()  # block by block, as diffusers advises: the whole takes minutes
        torch.cuda.empty_cache()  # of what the weights were made in
        torch.cuda.reset_peak_memory_stats()
        taken = clocked(self, runs)
        return taken, torch.cuda.max_memory_reserved() / 1e9
