"""Steps of models that were distilled to a few of them, without guidance.

A row of the table is what a distilled model's makers run it with: the timesteps of their transformer, out of 1000. They are
the noise levels themselves. CausVid and FastWan draw new noise at each level; Pickup goes on along the flow, with the noise
that the model saw.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import Unfit
from .families import ltx, wan_ti2v, wan_vace

TRAIN_TIMESTEPS = 1000


@dataclass(frozen=True)
class Steps:
    """Steps of a distilled model."""
    name: str
    family: str
    timesteps: tuple[float, ...]
    shift: float                 # of the noise levels, where a request asks for another number of steps
    source: str

    def fields(self) -> dict:
        """Fields of the manifest."""
        sigmas = [timestep / TRAIN_TIMESTEPS for timestep in self.timesteps]
        preset = {"steps": len(sigmas), "guidance": 1.0, "sigmas": sigmas}
        return {"sampler": {"kind": "flow_euler", "order": 1, "shift": self.shift}, "presets": {"draft": preset, "final": preset}}


FASTVIDEO = "hao-ai-lab/FastVideo, fastvideo/configs/pipelines/wan.py, revision 03e21aa9"
#: where a name has several rows, they are of several families
TABLE = (
    Steps("causvid", wan_vace.NAME, (1000, 757, 522), 8.0,
          "tianweiy/CausVid, configs/wan_bidirectional_dmd.yaml and causvid/models/wan/bidirectional_inference.py, revision ca211503"),
    Steps("fastwan", wan_vace.NAME, (1000, 757, 522), 8.0, f"{FASTVIDEO}, FastWan2_1_T2V_480P_Config"),
    Steps("fastwan", wan_ti2v.NAME, (1000, 757, 522), 5.0, f"{FASTVIDEO}, FastWan2_2_TI2V_5B_Config"),
    Steps("ltx-distilled", ltx.NAME, (1000, 993, 987, 981, 975, 909, 725, 0.03), 1.0,
          "huggingface/diffusers, docs/source/en/api/pipelines/ltx_video.md, revision 01b6b662, of LTX-Video 0.9.7 and 0.9.8 distilled"),
)
NAMES = tuple(dict.fromkeys(row.name for row in TABLE))


def steps_fields(name: str, family: str) -> dict:
    """Fields of the manifest for the steps called `name` in a model of `family`."""
    found = next((row for row in TABLE if (row.name, row.family) == (name, family)), None)
    if found is None:
        fitting = ", ".join(row.name for row in TABLE if row.family == family)
        raise Unfit(f"--steps-preset {name}: expected steps for {family}, which are {fitting}, found those of another family.")
    return found.fields()
