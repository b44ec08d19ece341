"""The written package, read back: its weights into the networks in torch, its transformer as it is run."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn

from network import Config, Starter

TURNED = ".turned"  # ending of the name of a weight that its graph holds transposed


class Graph(nn.Module):
    """A package's transformer under ONNX Runtime, called like the one in torch."""

    NAMES = ("hidden_states", "timestep", "encoder_hidden_states", "control_hidden_states", "control_scale")

    def __init__(self, package: Path, threads: int = 2):
        super().__init__()
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(package / "transformer" / "model.onnx", options)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        feeds = {name: x.float().contiguous().numpy() for name, x in zip(self.NAMES, inputs)}
        return torch.from_numpy(self.session.run(None, feeds)[0])


def read_weights(graph: Path) -> dict[str, torch.Tensor]:
    """The named weights of one graph, in fp32 and as torch has them."""
    found = {}
    for tensor in onnx.load(graph).graph.initializer:
        value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
        name = tensor.name.removesuffix(".half")
        if value.is_floating_point():
            found[name.removesuffix(TURNED)] = value.float().t() if name.endswith(TURNED) else value.float()
    return found


def read_package(package: Path) -> tuple[Config, dict[str, torch.Tensor]]:
    """The sizes of a package's networks, and their weights by the names that `Starter` has for them."""
    graphs = {"text": "text_encoder/model.onnx", "transformer": "transformer/model.onnx", "codec": "vae/dec_next.onnx"}
    parts = {part: read_weights(package / graph) for part, graph in graphs.items()}
    text, told, codec = parts["text"], parts["transformer"], parts["codec"]
    codec["deviation"] = told.pop("codec.deviation")  # only the transformer needs it
    layers = 1 + max(int(name.split(".")[1]) for name in told if name.startswith("blocks."))
    width = told["time.2.weight"].shape[0]
    config = Config(channels=len(codec["basis"]), width=width, layers=layers, motion_layer=layers // 2, cover_layer=layers * 3 // 4, heads=width // 32,
                    text_width=text["embedding.weight"].shape[1], vocabulary=len(text["embedding.weight"]), max_tokens=len(text["place"]))
    return config, {f"{part}.{name}": value for part, weights in parts.items() for name, value in weights.items()}


def fill(net: Starter, weights: dict[str, torch.Tensor]) -> list[str]:
    """Give a network the weights of a package; returns the names of those that the package lacks, which stay as they are."""
    missing = []
    for name, value in net.state_dict().items():
        name = name.replace("transformer.codec.", "codec.")
        if name in weights:
            value.copy_(weights[name].reshape(value.shape))
        else:
            missing.append(name)
    return missing


def load_package(package: Path) -> Starter:
    """The networks with exactly the weights of the package.

    Raises `ValueError` if a weight is missing.
    """
    config, weights = read_package(package)
    net = Starter(config)
    if missing := fill(net, weights):
        raise ValueError(f"{package}: expected the weights {', '.join(missing)}, which it lacks; it was made by another version of these scripts")
    return net.eval()


def presets(package: Path) -> dict:
    """Sampler and presets of the manifest."""
    manifest = json.loads((package / "manifest.json").read_text())
    return {"shift": manifest["sampler"]["shift"], **manifest["presets"]}
