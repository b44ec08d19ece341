"""A checkpoint's folder becomes a package: `python -m unittest tests` in this folder."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import torch
from diffusers import AutoencoderKLWan

from pickup_export import command, compare, golden, package, precision, randomised, report
from pickup_export.errors import Unfit
from pickup_export.stepped_vae import VaeHalf
from pickup_export.tiny import ltx, wan_ti2v, wan_vace
from pickup_export.tiny.parts import seeded

COMMITTED = Path(__file__).parents[2] / "tests" / "goldens" / wan_ti2v.NAME
LICENCE = "Do what you like.\n"
#: as the committed packages are
SINGLE = ("--dtype", "fp32", "--text", "fp32")
#: latent frames, rows, columns and tokens at which no graph is traced
UNSEEN = ((2, 2, 4, 7), (4, 6, 2, 33), (3, 8, 4, 5), (5, 2, 6, 24))


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

    def test_half_precision_stays_close(self) -> None:
        for tiny in (wan_vace, wan_ti2v, ltx):
            for name in ("transformer", "vae"):
                for found in self.measured(tiny, name, "fp16"):
                    print(f"{tiny.NAME} {found}")
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

    def step(self, encode: bool, x: torch.Tensor, sizes: tuple[int, ...]) -> torch.Tensor:
        """`x` in pieces of `sizes` frames."""
        first, later, *more = x.split(sizes, 2)
        out, *caches = VaeHalf(self.vae, encode, first=True)(first)
        outs = [out]
        for piece in (later, *more):
            out, *caches = VaeHalf(self.vae, encode, first=False)(piece, *caches)
            outs.append(out)
        return torch.cat(outs, 2)

    def test_steps_give_what_diffusers_gives(self) -> None:
        clip = torch.rand(1, 3, 17, 32, 48) * 2 - 1
        latent = (self.vae.encode(clip).latent_dist.mode() - 0.1) / 1.5
        frames = self.vae.decode(latent * 1.5 + 0.1).sample
        for sizes in ((1, 4, 4, 4, 4), (1, 8, 8), (1, 12, 4)):
            encoded = self.step(True, clip, sizes)
            self.assertLess((encoded - latent).abs().max().item(), 2e-5, sizes)
        for sizes in ((1, 1, 1, 1, 1), (1, 3, 1), (1, 4)):
            decoded = self.step(False, latent, sizes)
            self.assertLess((decoded - frames).abs().max().item(), 2e-5, sizes)
        self.assertGreater((frames[:, :, 1:] - frames[:, :, :-1]).abs().max().item(), 0.01, "frames differ")


if __name__ == "__main__":
    unittest.main()
