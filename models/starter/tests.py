"""Quick tests of the parts: `python -m unittest tests` in this folder."""

from __future__ import annotations

import random
import unittest

import torch

import canvas as cv
import tokenizer as words
from codec import TEMPORAL, Codec, mean_colour_basis
from masks import KINDS, control_input, fold_mask, sample_mask
from network import Config, Starter
from sampling import sample
from world import make_clip, motion


def small_net() -> Starter:
    """A tiny untrained network whose codec keeps the mean colours and random detail."""
    torch.manual_seed(0)
    net = Starter(Config(channels=32, width=64, layers=2, motion_layer=1, heads=2, vocabulary=words.build().get_vocab_size()))
    for name, depth in (("first", 1), ("next", TEMPORAL)):
        fixed = torch.from_numpy(mean_colour_basis(depth)).float()
        rest = torch.randn(32 - len(fixed), fixed.shape[1])
        rest = rest - rest @ fixed.t() @ fixed
        getattr(net.codec, f"basis_{name}").copy_(torch.cat([fixed, torch.linalg.qr(rest.t())[0].t()]))
    return net.eval()


class Parts(unittest.TestCase):
    def test_known_frames_are_read_back(self):
        net = small_net()
        video = torch.rand(1, 3, 17, 48, 64) * 0.6 - 0.9
        mask = torch.ones(1, 17, 48, 64)
        mask[:, :6] = mask[:, 14:] = 0
        canvas = cv.read_canvas(net.codec, control_input(net.codec, video, mask, torch.rand(1, 2, 3, 48, 64)))
        self.assertEqual(canvas.reference[0].tolist(), [1, 1, 0, 0, 0, 0, 0])
        seen = canvas.known.mean((2, 3))[0, 11:].round().tolist()  # from the last slot of the first frame
        self.assertEqual(seen, [1.0] * 6 + [0.0] * 8 + [1.0] * 3)
        back, ahead, _, _ = cv.gaps(canvas)
        self.assertEqual(back[0, 11 + 9].item(), 4)
        self.assertEqual(ahead[0, 11 + 9].item(), 5)

    def test_nothing_known_takes_the_short_way_to_the_same_end(self):
        net = small_net()
        control = control_input(net.codec, torch.zeros(1, 3, 9, 48, 64), torch.ones(1, 9, 48, 64), torch.rand(1, 1, 3, 48, 64))
        noisy, text = torch.randn(1, 32, 4, 6, 8), torch.randn(1, 32, 128)
        with torch.no_grad():
            both = [net.transformer.predict(noisy, torch.tensor([0.7]), text, control, torch.ones(1), blank).clean for blank in (True, False)]
        torch.testing.assert_close(both[0], both[1], atol=1e-5, rtol=1e-4)

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

    def test_words(self):
        tokenizer = words.build()
        for seed in range(200):
            self.assertNotIn(1, tokenizer.encode(make_clip(seed, (48, 64), 1).caption).ids)
        self.assertEqual(tokenizer.encode("").ids, [2])
        self.assertEqual(tokenizer.encode("A RED disc!").ids, tokenizer.encode("a red circle").ids)


if __name__ == "__main__":
    unittest.main()
