"""A checkpoint's folder becomes a package: `python -m unittest tests` in this folder."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan

from pickup_export import command, compare, report
from pickup_export.graphs import export_text_encoder
from pickup_export.source import Unfit
from pickup_export.stepped_vae import VaeHalf
from pickup_export.tiny import ltx, wan_ti2v
from pickup_export.tiny.parts import seeded

COMMITTED = Path(__file__).parents[2] / "tests" / "goldens" / wan_ti2v.NAME
LICENCE = "Do what you like.\n"


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
            code = command.main([*arguments, "--source", str(self.source), "--out", str(self.out)])
        return code, said.getvalue()

    def refused(self, family: str, *words: str) -> None:
        code, said = self.run_command(family)
        error = next(line for line in said.splitlines() if line.startswith("error: "))
        self.assertEqual(code, 2)
        for word in words:
            self.assertIn(word, error)
        self.assertFalse(self.out.exists() or self.out.with_name("package.part").exists())

    def change_index(self, **values: object) -> None:
        self.index.write_text(json.dumps({**json.loads(self.saved), **values}), "utf-8")

    def test_a_checkpoint_becomes_the_package_of_the_same_model(self) -> None:
        code, said = self.run_command("wan-ti2v", "--name", "mine")
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
        self.assertTrue(all(float(row[2]) < 2e-5 and float(row[3]) < 2e-5 for row in errors), errors)
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
        pipeline = wan_ti2v.build()
        folder = Path(self.folder.name) / "text"
        export_text_encoder(pipeline.text_encoder, folder / "text_encoder" / "model.onnx")
        self.assertEqual(len(report.check("text_encoder", pipeline.text_encoder, wan_ti2v.FAMILY, folder)), 1)
        pipeline.text_encoder.encoder.block[0].layer[0].SelfAttention.q.weight.mul_(1.1)
        with self.assertRaisesRegex(Unfit, "text encoder: expected a relative error of at most 0.001, found"):
            report.check("text_encoder", pipeline.text_encoder, wan_ti2v.FAMILY, folder)

    def test_what_is_missing_is_named(self) -> None:
        self.licence.unlink()
        self.refused("wan-ti2v", "expected the text of the licence", "--licence")
        self.index.unlink()
        self.refused("wan-ti2v", "expected a diffusers checkpoint with model_index.json")

    def test_a_folder_with_files_is_left_alone(self) -> None:
        self.out.mkdir()
        (self.out / "mine.txt").write_text("mine", "utf-8")
        code, said = self.run_command("wan-ti2v")
        self.assertEqual((code, (self.out / "mine.txt").read_text("utf-8")), (2, "mine"))
        self.assertIn("expected a new or empty folder", said)

    def test_a_model_whose_vae_takes_whole_clips_is_exported_too(self) -> None:
        self.source = Path(self.folder.name) / "ltx"
        ltx.build().save_pretrained(self.source)
        (self.source / "LICENSE").write_text(LICENCE, "utf-8")
        self.refused("wan-vace", "expected a WanVACEPipeline", "found LTXConditionPipeline")
        code, said = self.run_command("ltx")
        self.assertEqual(code, 0, said)
        made, committed = (json.loads((folder / "manifest.json").read_text("utf-8"))
                           for folder in (self.out, COMMITTED.with_name(ltx.NAME)))
        same = ("family", "graphs", "text", "latent", "held", "decode", "conditioning", "sampler")
        self.assertEqual([made[key] for key in same], [committed[key] for key in same])
        errors = [line.split("|") for line in (self.out / "export.md").read_text("utf-8").splitlines() if "e-" in line]
        self.assertEqual(len(errors), 4)
        self.assertTrue(all(float(row[2]) < 2e-5 for row in errors), errors)


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
