"""Quick tests of the parts: `python -m unittest tests` in this folder."""

from __future__ import annotations

import random
import tempfile
import unittest
import unittest.mock
from pathlib import Path

import numpy as np
import torch

import canvas as cv
import export
import judge
import known
import tokenizer as words
import train
from codec import TEMPORAL, Codec, mean_colour_basis, smooth_steps
from masks import KINDS, control_input, fold_mask, sample_mask
from network import CELLS, FOLLOWED, PATHS, Config, Starter
from package_io import fill, load_package
from sampling import sample, shifted_sigmas
from seeing import block_ratio, find_thing, name_camera
from world import make_clip, motion


CHANNELS = 64


def small_net() -> Starter:
    """A tiny untrained network whose codec keeps the mean colours and random detail."""
    torch.manual_seed(0)
    net = Starter(Config(channels=CHANNELS, width=64, layers=2, motion_layer=1, cover_layer=1, heads=2, vocabulary=words.build().get_vocab_size()))
    fixed = torch.from_numpy(mean_colour_basis(TEMPORAL)).float()
    rest = torch.randn(CHANNELS - len(fixed), fixed.shape[1])
    rest = rest - rest @ fixed.t() @ fixed
    net.codec.basis.copy_(torch.cat([fixed, torch.linalg.qr(rest.t())[0].t()]))
    net.codec.scale.copy_(torch.linspace(1.5, 0.5, CHANNELS))
    net.codec.deviation.copy_(torch.linspace(3.0, 0.4, CHANNELS))
    return net.eval()


