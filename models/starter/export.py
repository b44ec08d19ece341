"""Write the package: `python export.py --checkpoint DIR/checkpoint.pt --package package`.

Four codec graphs, the text encoder and the transformer at opset 20, weights beside them. Graphs compute in fp32; the
two networks' matrices are stored in fp16 behind a Cast, which ONNX Runtime folds away when it loads them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import tokenizer as words
from codec import smooth_steps
from masks import control_input, sample_mask
from network import Config, Starter
from package_io import TURNED

OPSET = 20
INLINE = 1024  # bytes; smaller weights stay inside the graph


class Call(nn.Module):
    """One method of a module as a module of its own."""

    def __init__(self, owner: nn.Module, method: str, shown: bool = False):
        super().__init__()
        self.owner, self.method, self.shown = owner, method, shown

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = getattr(self.owner, self.method)(x)
        return smooth_steps(out).clamp(-1, 1) if self.shown else out


def load(checkpoint: Path, averaged: bool = True) -> tuple[Starter, dict]:
    """The network of a checkpoint, with averaged weights unless told otherwise, and the checkpoint."""
    state = torch.load(checkpoint)
    net = Starter(Config(**state["config"])).eval()
    net.load_state_dict(state["average" if averaged else "net"])
    return net, state


def trace(module: nn.Module, inputs: tuple[torch.Tensor, ...], names: list[str], out: str, axes: tuple[dict, ...]) -> onnx.ModelProto:
    """Export one graph with the given dynamic axes."""
    with torch.no_grad():
        program = torch.onnx.export(module.eval(), inputs, input_names=names, output_names=[out], dynamic_shapes=axes,
                                    opset_version=OPSET, dynamo=True, verbose=False)
    model = program.model_proto
    name_weights(model.graph, module)
    drop_unused(model.graph)
    del model.metadata_props[:]
    for graph in with_branches(model.graph):
        for node in graph.node:  # notes of the exporter: source paths, mostly
            del node.metadata_props[:]
            node.doc_string = ""
            if node.op_type == "GridSample":  # which the exporter writes as opset 16 has it, if it is inside a branch
                name_linear(node)
        for value in [*graph.value_info, *graph.input, *graph.output, *graph.initializer]:
            del value.metadata_props[:]
    return model


def name_linear(node: onnx.NodeProto) -> None:
    """Call a GridSample's mode what it is called from opset 20 on."""
    for attribute in node.attribute:
        if attribute.name == "mode" and attribute.s == b"bilinear":
            attribute.s = b"linear"


def with_branches(graph: onnx.GraphProto) -> list[onnx.GraphProto]:
    """A graph and those inside its nodes."""
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return [graph, *(g for branch in inner for g in with_branches(branch))]


def name_weights(graph: onnx.GraphProto, module: nn.Module) -> None:
    """Give weights that the exporter folded, reshaped or transposed their names in torch back."""
    held = {name.removeprefix("owner."): value.detach().numpy() for name, value in [*module.named_parameters(), *module.named_buffers()]}
    forms = {}
    for name, value in held.items():
        forms[value.tobytes()] = name
        if value.ndim == 2:
            forms.setdefault(np.ascontiguousarray(value.T).tobytes(), name + TURNED)
    taken = {tensor.name for tensor in graph.initializer}
    names = {}
    for tensor in graph.initializer:
        name = forms.get(numpy_helper.to_array(tensor).tobytes())
        if name and name not in taken:
            names[tensor.name] = name
            taken.add(name)
            tensor.name = name
    for part in with_branches(graph):
        for node in part.node:
            node.input[:] = [names.get(name, name) for name in node.input]
        for value in [*part.output, *part.value_info]:
            value.name = names.get(value.name, value.name)


