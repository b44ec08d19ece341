"""What the Wan families have in common."""

from __future__ import annotations

from contextlib import contextmanager

from torch import nn
from torch.export import Dim

from ..attention import exported_attention
from ..source import Checkpoint, Unfit
from ..timesteps import exported_timesteps

#: latents to a token, in each direction
PATCH = 2


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


#: the scheduler's configuration that Pickup's UniPC follows
SCHEDULE = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "predict_x0": True, "solver_type": "bh2"}


def check(checkpoint: Checkpoint, pipelines: tuple[str, ...], transformer: str) -> None:
    """Whether the checkpoint was saved from one of `pipelines`, with a `transformer` of this class."""
    kinds = {name: checkpoint.kind(name)[1] for name in ("text_encoder", "transformer", "vae", "scheduler")}
    found = checkpoint.index.get("_class_name"), kinds["transformer"]
    if found[0] not in pipelines or found[1] != transformer:
        raise Unfit(f"{checkpoint.folder}: expected a {' or '.join(pipelines)} with a {transformer}, found {found[0]} with {found[1]}. "
                    "Choose the command for this kind of model.")
    scheduler = checkpoint.component("scheduler").config
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
