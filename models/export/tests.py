"""A checkpoint's folder becomes a package: `python -m unittest tests` in this folder."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Callable
from unittest import mock

import numpy as np
import onnx
import onnx_ir
import onnxruntime
import torch
from diffusers import AutoencoderKLWan, DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from diffusers.models.autoencoders import autoencoder_kl_wan
from diffusers.models.normalization import RMSNorm
from diffusers.models.transformers.transformer_ltx import apply_rotary_emb
from onnx import TensorProto, numpy_helper
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from safetensors.torch import save_file
from torch import nn

from pickup_export import attention, blocks, command, compare, golden, graphs, layers, lora, package, precision, randomised, report, steps, widening
from pickup_export.errors import Unfit
from pickup_export.lora import Lora
from pickup_export.stepped_vae import VaeStage
from pickup_export.tiny import ltx, wan_ti2v, wan_vace
from pickup_export.tiny.parts import seeded

COMMITTED = Path(__file__).parents[2] / "tests" / "goldens" / wan_ti2v.NAME
LICENCE = "Do what you like.\n"
#: as the committed packages are
SINGLE = ("--dtype", "fp32", "--text", "fp32")
#: latent frames, rows, columns and tokens at which no graph is traced
UNSEEN = ((2, 2, 4, 7), (4, 6, 2, 33), (3, 8, 4, 5), (5, 2, 6, 24))


def rise(transformer: nn.Module, family: object, inputs: dict[str, torch.Tensor]) -> int:
    """By how many bytes the peak of memory rises over one run of the transformer's graph, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, package.tqdm(disable=True) as bar:
        package.weights.write(family.trace_transformer(transformer), Path(folder), bar)
        np.savez(f"{folder}/inputs.npz", **{name: tensor.numpy() for name, tensor in inputs.items()})
        command = [sys.executable, str(Path(__file__).with_name("peak.py")), f"{folder}/model.onnx", f"{folder}/inputs.npz"]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def fields(value: object) -> object:
    """The names of all fields, without what is in them."""
    return {key: fields(inner) for key, inner in value.items() if key != "files"} if isinstance(value, dict) else None


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        torch.set_grad_enabled(False)
        cls.folder = tempfile.TemporaryDirectory()
        cls.source = Path(cls.folder.name) / "checkpoint"
        wan_ti2v.build().save_pretrained(cls.source)
        cls.index = cls.source / "model_index.json"
        cls.saved = cls.index.read_text("utf-8")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def setUp(self) -> None:
        self.index.write_text(self.saved, "utf-8")
        self.licence = self.source / "LICENSE"
        self.licence.write_text(LICENCE, "utf-8")
        outside = tempfile.TemporaryDirectory()
        self.addCleanup(outside.cleanup)
        self.out = Path(outside.name) / "package"

    def run_command(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and what was said of errors."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = command.main([*arguments, "--out", str(self.out)])
        return code, said.getvalue()

    def refused(self, family: str, *words: str) -> None:
        code, said = self.run_command(family, "--source", str(self.source))
        error = next(line for line in said.splitlines() if line.startswith("error: "))
        self.assertEqual(code, 2)
        for word in words:
            self.assertIn(word, error)
        self.assertFalse(self.out.exists() or self.out.with_name("package.part").exists())

    def change_index(self, **values: object) -> None:
        self.index.write_text(json.dumps({**json.loads(self.saved), **values}), "utf-8")

    def test_a_checkpoint_becomes_the_package_of_the_same_model(self) -> None:
        code, said = self.run_command("wan-ti2v", "--source", str(self.source), "--name", "mine", *SINGLE)
        self.assertEqual(code, 0, said)
        for graph in sorted(COMMITTED.rglob("*.onnx")):
            made = self.out / graph.relative_to(COMMITTED)
            self.assertLessEqual(compare.graph_difference(made, graph), 1e-6, graph.name)
        self.assertEqual((self.out / "LICENSE").read_text("utf-8"), LICENCE)
        made, committed = (json.loads((folder / "manifest.json").read_text("utf-8")) for folder in (self.out, COMMITTED))
        self.assertEqual(fields(made), fields(committed))
        self.assertEqual(made["files"].keys(), {*committed["files"], "export.md"})
        errors = [line.split("|") for line in (self.out / "export.md").read_text("utf-8").splitlines() if "e-" in line]
        self.assertEqual([row[1].strip() for row in errors], ["text encoder", "transformer", "VAE encoder", "VAE decoder"])
        self.assertTrue(all(float(row[3]) < 2e-5 and float(row[4]) < 2e-5 for row in errors), errors)
        same = ("format", "family", "dtype", "opset", "graphs", "text", "latent", "conditioning", "sampler")
        self.assertEqual([made[key] for key in same], [committed[key] for key in same])
        self.assertEqual((made["name"], made["limits"]["max_frames"]), ("mine", 121))
        self.assertRegex(made["source"]["revision"], "^sha256:[0-9a-f]{64}$")

    def test_another_kind_of_model_is_refused(self) -> None:
        self.refused("wan-vace", "expected a WanVACEPipeline", "found WanPipeline with WanTransformer3DModel")
        self.change_index(expand_timesteps=False)
        self.refused("wan-ti2v", "`expand_timesteps`", "found False")
        self.change_index(transformer=["somewhere", "WanTransformer3DModel"])
        self.refused("wan-ti2v", "expected `transformer`", "found somewhere")

    def test_a_graph_that_is_not_the_model_is_noticed(self) -> None:
        encoder, folder = wan_ti2v.build().text_encoder, Path(self.folder.name) / "text"
        package.write_component("text_encoder", encoder, wan_ti2v.FAMILY, "fp32", folder)
        self.assertEqual(len(report.check("text_encoder", "fp32", folder)), 1)
        encoder.encoder.block[0].layer[0].SelfAttention.q.weight.mul_(1.1)
        golden.make("text_encoder", encoder, wan_ti2v.FAMILY, folder)
        with self.assertRaisesRegex(Unfit, "text encoder: expected a relative error of at most 0.001, found"):
            report.check("text_encoder", "fp32", folder)

    def test_what_is_missing_is_named(self) -> None:
        self.licence.unlink()
        self.refused("wan-ti2v", "expected the text of the licence", "--licence")
        self.index.unlink()
        self.refused("wan-ti2v", "expected a diffusers checkpoint with model_index.json")

    def test_an_id_that_cannot_be_fetched_is_told(self) -> None:
        with mock.patch("pickup_export.hub.snapshot_download", side_effect=OSError("no route to host")):
            code, said = self.run_command("wan-ti2v", "--source", "someone/something")
        self.assertEqual(code, 2)
        self.assertIn("error: someone/something: expected a folder, or an id on Hugging Face", said)
        self.assertIn("no route to host", said)

    def test_a_folder_with_files_is_left_alone(self) -> None:
        self.out.mkdir()
        (self.out / "mine.txt").write_text("mine", "utf-8")
        code, said = self.run_command("wan-ti2v", "--source", str(self.source))
        self.assertEqual((code, (self.out / "mine.txt").read_text("utf-8")), (2, "mine"))
        self.assertIn("expected a new or empty folder", said)

    def test_a_model_whose_vae_takes_whole_clips_is_exported_too(self) -> None:
        self.source = Path(self.folder.name) / "ltx"
        ltx.build().save_pretrained(self.source)
        (self.source / "LICENSE").write_text(LICENCE, "utf-8")
        self.refused("wan-vace", "expected a WanVACEPipeline", "found LTXConditionPipeline")
        code, said = self.run_command("ltx", "--source", str(self.source), *SINGLE)
        self.assertEqual(code, 0, said)
        made, committed = (json.loads((folder / "manifest.json").read_text("utf-8"))
                           for folder in (self.out, COMMITTED.with_name(ltx.NAME)))
        same = ("family", "graphs", "text", "latent", "held", "decode", "conditioning", "sampler")
        self.assertEqual([made[key] for key in same], [committed[key] for key in same])
        errors = [line.split("|") for line in (self.out / "export.md").read_text("utf-8").splitlines() if "e-" in line]
        self.assertEqual(len(errors), 4)
        self.assertTrue(all(float(row[3]) < 2e-5 for row in errors), errors)


class Precision(unittest.TestCase):
    """Components with narrow weights against diffusers in single precision, at sizes that they were not traced at."""

    @classmethod
    def setUpClass(cls) -> None:
        torch.set_grad_enabled(False)

    def module(self, tiny: object, name: str) -> torch.nn.Module:
        if (tiny, name) != (wan_vace, "vae"):
            return getattr(tiny.build(), name)
        # The norms of the committed one, with 8 channels, divide by almost nothing here and there: rounding its weights
        # alone is 4e-3. The published one has 96.
        return seeded(AutoencoderKLWan(base_dim=24, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]), 5)

    def measured(self, tiny: object, name: str, how: str) -> list[report.Difference]:
        module = self.module(tiny, name)
        with tempfile.TemporaryDirectory() as folder:
            golden.make(name, module, tiny.FAMILY, Path(folder), UNSEEN)
            graphs = package.traced(name, module, tiny.FAMILY, how)
            with package.tqdm(disable=True) as bar:
                package.weights.write(graphs, Path(folder) / name, bar)
            stored = {value.const_value.dtype.name for graph in graphs.values() for value in graph.graph.initializers.values()}
            self.assertIn({"int8": "UINT8", "fp16": "FLOAT16"}[how], stored)
            return [report.measure(part, how, Path(folder)) for part in golden.PARTS[name]]

    def test_acceptance_half_precision_stays_close(self) -> None:
        for tiny in (wan_vace, wan_ti2v, ltx):
            for name in ("transformer", "vae"):
                for found in self.measured(tiny, name, "fp16"):
                    print(f"accept: {tiny.NAME}: {found.component}, fp16, nrmse | {found.relative:.1e} | ≤ 5e-03")
                    self.assertLessEqual(found.relative, 5e-3, tiny.NAME)
                    self.assertGreater(found.relative, 1e-5, "half precision is not single")

    def test_a_text_encoder_with_narrow_weights_stays_close(self) -> None:
        for how, bound in (("fp16", 2e-3), ("int8", golden.BOUNDS["int8"])):
            for found in self.measured(wan_vace, "text_encoder", how):
                print(f"{found}")
                self.assertLessEqual(found.relative, bound)
                self.assertGreater(found.cosine, 0.999)

    def test_what_half_precision_does_not_hold_is_refused(self) -> None:
        transformer = wan_ti2v.build().transformer
        transformer.blocks[1].ffn.net[2].weight[0, 0] = 7e4
        with self.assertRaisesRegex(Unfit, "blocks.1.ffn.net.2.weight: expected weights of at most 65504"):
            precision.halved(transformer)

    def test_bytes_are_the_nearest_of_255_levels(self) -> None:
        torch.manual_seed(0)
        layer = torch.nn.Linear(80, 6, bias=False)
        layer.weight[2] = 0
        narrow = precision.ByteLinear(layer)
        apart = (narrow(torch.eye(80)).T - layer.weight).abs()
        steps = torch.nn.functional.pad(layer.weight, (0, 16)).unflatten(1, (-1, 32)).abs().amax(2, keepdim=True) / 127
        self.assertTrue((apart <= 0.5001 * steps.expand(-1, -1, 32).flatten(1)[:, :80]).all())