def drop_unused(graph: onnx.GraphProto) -> None:
    """Leave out what the exporter folded into the graph and nothing reads."""
    read = {name for part in with_branches(graph) for node in part.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def store_half(model: onnx.ModelProto) -> None:
    """Keep large fp32 weights in fp16 behind a Cast to fp32."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) * 4 < INLINE:
            continue
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name + ".half")
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
        tensor.CopyFrom(half)
    body = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(body)


def write_graphs(models: dict[str, onnx.ModelProto], folder: Path) -> None:
    """Write graphs with one shared `weights.bin`; equal weights are written once."""
    folder.mkdir(parents=True, exist_ok=True)
    blob, places = bytearray(), {}
    for name, model in models.items():
        for tensor in model.graph.initializer:
            raw = numpy_helper.to_array(tensor).tobytes()
            if len(raw) < INLINE:
                continue
            if raw not in places:
                blob.extend(b"\0" * (-len(blob) % 64))
                places[raw] = len(blob)
                blob.extend(raw)
            dims, kind, label = list(tensor.dims), tensor.data_type, tensor.name
            tensor.Clear()
            tensor.dims.extend(dims)
            tensor.data_type, tensor.name, tensor.data_location = kind, label, TensorProto.EXTERNAL
            for key, value in (("location", "weights.bin"), ("offset", places[raw]), ("length", len(raw))):
                tensor.external_data.add(key=key, value=str(value))
    (folder / "weights.bin").write_bytes(bytes(blob))
    for name, model in models.items():
        onnx.save(model, folder / name)
        onnx.checker.check_model(str(folder / name))


def export_codec(net: Starter, folder: Path) -> None:
    """The four codec graphs."""
    dim = torch.export.Dim
    b, n, h, w = (dim(x) for x in "bnhw")
    c, codec = net.config.channels, net.codec
    wide = lambda first: ({0: b, 3: 8 * h, 4: 8 * w} if first else {0: b, 2: 4 * n, 3: 8 * h, 4: 8 * w},)
    tight = lambda first: ({0: b, 3: h, 4: w} if first else {0: b, 2: n, 3: h, 4: w},)
    graphs = {
        "enc_first.onnx": trace(Call(codec, "encode_first"), (torch.randn(2, 3, 1, 48, 64),), ["frames"], "latent", wide(True)),
        "enc_next.onnx": trace(Call(codec, "encode_next"), (torch.randn(2, 3, 12, 48, 64),), ["frames"], "latent", wide(False)),
        "dec_first.onnx": trace(Call(codec, "decode_first", True), (torch.randn(2, c, 1, 6, 8),), ["latent"], "frames", tight(True)),
        "dec_next.onnx": trace(Call(codec, "decode_next", True), (torch.randn(2, c, 3, 6, 8),), ["latent"], "frames", tight(False)),
    }
    write_graphs(graphs, folder)


def export_text(net: Starter, folder: Path) -> None:
    """The text encoder."""
    dim = torch.export.Dim
    axes = {0: dim("b"), 1: dim("l", max=net.config.max_tokens)}
    ids = torch.ones(2, 9, dtype=torch.int64)
    model = trace(net.text, (ids, ids.clone()), ["input_ids", "attention_mask"], "last_hidden_state", (axes, dict(axes)))
    store_half(model)
    write_graphs({"model.onnx": model}, folder)


def example(net: Starter, frames: int = 13, height: int = 48, width: int = 64, references: int = 1, length: int = 9) -> tuple[torch.Tensor, ...]:
    """Inputs of the transformer's graph for a random clip, half known."""
    import random
    torch.manual_seed(7)
    c = net.config.channels
    video = torch.rand(2, 3, frames, height, width) * 1.6 - 0.9
    mask = torch.stack([sample_mask(random.Random(1), frames, height, width, kind) for kind in ("ends", "rectangle")])
    control = control_input(net.codec, video, mask, torch.rand(2, references, 3, height, width) if references else None)
    noisy = torch.randn(2, c, *control.shape[2:])
    return noisy, torch.tensor([713.0, 250.0]), torch.randn(2, length, net.config.text_width), control, torch.ones(1)


def export_transformer(net: Starter, folder: Path) -> None:
    """The diffusion transformer."""
    dim = torch.export.Dim
    b, f, h, w, l = (dim(x) for x in "bfhwl")
    video = {0: b, 2: f, 3: 2 * h, 4: 2 * w}
    names = ["hidden_states", "timestep", "encoder_hidden_states", "control_hidden_states", "control_scale"]
    model = trace(net.transformer, example(net), names, "sample", (video, {0: b}, {0: b, 1: l}, dict(video), {}))
    store_half(model)
    write_graphs({"model.onnx": model}, folder)


def manifest(net: Starter, package: Path, revision: str) -> dict:
    """The manifest of everything in the package's folder."""
    files = {}
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.name != "manifest.json":
            data = path.read_bytes()
            files[path.relative_to(package).as_posix()] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return {
        "format": 1, "name": "starter", "title": "Pickup Starter", "version": "0.1.0", "family": "wan_vace",
        "licence": {"spdx": "Apache-2.0 OR MIT", "file": "LICENSE", "acceptance_required": False},
        "source": {"origin": "trained from scratch by models/starter", "revision": revision},
        "dtype": "fp32", "opset": OPSET,
        "graphs": {"text_encoder": "text_encoder/model.onnx", "transformer": "transformer/model.onnx",
                   "vae_enc_first": "vae/enc_first.onnx", "vae_enc_next": "vae/enc_next.onnx",
                   "vae_dec_first": "vae/dec_first.onnx", "vae_dec_next": "vae/dec_next.onnx"},
        "tokenizer": {"file": "tokenizer/tokenizer.json", "max_tokens": net.config.max_tokens, "pad_id": 0},
        "text": {"width": net.config.text_width},
        "latent": {"channels": net.config.channels, "spatial": 8, "temporal": 4},
        "control": {"layers": 1, "scale": 1.0, "max_references": 2},
        "limits": {"size_multiple": 16, "frame_multiple": 4, "frame_offset": 1, "min_frames": 5, "max_frames": 25,
                   "max_pixels": 128 * 80, "native_pixels": 112 * 64, "min_side": 48, "max_side": 160},
        "frame_rate": {"native": [16, 1], "follows_timeline": True},
        "conditioning": ["first", "last", "clip_start", "clip_end", "keyframe", "mask", "reference"],
        "sampler": {"kind": "flow_euler", "order": 1, "shift": 6.0, "train_timesteps": 1000},
        "presets": {"draft": {"steps": 4, "guidance": 3.0, "sigmas": [1.0, 0.97, 0.93, 0.8]},
                    "final": {"steps": 16, "guidance": 4.0, "guidance_interval": [0.0, 0.75]},
                    "continuing": {"steps": 1, "guidance": 1.0}},
        "guidance_default_negative": "",
        "files": files,
    }


def check(net: Starter, package: Path) -> dict[str, float]:
    """Largest differences between the written graphs and torch, at sizes not used in the export."""
    import onnxruntime as ort
    run = lambda path, **feeds: ort.InferenceSession(package / path).run(None, {k: v.numpy() for k, v in feeds.items()})[0]
    worst = {}
    with torch.no_grad():
        for frames, height, width, references, length in ((17, 64, 112, 0, 32), (5, 64, 96, 2, 32), (25, 80, 128, 0, 12)):
            args = example(net, frames, height, width, references, length)
            names = ("hidden_states", "timestep", "encoder_hidden_states", "control_hidden_states", "control_scale")
            got = run("transformer/model.onnx", **dict(zip(names, args)))
            want = net.transformer(*args).numpy()
            worst[f"transformer {width}x{height}x{frames}, {references} references: relative rms"] = float(np.sqrt(((got - want) ** 2).mean() / (want**2).mean()))
        ids = torch.tensor([[5, 6, 7, 2, 0, 0], [8, 2, 0, 0, 0, 0]])
        keep = (ids > 0).long()
        got = run("text_encoder/model.onnx", input_ids=ids, attention_mask=keep)
        worst["text encoder: largest"] = float(np.abs((got - net.text(ids, keep).numpy()) * keep[..., None].numpy()).max())
        video = torch.rand(1, 3, 8, 64, 96) * 2 - 1
        latent = run("vae/enc_next.onnx", frames=video)
        worst["encoder: largest"] = float(np.abs(latent - net.codec.encode_next(video).numpy()).max())
        frames_ = run("vae/dec_next.onnx", latent=torch.from_numpy(latent))
        worst["decoder: largest"] = float(np.abs(frames_ - smooth_steps(net.codec.decode_next(torch.from_numpy(latent))).clamp(-1, 1).numpy()).max())
        first = run("vae/enc_first.onnx", frames=video[:, :, :1])
        worst["first encoder: largest"] = float(np.abs(first - net.codec.encode_first(video[:, :, :1]).numpy()).max())
        back = run("vae/dec_first.onnx", latent=torch.from_numpy(first))
        worst["first decoder: largest"] = float(np.abs(back - smooth_steps(net.codec.decode_first(torch.from_numpy(first))).clamp(-1, 1).numpy()).max())
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--package", type=Path, default=Path(__file__).parent / "package")
    parser.add_argument("--revision", default="recipe 4")
    args = parser.parse_args()
    torch.set_num_threads(2)
    net, state = load(args.checkpoint)
    shutil.rmtree(args.package, ignore_errors=True)
    args.package.mkdir(parents=True)
    export_codec(net, args.package / "vae")
    export_text(net, args.package / "text_encoder")
    export_transformer(net, args.package / "transformer")
    (args.package / "tokenizer").mkdir()
    words.build().save(str(args.package / "tokenizer" / "tokenizer.json"))
    shutil.copy(Path(__file__).parent / "LICENSE", args.package / "LICENSE")
    revision = f"{args.revision}, {state['clips']} clips"
    (args.package / "manifest.json").write_text(json.dumps(manifest(net, args.package, revision), indent=1) + "\n")
    for name, value in check(net, args.package).items():
        print(f"{name}: {value:.2e}")


if __name__ == "__main__":
    main()