class Parts(unittest.TestCase):
    def test_known_frames_are_read_back(self):
        net = small_net()
        video = torch.rand(1, 3, 17, 48, 64) * 0.6 - 0.9
        mask = torch.ones(1, 17, 48, 64)
        mask[:, :6] = mask[:, 14:] = 0
        canvas = cv.read_canvas(net.codec, *cv.parts(net.codec, control_input(net.codec, video, mask, torch.rand(1, 2, 3, 48, 64))))
        self.assertEqual(canvas.reference[0].tolist(), [1, 1, 0, 0, 0, 0, 0])
        seen = canvas.known.mean((2, 3))[0, 11:].round().tolist()  # from the last slot of the first frame
        self.assertEqual(seen, [1.0] * 6 + [0.0] * 8 + [1.0] * 3)
        back, ahead, _, _ = cv.gaps(canvas)
        self.assertEqual(back[0, 11 + 9].item(), 4)
        self.assertEqual(ahead[0, 11 + 9].item(), 5)

    def test_nothing_known_takes_the_short_way_to_the_same_end(self):
        net = small_net()
        control = control_input(net.codec, torch.zeros(1, 3, 9, 48, 64), torch.ones(1, 9, 48, 64))
        noisy, text = torch.randn(1, CHANNELS, 3, 6, 8), torch.randn(1, 32, 128)
        with torch.no_grad():
            both = []
            for known in (False, True):
                with unittest.mock.patch.object(cv, "anything_known", return_value=torch.tensor(known)):
                    both.append(net.transformer.predict(noisy, torch.tensor([0.7]), text, control, torch.ones(1)).clean)
        torch.testing.assert_close(both[0], both[1], atol=1e-5, rtol=1e-4)

    def test_steps_are_those_of_the_decoded_pixels(self):
        codec, latent = small_net().codec, torch.randn(1, CHANNELS, 2, 3, 4)
        pixels = codec.decode_next(latent).unflatten(2, (2, 4))
        across = (pixels[..., 8::8] - pixels[..., 7:-1:8]).unflatten(4, (3, 8)).permute(0, 2, 4, 6, 1, 3, 5).flatten(4)
        down = (pixels[..., 8::8, :] - pixels[..., 7:-1:8, :]).unflatten(5, (4, 8)).permute(0, 2, 4, 5, 1, 3, 6).flatten(4)
        for found, true in zip(codec.steps(latent), (across, down)):
            torch.testing.assert_close(found, true, atol=1e-4, rtol=1e-4)

    def test_a_reference_or_a_known_frame_is_something_known(self):
        codec, video, unknown = small_net().codec, torch.rand(1, 3, 9, 48, 64) - 0.9, torch.ones(1, 9, 48, 64)
        last = unknown.clone()
        last[:, -1] = 0
        canvases = control_input(codec, video, unknown), control_input(codec, video, unknown, torch.rand(1, 1, 3, 48, 64)), control_input(codec, video, last)
        self.assertEqual([cv.anything_known(codec, cv.parts(codec, control)[0]).item() for control in canvases], [False, True, True])

    def test_known_pixels_come_back_as_they_were(self):
        video, mask = torch.rand(1, 3, 9, 48, 64) - 0.9, torch.zeros(1, 9, 48, 64)
        mask[:, 4:6] = 1
        out = sample(small_net(), ["a red circle"], video, mask, steps=2)
        self.assertTrue(torch.equal(out[:, :, :4], video[:, :, :4]))
        self.assertEqual(out.shape, video.shape)

    def test_mask_is_folded_as_the_pipeline_folds_it(self):
        mask = torch.zeros(1, 17, 16, 16)
        mask[:, 5] = 1
        folded = fold_mask(mask)
        self.assertEqual(tuple(folded.shape), (1, 64, 5, 2, 2))
        self.assertEqual(folded.mean((0, 1, 3, 4)).tolist(), [0, 1, 0, 0, 0])

    def test_all_kinds_of_masks(self):
        for kind in (*KINDS, "everything"):
            for seed in range(20):
                mask = sample_mask(random.Random(seed), 9, 48, 64, kind)
                self.assertTrue(set(mask.unique().tolist()) <= {0.0, 1.0})

    def test_a_clip_is_made_from_its_seed_alone(self):
        first, again = make_clip(5, tier=2), make_clip(5, tier=2)
        self.assertTrue(torch.equal(first.frames, again.frames))
        self.assertEqual(first.caption, again.caption)
        self.assertEqual(motion(first, torch.tensor([3]), torch.tensor([3])).abs().max().item(), 0)

    def test_a_package_gives_back_the_weights_it_was_written_from(self):
        net = small_net()
        with torch.no_grad():
            for value in net.parameters():
                value.copy_(torch.randn_like(value).half() * 0.1)
        with tempfile.TemporaryDirectory() as folder:
            for part in ("codec", "text", "transformer"):
                getattr(export, f"export_{part}")(net, Path(folder) / {"codec": "vae", "text": "text_encoder"}.get(part, part))
            read = load_package(Path(folder)).state_dict()
        for name, value in net.state_dict().items():
            torch.testing.assert_close(read[name], value, atol=1e-3, rtol=1e-3, msg=name)

    def test_a_package_without_a_weight_is_refused_and_named(self):
        net = small_net()
        weights = {name.replace("transformer.codec.", "codec."): value.clone() for name, value in net.state_dict().items()}
        del weights["transformer.cover.weight"]
        self.assertEqual(fill(small_net(), weights), ["transformer.cover.weight"])
        with unittest.mock.patch("package_io.read_package", return_value=(net.config, weights)):
            with self.assertRaisesRegex(ValueError, "transformer.cover.weight"):
                load_package(Path("small"))

    def test_things_are_told_to_be_where_the_picture_shows_them(self):
        for seed in range(40, 52):
            clip = make_clip(seed, tier=0)
            count = (clip.scene.frames + 3) // 4
            middles, cover = train.shown(clip.scene, 0, clip, count)
            seen, _ = find_thing(clip.frames.numpy())
            nearest = seen[6:8].mean(0)  # the middle of latent frame 2 lies between frames 6 and 7
            cells = cover[2].reshape(4, 6, CELLS, CELLS).transpose(1, 2).reshape(32, 48).numpy() > 0.5
            pixels = nearest.reshape(32, 2, 48, 2).mean((1, 3)) > 0.4
            self.assertGreater((cells & pixels).sum() / (cells | pixels).sum(), 0.7, clip.caption)
            self.assertLess((cells & np.roll(pixels, 12, 1)).sum() / (cells | pixels).sum(), 0.5, "the control, moved by 24 pixels")
            y, x = np.where(cells)
            self.assertLess(abs((x.mean() + 0.5) / CELLS - middles[2, 0].item()), 0.15, clip.caption)

    def test_paths_are_told_as_things_and_scene_move(self):
        for seed in range(60, 80):
            clip = make_clip(seed, tier=2)
            told = train.path_truth([train.Sample(clip, None)], [True])[0]
            self.assertEqual(train.path_truth([train.Sample(clip, None)], [False]).abs().max().item(), 0)
            if clip.scene.ease or clip.scene.camera.startswith("zooms"):
                continue
            for path, centre in zip((told[2], *told[:2]), clip.centre):
                torch.testing.assert_close(path[:2], centre[1] - centre[0], atol=1e-3, rtol=1e-3)

    def test_what_moves_along_a_path_stays_in_one_place_for_the_heads_that_follow_it(self):
        net, h, w = Starter(Config(channels=CHANNELS, width=192, layers=2, motion_layer=1, cover_layer=1)).transformer, 8, 12
        position, paths = torch.arange(5.0)[None], torch.zeros(1, PATHS, 3)
        at_rest, _ = net.angles(position, paths, h, w)
        paths[0, 0, 0] = 4.0  # pixels a frame to the right: one token in a latent frame
        moving, _ = net.angles(position, paths, h, w)
        token = lambda angles, frame, x: angles.reshape(5, h // 2, w // 2, 6, -1)[frame, 1, x, :, -10:]  # rows and columns
        followed = [FOLLOWED.index(1), FOLLOWED.index(0)]
        same = [torch.allclose(token(moving, 2, 1)[head], token(moving, 3, 2)[head], atol=1e-5) for head in followed]
        self.assertEqual(same, [True, False])
        resting = [torch.allclose(token(moving, 2, 1)[head], token(at_rest, 2, 1)[head], atol=1e-5) for head in followed]
        self.assertEqual(resting[1], True)

    def test_listed_levels_and_guided_steps(self):
        net = small_net()
        with torch.no_grad():
            for value in net.transformer.parameters():
                value.add_(0.05 * torch.randn_like(value))
        run = lambda **how: sample(net, ["a red circle"], torch.zeros(1, 3, 5, 48, 64), torch.ones(1, 5, 48, 64), steps=4, **how)
        levels = shifted_sigmas(4, 6.0)[:-1].tolist()
        torch.testing.assert_close(run(guidance=3.0, sigmas=levels), run(guidance=3.0))
        self.assertFalse(torch.allclose(run(guidance=3.0, sigmas=[1.0, 0.5, 0.3, 0.1]), run(guidance=3.0)))
        torch.testing.assert_close(run(guidance=3.0, guidance_interval=(0.0, 0.2)), run(guidance=1.0))  # not a whole step
        half = run(guidance=3.0, guidance_interval=(0.0, 0.5))
        self.assertFalse(torch.allclose(half, run(guidance=3.0)) or torch.allclose(half, run(guidance=1.0)))

    def test_the_judges_know_what_true_clips_show_and_notice_other_words(self):
        video, made = known.clips(12, 0, 17, seed=90_000)
        seen, scenes = judge.seen_in(video), [c.scene for c in made]
        for kind, share in judge.share_right(seen, scenes).items():
            self.assertGreaterEqual(share, 11 / 12, kind)
            self.assertLess(judge.share_right(seen, scenes, judge.TURN)[kind], 0.7, kind)

    def test_the_judge_of_the_camera(self):
        choose = lambda scene: scene.camera != "still" and scene.camera_rate > 0.8 and not scene.things and scene.surface == "natural"
        video, made = known.clips(8, 2, 17, seed=80_000, choose=choose)
        self.assertGreaterEqual(sum(name_camera(v) == c.scene.camera for v, c in zip(video, made)), 7)

    def test_the_judge_of_blocks_notices_a_grid(self):
        video, _ = known.clips(2, 1, 5)
        self.assertLess(block_ratio(video), 1.15)
        tiles = torch.rand(2, 3, 5, 4, 6).repeat_interleave(16, 3).repeat_interleave(16, 4)
        self.assertGreater(block_ratio(video + 0.05 * tiles), 1.15)

    def test_small_steps_between_blocks_go_and_edges_of_the_picture_stay(self):
        tiles = torch.rand(1, 3, 2, 6, 8, generator=torch.Generator().manual_seed(3)).repeat_interleave(8, 3).repeat_interleave(8, 4)
        slope = torch.linspace(-0.5, 0.5, 64).expand(1, 3, 2, 48, 64)
        steps = slope + 0.03 * tiles
        across = lambda x: (x - slope).diff(dim=4)[..., 7::8].abs().mean().item()
        self.assertLess(across(smooth_steps(steps)), across(steps) / 3)
        torch.testing.assert_close(smooth_steps(slope), slope)
        torch.testing.assert_close(smooth_steps(0.5 * tiles.round()), 0.5 * tiles.round())

    def test_spans_show_the_model_whole_latent_frames(self):
        for name, span in known.SPANS.items():
            length = span.seen[1] - span.seen[0] + span.surplus
            borders = [b - span.seen[0] + span.surplus for b in (span.start, span.stop) if span.seen[0] < b < span.seen[1]]
            self.assertEqual([b % TEMPORAL for b in (*borders, length)], [1] * (len(borders) + 1), name)

    def test_words(self):
        tokenizer = words.build()
        for seed in range(200):
            self.assertNotIn(1, tokenizer.encode(make_clip(seed, (48, 64), 1).caption).ids)
        self.assertEqual(tokenizer.encode("").ids, [2])
        self.assertEqual(tokenizer.encode("A RED disc!").ids, tokenizer.encode("a red circle").ids)


if __name__ == "__main__":
    unittest.main()
