"""What the Wan families have in common."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import nn
from torch.export import Dim

from ..attention import exported_attention
from ..errors import Unfit
from ..golden import Case
from ..graphs import Graphs, trace
from ..randoms import uniform
from ..source import Checkpoint
from ..stepped_vae import STAGES, VaeStage, cache_names
from ..timesteps import exported_timesteps

#: latents to a token, in each direction
PATCH = 2
#: names of layers in diffusers, in part, and in Wan's own code
ORIGINAL = (("attn1.to_out.0", "self_attn.o"), ("attn2.to_out.0", "cross_attn.o"), ("attn1.to_", "self_attn."), ("attn2.to_", "cross_attn."),
            ("attn1.", "self_attn."), ("attn2.", "cross_attn."), ("norm2", "norm3"), ("ffn.net.0.proj", "ffn.0"), ("ffn.net.2", "ffn.2"),
            ("condition_embedder.text_embedder.linear_1", "text_embedding.0"), ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
            ("condition_embedder.time_embedder.linear_1", "time_embedding.0"), ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
            ("condition_embedder.time_proj", "time_projection.1"), (".proj_in", ".before_proj"), (".proj_out", ".after_proj"),
            ("proj_out", "head.head"), (".scale_shift_table", ".modulation"), ("scale_shift_table", "head.modulation"))


def grid() -> tuple[dict, dict]:
    """Dynamic shapes of a latent `(1, c, f, 2h, 2w)` and of a number for each token, `(1, f, h, w)`."""
    f, h, w = Dim("f"), Dim("h"), Dim("w")
    return {2: f, 3: PATCH * h, 4: PATCH * w}, {1: f, 2: h, 3: w}


@contextmanager
def exported(transformer: nn.Module):
    """`transformer` as it is exported, and as it was afterwards."""
    with exported_attention(transformer), exported_timesteps(transformer):
        yield transformer


#: fields that the published models' manifests share; what should not be seen is in our words
PUBLISHED = {
    "version": "1",
    "licence": {"spdx": "Apache-2.0", "acceptance_required": False},
    "tokenizer": {"max_tokens": 512},
    "guidance_default_negative": "overexposed, washed out, blurred, still picture, subtitles, watermark, painting, low quality, "
                                 "compression artefacts, deformed hands and faces, extra limbs, cluttered background",
}


def trace_vae(vae: AutoencoderKLWan) -> Graphs:
    """First and next graph of each stage, `enc_first` to `dec_next`, with caches `cache_in_0` … and `cache_out_0` …"""
    graphs = {}
    for name, (source, target) in STAGES.items():
        first, later = VaeStage(vae, name, first=True), VaeStage(vae, name, first=False)
        single = first.sample(1, 4, 6)
        keys, caches = cache_names(first, single)
        incoming, outgoing = [f"cache_in_{k}" for k in keys], [target] + [f"cache_out_{k}" for k in keys]
        auto = {3: Dim.AUTO, 4: Dim.AUTO}
        graphs[f"{name}_first"] = trace(first, (single,), [source], outgoing, (auto,))
        graphs[f"{name}_next"] = trace(later, (later.sample(3, 4, 6), *caches), [source, *incoming], outgoing,
                                       ({2: Dim.AUTO, **auto}, tuple(auto for _ in caches)))
    return graphs


def vae_cases(vae: AutoencoderKLWan, size: tuple[int, int, int], rng: np.random.Generator) -> dict[str, Case]:
    """By diffusers' own loop over frames."""
    mean, std = (torch.tensor(numbers).view(1, -1, 1, 1, 1) for numbers in (vae.config.latents_mean, vae.config.latents_std))
    spatial, (frames, height, width) = vae.config.scale_factor_spatial, size
    clip = uniform(rng, 1, 3, vae.config.scale_factor_temporal * (frames - 1) + 1, height * spatial, width * spatial) * 2 - 1
    latent = (vae.encode(clip).latent_dist.mode() - mean) / std
    return {"vae_encoder": Case.of({"frames": clip}, latent),
            "vae_decoder": Case.of({"latent": latent}, vae.decode(latent * std + mean).sample)}


#: the scheduler's configuration that Pickup's UniPC follows
SCHEDULE = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "predict_x0": True, "solver_type": "bh2"}


def check(checkpoint: Checkpoint, pipelines: tuple[str, ...], transformer: str) -> None:
    """Whether the checkpoint was saved from one of `pipelines`, with a `transformer` of this class."""
    kinds = {name: checkpoint.kind(name)[1] for name in ("text_encoder", "transformer", "vae", "scheduler")}
    found = checkpoint.index.get("_class_name"), kinds["transformer"]
    if found[0] not in pipelines or found[1] != transformer:
        raise Unfit(f"{checkpoint.folder}: expected a {' or '.join(pipelines)} with a {transformer}, found {found[0]} with {found[1]}. "
                    "Choose the command for this kind of model.")
    scheduler = checkpoint.scheduler()
    schedule = {key: scheduler.get(key) for key in SCHEDULE}
    if kinds["scheduler"] != "UniPCMultistepScheduler" or schedule != SCHEDULE:
        raise Unfit(f"{checkpoint.folder}: expected a UniPCMultistepScheduler with {SCHEDULE}, found {kinds['scheduler']} with {schedule}. "
                    "Other schedules are not known for Wan.")


def facts(configurations: dict) -> dict:
    """Fields of the manifest that follow from the configuration of text encoder, VAE and scheduler."""
    vae, scheduler = configurations["vae"], configurations["scheduler"]
    return {"text": {"width": configurations["text_encoder"].d_model},
            "latent": {"channels": vae.z_dim, "spatial": vae.scale_factor_spatial, "temporal": vae.scale_factor_temporal},
            "sampler": {"kind": "unipc", "order": scheduler.solver_order, "shift": scheduler.flow_shift,
                        "train_timesteps": scheduler.num_train_timesteps}}
