"""Golden values: what diffusers makes of tiny models, its schedulers of a made-up flow, and arithmetic of a noise.

Layout of the folder, all arrays in NumPy's format, little-endian, C order:

    tiny_FAMILY/                    a model as a package
    FAMILY/components/              NAME.in.*.npy and NAME.out.npy of single graphs
    FAMILY/pipeline/CASE/           case.json, video, mask, references, noise; latent and frames that came out
    samplers.json                   schedules and walks of diffusers' schedulers
    noise.json                      noise numbers, computed with 60 digits
"""

from __future__ import annotations

from pathlib import Path

from . import noise, samplers, wan_ti2v, wan_vace

FAMILIES = (wan_vace, wan_ti2v)


def make(folder: Path) -> None:
    """Everything, into an empty folder."""
    samplers.run_samplers(folder / "samplers.json")
    noise.run_noise(folder / "noise.json")
    for family in FAMILIES:
        family.make(folder)
