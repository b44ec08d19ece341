"""Golden values: what diffusers makes of tiny models, its schedulers of a made-up flow, and arithmetic of a noise.

Layout of the folder, all arrays in NumPy's format, little-endian, C order:

    tiny_FAMILY/                    a model as a package
    FAMILY/components/              NAME.in.*.npy and NAME.out.npy of single graphs
    FAMILY/pipeline/CASE/           case.json, video, mask, references, noise; latent and frames that came out
    samplers.json                   schedules and walks of diffusers' schedulers
    guidance.json                   velocities of diffusers' guidance, and which steps it guides
    noise.json                      noise numbers, computed with 60 digits
"""

from __future__ import annotations

from pathlib import Path

from . import ltx, noise, samplers, wan_ti2v, wan_vace
from .values import save_json

FAMILIES = (wan_vace, wan_ti2v, ltx)


def make(folder: Path) -> None:
    """Everything, into an empty folder."""
    save_json(folder / "samplers.json", samplers.walks())
    save_json(folder / "guidance.json", samplers.guided())
    noise.run_noise(folder / "noise.json")
    for family in FAMILIES:
        family.make(folder)