class Widening(unittest.TestCase):
    """Half precision on a processor, a product at a time."""

    PRODUCTS, WIDTH = 24, 1024

    def write(self, folder: Path) -> tuple[Path, Path]:
        """A chain of products in half precision, and what goes in."""
        rng, width = np.random.default_rng(0), self.WIDTH
        weights = [rng.standard_normal((width, width)) / 32 for _ in range(self.PRODUCTS)]
        weights = [numpy_helper.from_array(weight.astype(np.float16), f"w{index}") for index, weight in enumerate(weights)]
        nodes = [make_node("MatMul", [f"x{index}", f"w{index}"], [f"x{index + 1}"]) for index in range(self.PRODUCTS)]
        ends = [make_tensor_value_info(name, TensorProto.FLOAT16, [3, width]) for name in ("x0", f"x{self.PRODUCTS}")]
        model = make_model(make_graph(nodes, "chain", ends[:1], ends[1:], weights), opset_imports=[make_opsetid("", 20)], ir_version=10)
        onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
        np.savez(folder / "inputs.npz", x0=rng.standard_normal((3, width)).astype(np.float16))
        return folder / "model.onnx", folder / "inputs.npz"

    @unittest.skipUnless(sys.platform == "linux", "the peak of memory is read as Linux tells it")
    def test_weights_are_not_all_wide_at_once(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            graph, inputs = self.write(Path(folder))
            plain = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"]).run(None, dict(np.load(inputs)))[0]
            found = widening.session(graph).run(None, dict(np.load(inputs)))[0]
            self.assertLess(np.abs(found - plain).max(), 0.02 * np.abs(plain).max())
            rise = lambda how: int(subprocess.run([sys.executable, str(Path(__file__).with_name("peak.py")), str(graph), str(inputs), how],
                                                   check=True, capture_output=True, text=True).stdout)
            stored, wide = (self.PRODUCTS * self.WIDTH**2 * size for size in (2, 4))
            self.assertLess(rise("widened"), stored + wide // 4)
            # A control: ONNX Runtime by itself holds all of them.
            self.assertGreater(rise("plain"), wide * 3 // 4)


class Shapes(unittest.TestCase):
    """Values keep the names of their shapes, by which ONNX Runtime plans memory."""

    def test_values_of_a_transformer_have_shapes(self) -> None:
        with tempfile.TemporaryDirectory() as folder, package.tqdm(disable=True) as bar:
            package.weights.write(wan_ti2v.FAMILY.trace_transformer(wan_ti2v.build().transformer), Path(folder), bar)
            graph = onnx.load(f"{folder}/model.onnx", load_external_data=False).graph
        known = {value.name for value in [*graph.value_info, *graph.output]}
        made = [name for node in graph.node for name in node.output if name]
        self.assertGreater(sum(name in known for name in made), 0.95 * len(made))
        # Not as numbers, which would be those of one size.
        tokens = {dimension.dim_param for value in graph.value_info for dimension in value.type.tensor_type.shape.dim}
        self.assertGreater(len(tokens), 2)


class Blocks(unittest.TestCase):
    """Pixels as channels, beside torch's own and diffusers' ways."""

    def setUp(self) -> None:
        self.clip = torch.arange(2.0 * 3 * 4 * 8 * 12).view(2, 3, 4, 8, 12)

    def test_blocks_of_a_picture_are_those_of_pixel_unshuffle(self) -> None:
        pictures = [torch.nn.functional.pixel_unshuffle(frame, 4) for frame in self.clip.unbind(2)]
        self.assertTrue(torch.equal(blocks.to_blocks(self.clip, (1, 4, 4)), torch.stack(pictures, 2)))

    def test_frames_of_a_block_are_channels_before_its_pixels(self) -> None:
        whole = blocks.to_blocks(self.clip, (2, 2, 3)).unflatten(1, (3, 2, 6))
        for frame in range(2):
            apart = blocks.to_blocks(self.clip[:, :, frame::2], (1, 2, 3)).unflatten(1, (3, 6))
            self.assertTrue(torch.equal(whole[:, :, frame], apart))

    def test_patches_are_those_of_diffusers(self) -> None:
        patches = autoencoder_kl_wan.patchify(self.clip, 2)
        self.assertTrue(torch.equal(blocks.to_patches(self.clip, 2), patches))
        self.assertFalse(torch.equal(blocks.to_blocks(self.clip, (1, 2, 2)), patches), "the order of a patch's pixels counts")
        self.assertTrue(torch.equal(blocks.from_patches(patches, 2), autoencoder_kl_wan.unpatchify(patches, 2)))

    def test_the_way_back_gives_the_clip(self) -> None:
        for block in ((1, 1, 1), (1, 2, 2), (2, 4, 3), (4, 8, 12)):
            there = blocks.to_blocks(self.clip, block)
            self.assertTrue(torch.equal(blocks.from_blocks(there, block), self.clip))
        for size in (1, 2, 4):
            self.assertTrue(torch.equal(blocks.from_patches(blocks.to_patches(self.clip, size), size), self.clip))


class Depth(unittest.TestCase):
    """What stands beside the main chain of blocks is made when a block needs it, not for all blocks at the beginning."""

    BLOCKS = 8
    #: latent frames, rows and columns of tokens
    GRID = (5, 24, 24)

    @unittest.skipUnless(sys.platform == "linux", "the peak of memory is read as Linux tells it")
    def test_noise_levels_of_tokens_are_not_held_for_all_blocks(self) -> None:
        torch.set_grad_enabled(False)
        for tiny, patch in ((wan_ti2v, 2), (ltx, 1)):
            family, short = tiny.FAMILY, tiny.build().transformer
            transformer = seeded(type(short).from_config({**short.config, "num_layers": self.BLOCKS}), 3)
            config, (frames, rows, columns) = transformer.config, self.GRID
            inputs = family.sample(config, frames, rows * patch, columns * patch, 16, np.random.default_rng(0))
            # Scale, shift and share of attention and of the layers behind it: single precision, for each token.
            width = config.num_attention_heads * config.attention_head_dim
            levels = 4 * 6 * width * frames * rows * columns
            held = rise(transformer, family, inputs)
            with mock.patch.object(package.weights, "by_depth", lambda graph: None):
                traced = rise(transformer, family, inputs)
            with self.subTest(tiny.NAME):
                self.assertGreater(traced - held, self.BLOCKS // 2 * levels, f"as traced {traced} bytes, by depth {held}, {levels} a block")

    def test_nodes_come_after_what_they_take(self) -> None:
        names = {"first": ["a"], "second": ["first"], "beside": ["b"], "third": ["second", "beside"]}
        nodes = [make_node("Sum", given, [name]) for name, given in names.items()]
        ends = [make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("a", "b", "third")]
        graph = make_graph(nodes, "beside", ends[:2], ends[2:])
        graphs.by_depth(graph)
        self.assertEqual([node.output[0] for node in graph.node], ["first", "beside", "second", "third"])
        inner = make_node("If", ["a"], ["x"], then_branch=graph, else_branch=graph)
        self.assertRaises(NotImplementedError, graphs.by_depth, make_graph([inner], "outer", ends[:1], ends[2:]))


class Operators(unittest.TestCase):
    """What is written as an operator of ONNX Runtime's own says what torch and diffusers do."""

    def setUp(self) -> None:
        torch.set_grad_enabled(False)
        self.x = torch.randn(1, 24, 48, generator=torch.Generator().manual_seed(4))

    def said(self, forward: Callable[[torch.Tensor], torch.Tensor], operator: str) -> torch.Tensor:
        """What the graph of `forward` makes of `x`, in which there is this operator once."""
        module = nn.Module()
        module.forward = forward
        graph = onnx_ir.to_proto(graphs.trace(module, (self.x,), ["x"], ["y"], ({1: torch.export.Dim("s")},)))
        self.assertEqual([node.op_type for node in graph.graph.node].count(operator), 1)
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        return torch.from_numpy(session.run(None, {"x": self.x.numpy()})[0])

    def test_a_norm_is_torchs_and_diffusers(self) -> None:
        for norm in (nn.RMSNorm(48, eps=1e-5), nn.RMSNorm(48), RMSNorm(48, eps=0.1, elementwise_affine=False)):
            if norm.weight is not None:
                norm.weight.copy_(torch.linspace(0.5, 2, 48))
            said = self.said(lambda x: layers.rms_norm(norm, x), "SimplifiedLayerNormalization")
            for found in (said, layers.rms_norm(norm, self.x)):
                self.assertLess((found - norm(self.x)).abs().max(), 2e-6)
        # A control: the last one's term under the root is seen.
        self.assertGreater((said - RMSNorm(48, eps=1e-5, elementwise_affine=False)(self.x)).abs().max(), 1e-2)

    def test_a_rotary_position_is_diffusers(self) -> None:
        phase = torch.rand(24, 8, generator=torch.Generator().manual_seed(5)).mul(6).repeat_interleave(2, 1)
        cos, sin = phase.cos(), phase.sin()
        expected = apply_rotary_emb(self.x, (cos.repeat(1, 3), sin.repeat(1, 3)))
        # The number of tokens is given, as the angles are constants here.
        rotated = lambda x: attention.rotate(x[:, :24], cos, sin, 3)
        for found in (self.said(rotated, "RotaryEmbedding"), attention.rotate(self.x, cos, sin, 3)):
            self.assertLess((found - expected).abs().max(), 2e-6)
        # A control: turned the other way it is another.
        self.assertGreater((attention.rotate(self.x, cos, -sin, 3) - expected).abs().max(), 1)


class Attention(unittest.TestCase):
    """The scores of all tokens with all tokens are not held."""

    #: latent frames, rows and columns of tokens: 5,984 together
    GRID = (11, 16, 34)

    @unittest.skipUnless(sys.platform == "linux", "the peak of memory is read as Linux tells it")
    def test_acceptance_scores_are_not_held(self) -> None:
        torch.set_grad_enabled(False)
        frames, rows, columns = self.GRID
        spelt_out = mock.patch.object(attention, "fused_attention", attention.spelt_out_attention)
        for tiny, patch in ((wan_vace, 2), (wan_ti2v, 2), (ltx, 1)):
            transformer, family = tiny.build().transformer, tiny.FAMILY
            inputs = family.sample(transformer.config, frames, rows * patch, columns * patch, 16, np.random.default_rng(0))
            scores = 4 * transformer.config.num_attention_heads * (frames * rows * columns)**2
            fused = rise(transformer, family, inputs)
            with spelt_out:
                held = rise(transformer, family, inputs)
            print(f"accept: {tiny.NAME}: memory of a run at 5,984 tokens; with attention spelt out | {fused / 1e6:.0f} MB; {held / 1e6:.0f} MB "
                  f"| < {scores / 4e6:.0f} MB, a quarter of the scores; > {scores / 1e6:.0f} MB, the scores")
            self.assertLess(fused, scores / 4, tiny.NAME)
            self.assertGreater(held, scores, "the control")


class Loras(unittest.TestCase):
    """Merged as diffusers does by `load_lora_weights` and `fuse_lora`, in each layout that files have."""

    STRENGTH, RANK, ALPHA = 0.7, 4, 3.0
    #: layers of a block, by their names in diffusers and in Wan's own code
    WAN = {"attn1.to_q": "self_attn.q", "attn1.to_k": "self_attn.k", "attn1.to_v": "self_attn.v", "attn1.to_out.0": "self_attn.o",
           "attn2.to_q": "cross_attn.q", "attn2.to_k": "cross_attn.k", "attn2.to_v": "cross_attn.v", "attn2.to_out.0": "cross_attn.o",
           "ffn.net.0.proj": "ffn.0", "ffn.net.2": "ffn.2"}
    OUTSIDE = {"condition_embedder.text_embedder.linear_1": "text_embedding.0", "condition_embedder.text_embedder.linear_2": "text_embedding.2",
               "condition_embedder.time_embedder.linear_1": "time_embedding.0", "condition_embedder.time_embedder.linear_2": "time_embedding.2",
               "condition_embedder.time_proj": "time_projection.1", "proj_out": "head.head"}

    def setUp(self) -> None:
        torch.set_grad_enabled(False)
        outside = tempfile.TemporaryDirectory()
        self.addCleanup(outside.cleanup)
        self.folder = Path(outside.name)
        self.file = self.folder / "some.safetensors"

    def matrices(self, transformer: torch.nn.Module, here: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Thin matrices for a layer: down and up."""
        rows, columns = transformer.get_submodule(here).weight.shape
        return torch.randn(self.RANK, columns) / columns**0.5, torch.randn(rows, self.RANK)

    def named(self, transformer: torch.nn.Module, layers: dict[str, str], prefix: str, down: str, up: str, alpha: bool, bias: bool) -> dict:
        """A LoRA's tensors; `layers` says what it calls each layer."""
        torch.manual_seed(1)
        tensors = {}
        for here, there in layers.items():
            tensors[f"{prefix}{there}.{down}.weight"], tensors[f"{prefix}{there}.{up}.weight"] = self.matrices(transformer, here)
            if alpha:
                tensors[f"{prefix}{there}.alpha"] = torch.tensor(self.ALPHA)
            if bias:
                tensors[f"{prefix}{there}.diff_b"] = torch.randn(transformer.get_submodule(here).weight.shape[0])
        return tensors

    def blocks(self, names: dict[str, str]) -> dict[str, str]:
        return {f"blocks.{block}.{here}": f"blocks.{block}.{there}" for block in range(3) for here, there in names.items()}

    def layouts(self, transformer: torch.nn.Module) -> dict[str, dict[str, torch.Tensor]]:
        """One LoRA of a Wan transformer in each layout."""
        everything = self.blocks(self.WAN) | self.OUTSIDE
        flat = {here: there.replace(".", "_") for here, there in self.blocks(self.WAN).items()}
        same = {here: here for here in everything}
        return {"PEFT": self.named(transformer, same, "transformer.", "lora_A", "lora_B", False, False),
                "the makers' names": self.named(transformer, everything, "diffusion_model.", "lora_down", "lora_up", False, True),
                "with an alpha": self.named(transformer, self.blocks(self.WAN), "diffusion_model.", "lora_A", "lora_B", True, False),
                "Kohya": self.named(transformer, flat, "lora_unet_", "lora_down", "lora_up", True, False)}

    def fused(self, pipeline: DiffusionPipeline) -> torch.nn.Module:
        """diffusers' transformer with the file merged in."""
        pipeline.load_lora_weights(str(self.file))
        pipeline.fuse_lora(components=["transformer"], lora_scale=self.STRENGTH)
        pipeline.unload_lora_weights()
        return pipeline.transformer

    def merged(self, tiny: object, precision: str = "fp32", *loras: Lora) -> torch.nn.Module:
        transformer = tiny.build().transformer
        lora.merge(transformer, [*loras] or [Lora(self.file, self.STRENGTH)], tiny.FAMILY.ORIGINAL, precision)
        return transformer

    def apart(self, one: torch.nn.Module, other: torch.nn.Module) -> float:
        """Largest difference of weights."""
        second = dict(other.named_parameters())
        pairs = [(weight, second.pop(name)) for name, weight in one.named_parameters()]
        self.assertFalse(second)
        return max((a.float() - b.float()).abs().max().item() for a, b in pairs)

    def check(self, tiny: object, tensors: dict[str, torch.Tensor], what: str) -> None:
        save_file(tensors, self.file)
        right = self.fused(tiny.build())
        self.assertLess(self.apart(self.merged(tiny), right), 2e-6, what)
        self.assertGreater(self.apart(tiny.build().transformer, right), 0.1, f"{what}: without")
        self.assertGreater(self.apart(self.merged(tiny, "fp32", Lora(self.file, 0.6)), right), 0.01, f"{what}: weaker")

    def test_every_layout_is_merged_as_diffusers_does(self) -> None:
        for tiny in (wan_vace, wan_ti2v):
            for what, tensors in self.layouts(tiny.build().transformer).items():
                self.check(tiny, tensors, f"{tiny.NAME}, {what}")
        transformer = ltx.build().transformer
        layers = [name for name, layer in transformer.named_modules() if isinstance(layer, torch.nn.Linear) and "blocks" in name]
        for prefix in ("transformer.", "diffusion_model."):
            tensors = self.named(transformer, {name: name for name in layers}, prefix, "lora_A", "lora_B", False, False)
            self.check(ltx, tensors, f"tiny_ltx, {prefix}")

    def test_differences_are_added_as_they_are(self) -> None:
        plain = dict(wan_vace.build().transformer.named_parameters())
        names = {"blocks.1.norm3.diff": "blocks.1.norm2.weight", "blocks.1.norm3.diff_b": "blocks.1.norm2.bias",
                 "vace_blocks.0.before_proj.diff": "vace_blocks.0.proj_in.weight", "patch_embedding.diff": "patch_embedding.weight",
                 "blocks.2.modulation.diff": "blocks.2.scale_shift_table"}
        tensors = {key: torch.randn_like(plain[name]) for key, name in names.items()}
        save_file({f"diffusion_model.{key}": tensor for key, tensor in tensors.items()}, self.file)
        for name, weight in self.merged(wan_vace).named_parameters():
            key = next((key for key, place in names.items() if place == name), None)
            right = plain[name] + (self.STRENGTH * tensors[key] if key else 0)
            self.assertLess((weight - right).abs().max().item(), 1e-6, name)

    def test_what_peft_says_of_alpha_counts(self) -> None:
        layers = {here: here for here in self.blocks(self.WAN)}
        transformer = wan_vace.build().transformer
        save_file(self.named(transformer, layers, "base_model.model.", "lora_A", "lora_B", True, False), self.file)
        right = self.merged(wan_vace)
        save_file(self.named(transformer, layers, "base_model.model.", "lora_A", "lora_B", False, False), self.file)
        self.assertGreater(self.apart(self.merged(wan_vace), right), 0.1)
        beside = self.folder / "adapter_config.json"
        beside.write_text(json.dumps({"lora_alpha": self.ALPHA, "alpha_pattern": {}}), "utf-8")
        self.assertLess(self.apart(self.merged(wan_vace), right), 1e-6)
        beside.write_text(json.dumps({"lora_alpha": self.ALPHA / 2, "use_rslora": True}), "utf-8")  # of the root of 4
        self.assertLess(self.apart(self.merged(wan_vace), right), 1e-6)
        beside.write_text(json.dumps({"lora_alpha": 2, "alpha_pattern": {"to_q": 8}}), "utf-8")
        with self.assertRaisesRegex(Unfit, "expected one lora_alpha for all layers"):
            self.merged(wan_vace)

    def test_several_are_one_sum_that_is_rounded_once(self) -> None:
        first, second = self.folder / "first.safetensors", self.folder / "second.safetensors"
        layouts = list(self.layouts(wan_vace.build().transformer).values())
        save_file(layouts[0], first)
        save_file(layouts[2], second)
        loras = [Lora(first, 0.5), Lora(second, -0.25)]
        whole, narrow = self.merged(wan_vace, "fp32", *loras), self.merged(wan_vace, "fp16", *loras)
        weights = dict(narrow.named_parameters())
        changed = {layer: whole.get_submodule(layer).weight for layer in self.blocks(self.WAN)}
        self.assertTrue(all(torch.equal(weights[f"{layer}.weight"], weight.half()) for layer, weight in changed.items()))

    def test_what_does_not_fit_is_named(self) -> None:
        down, up = self.matrices(wan_vace.build().transformer, "blocks.0.attn1.to_q")
        place = "diffusion_model.blocks.0.self_attn.q"
        whole = {f"{place}.lora_A.weight": down, f"{place}.lora_B.weight": up}
        wrong = (({f"{place}.lora_A.weight": down}, "expected both thin matrices of blocks.0.attn1.to_q, found only .*lora_A"),
                 ({**whole, f"{place}.lora_B.weight": up[1:]}, r"expected .*self_attn.q.lora_B.* of shapes \[32, 'r'\]"),
                 ({**whole, "lora_te_text_model_q.lora_down.weight": down}, "expected layers of this transformer, such as .*, found lora_te"),
                 ({**whole, f"{place}.dora_scale": up}, "expected tensors named lora_A and lora_B.*, found .*dora_scale"),
                 ({f"{place}.diff": down}, r"expected .*q.diff of shape \[32, 32\], found \[4, 32\]"),
                 ({"diffusion_model.blocks.9.self_attn.q.lora_A.weight": down}, "expected layers of this transformer, .*blocks.9"),
                 ({**whole, "transformer.blocks.0.attn1.to_q.lora_A.weight": down}, "expected one tensor for each part of blocks.0.attn1.to_q"))
        for tensors, words in wrong:
            save_file({key: tensor.clone() for key, tensor in tensors.items()}, self.file)
            with self.assertRaisesRegex(Unfit, words):
                self.merged(wan_vace)
        self.file.write_bytes(b"something else")
        with self.assertRaisesRegex(Unfit, "expected a .safetensors file"):
            self.merged(wan_vace)
        for text in ("nothing.safetensors", f"{self.file}:inf", f"{self.file}:"):
            with self.assertRaisesRegex(Unfit, "expected FILE or FILE:STRENGTH"):
                Lora.parse(text)
        self.assertEqual((Lora.parse(f"{self.file}:-0.5"), Lora.parse(str(self.file))), (Lora(self.file, -0.5), Lora(self.file)))

    def test_a_package_has_them_and_says_so(self) -> None:
        source, out = self.folder / "checkpoint", self.folder / "package"
        wan_ti2v.build().save_pretrained(source)
        (source / "LICENSE").write_text(LICENCE, "utf-8")
        save_file(self.layouts(wan_ti2v.build().transformer)["with an alpha"], self.file)
        with contextlib.redirect_stdout(io.StringIO()):
            code = command.main(["wan-ti2v", "--source", str(source), "--lora", f"{self.file}:{self.STRENGTH}", *SINGLE, "--out", str(out)])
        self.assertEqual(code, 0)
        case = golden.Case.load(golden.case_folders(out, "transformer")[1])
        found = golden.found(out, "transformer", case)
        inputs = {name: torch.from_numpy(array) for name, array in case.inputs.items()}
        plain = wan_ti2v.FAMILY.Graph(wan_ti2v.build().transformer)(**inputs).numpy()
        right = wan_ti2v.FAMILY.Graph(self.fused(wan_ti2v.build()))(**inputs).numpy()
        self.assertLess(np.abs(found - right).max(), 2e-5 * np.abs(right).max())
        self.assertGreater(np.abs(found - plain).max(), 0.1 * np.abs(right).max())
        origin = json.loads((out / "manifest.json").read_text("utf-8"))["source"]
        self.assertEqual(origin["origin"], "checkpoint with some.safetensors at 0.7")
        self.assertRegex(origin["revision"], "^sha256:[0-9a-f]{64}$")
        alone = {"origin": "checkpoint", "revision": "sha256:1"}
        revisions = {lora.recorded(alone, loras)["revision"] for loras in ([], [Lora(self.file)], [Lora(self.file, 0.7)], [Lora(self.file), Lora(self.file)])}
        self.assertEqual(len(revisions), 4)
        self.assertIn(f"| some.safetensors | 0.7 | {Lora(self.file).digest()} |", (out / "export.md").read_text("utf-8"))


class StepsPresets(unittest.TestCase):
    """Steps of distilled models."""

    CLI = os.environ.get("PICKUP_TEST_CLI")

    def setUp(self) -> None:
        torch.set_grad_enabled(False)
        outside = tempfile.TemporaryDirectory()
        self.addCleanup(outside.cleanup)
        self.folder = Path(outside.name)

    def export(self, tiny: object, word: str, name: str) -> tuple[int, str]:
        """A tiny model's package with the steps called `name`: exit code, and what was said of errors."""
        source, said = self.folder / "source", io.StringIO()
        tiny.build().save_pretrained(source)
        (source / "LICENSE").write_text(LICENCE, "utf-8")
        arguments = [word, "--source", str(source), "--steps-preset", name, "--name", "few", *SINGLE, "--out", str(self.folder / "few")]
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            return command.main(arguments), said.getvalue()

    def generate(self, size: str, frames: int) -> dict:
        """The record of a generation through the command line."""
        places = {f"PICKUP_{name}": str(self.folder / name) for name in ("STORE", "CACHE")}
        arguments = [self.CLI, "generate", "--model", "few", "--prompt", "a red ball", "--size", size, "--frames", str(frames), "--provider", "cpu",
                     "--json", "--out", str(self.folder / "out")]
        done = subprocess.run(arguments, env={**os.environ, **places, "PICKUP_MODELS": str(self.folder / "few")}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["record"]

    @unittest.skipUnless(CLI, "PICKUP_TEST_CLI names no command line; `cargo xtask test --reference` builds one")
    def test_a_distilled_model_runs_its_steps_without_guidance(self) -> None:
        for tiny, word, name, size, frames in ((wan_vace, "wan-vace", "causvid", "128x128", 5), (wan_ti2v, "wan-ti2v", "fastwan", "256x256", 5),
                                               (ltx, "ltx", "ltx-distilled", "256x256", 9)):
            with self.subTest(name):
                self.setUp()
                code, said = self.export(tiny, word, name)
                self.assertEqual(code, 0, said)
                row = next(row for row in steps.TABLE if (row.name, row.family) == (name, tiny.FAMILY.NAME))
                manifest = json.loads((self.folder / "few" / "manifest.json").read_text("utf-8"))
                scheduler = FlowMatchEulerDiscreteScheduler()
                scheduler.set_timesteps(timesteps=list(row.timesteps))
                for preset in (manifest["presets"]["draft"], manifest["presets"]["final"]):
                    np.testing.assert_allclose(preset["sigmas"], scheduler.sigmas[:-1], rtol=1e-6)
                self.assertEqual((manifest["sampler"]["kind"], manifest["sampler"]["shift"]), ("flow_euler", row.shift))
                record = self.generate(size, frames)
                self.assertEqual((record["steps"], record["guidance"], record["frames"]), (len(row.timesteps), 1.0, frames))
                self.assertEqual(record["sampler"], "flow_euler")

    def test_steps_of_another_family_are_refused(self) -> None:
        code, said = self.export(wan_ti2v, "wan-ti2v", "ltx-distilled")
        self.assertEqual(code, 2)
        self.assertIn("expected steps for wan_ti2v, which are fastwan", said)


class Random(unittest.TestCase):
    """A model by its name with random weights; its configuration here is a tiny one."""

    def setUp(self) -> None:
        torch.set_grad_enabled(False)
        outside = tempfile.TemporaryDirectory()
        self.addCleanup(outside.cleanup)
        self.out = Path(outside.name) / "package"
        pipeline = wan_ti2v.build()
        one = lambda name: (type(getattr(pipeline, name)), {key: value for key, value in dict(getattr(pipeline, name).config).items() if key[0] != "_"})
        encoder = (type(pipeline.text_encoder), pipeline.text_encoder.config.to_diff_dict())
        self.recipe = randomised.Recipe(wan_ti2v.FAMILY, "WanPipeline", one("transformer"), one("vae"), encoder, one("scheduler"),
                                        {"expand_timesteps": True})

    def export(self, *arguments: str) -> tuple[int, str]:
        said = io.StringIO()
        with mock.patch.dict(randomised.RECIPES, {"wan2.2-ti2v-5b": self.recipe}), \
                contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            return command.main(["wan-ti2v", "--random", "wan2.2-ti2v-5b", "--out", str(self.out), *arguments]), said.getvalue()

    def test_an_export_that_was_broken_off_goes_on(self) -> None:
        made = []
        component = randomised.RandomCheckpoint.component

        def counted(checkpoint: randomised.RandomCheckpoint, name: str) -> torch.nn.Module:
            made.append(name)
            if made == ["text_encoder", "transformer"]:
                raise KeyboardInterrupt
            return component(checkpoint, name)

        with mock.patch.object(randomised.RandomCheckpoint, "component", counted):
            with self.assertRaises(KeyboardInterrupt):
                self.export()
            code, said = self.export()
        self.assertEqual(code, 0, said)
        self.assertEqual(made, ["text_encoder", "transformer", "transformer", "vae"])
        self.assertEqual(sorted(path.name for path in self.out.parent.iterdir()), ["package"])
        manifest = json.loads((self.out / "manifest.json").read_text("utf-8"))
        self.assertEqual((manifest["dtype"], manifest["text"]["weights"]), ("fp16", "int8"))
        self.assertEqual(manifest["licence"], {"spdx": "Apache-2.0 OR MIT", "acceptance_required": False, "file": "LICENSE"})
        self.assertFalse([path for path in manifest["files"] if path.endswith((".done", ".part"))])
        self.assertEqual({part: spec["bound"] for part, spec in manifest["golden"].items()},
                         {"text_encoder": 3e-2, "transformer": 5e-3, "vae_encoder": 5e-3, "vae_decoder": 5e-3})

    def test_full_configurations_have_the_published_numbers_of_weights(self) -> None:
        for model in json.loads((Path(__file__).parents[2] / "resources" / "catalogue.json").read_text("utf-8")):
            for name, (kind, arguments) in randomised.RECIPES[model["name"]].modules().items():
                count = sum(weight.numel() for weight in randomised.empty(kind, arguments).parameters())
                self.assertAlmostEqual(count / model["parameters"][name], 1, delta=0.02, msg=f"{model['name']} {name}: {count}")


class Catalogue(unittest.TestCase):
    def test_each_model_is_called_what_its_package_is_called(self) -> None:
        catalogue = json.loads((Path(__file__).parents[2] / "resources" / "catalogue.json").read_text("utf-8"))
        told = {model["exporter"]: (model["name"], model["title"], model["family"], model["licence"]["spdx"]) for model in catalogue}
        made = {word: (family.PUBLISHED["name"], family.PUBLISHED["title"], family.NAME, family.PUBLISHED["licence"]["spdx"])
                for word, family in command.FAMILIES.items()}
        self.assertEqual(told, made)


class SteppedVae(unittest.TestCase):
    """The VAE with the published model's widths, which grow from block to block, in torch."""

    @classmethod
    def setUpClass(cls) -> None:
        torch.set_grad_enabled(False)
        torch.manual_seed(0)
        cls.vae = seeded(AutoencoderKLWan(
            base_dim=4, decoder_base_dim=8, z_dim=48, dim_mult=[1, 2, 4, 4], num_res_blocks=2, temperal_downsample=[False, True, True],
            is_residual=True, in_channels=12, out_channels=12, patch_size=2, scale_factor_spatial=16, latents_mean=[0.1] * 48,
            latents_std=[1.5] * 48), 9)

    def step(self, stage: str, x: torch.Tensor, sizes: tuple[int, ...]) -> torch.Tensor:
        """`x` in pieces of `sizes` frames."""
        first, later, *more = x.split(sizes, 2)
        out, *caches = VaeStage(self.vae, stage, first=True)(first)
        outs = [out]
        for piece in (later, *more):
            out, *caches = VaeStage(self.vae, stage, first=False)(piece, *caches)
            outs.append(out)
        return torch.cat(outs, 2)

    def test_steps_give_what_diffusers_gives(self) -> None:
        clip = torch.rand(1, 3, 17, 32, 48) * 2 - 1
        latent = (self.vae.encode(clip).latent_dist.mode() - 0.1) / 1.5
        frames = self.vae.decode(latent * 1.5 + 0.1).sample
        for sizes in ((1, 4, 4, 4, 4), (1, 8, 8), (1, 12, 4)):
            encoded = self.step("enc", clip, sizes)
            self.assertLess((encoded - latent).abs().max().item(), 2e-5, sizes)
        for sizes in ((1, 1, 1, 1, 1), (1, 3, 1), (1, 4)):
            decoded = self.step("dec", self.step("mid", latent, sizes), sizes)
            self.assertLess((decoded - frames).abs().max().item(), 2e-5, sizes)
        self.assertGreater((frames[:, :, 1:] - frames[:, :, :-1]).abs().max().item(), 0.01, "frames differ")


if __name__ == "__main__":
    unittest.main()
