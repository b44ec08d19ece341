"""The closed form of a forward's arithmetic against PyTorch's own count."""

from __future__ import annotations

import unittest

import torch
from torch.utils.flop_counter import FlopCounterMode

import flops
from diffusion import Forward
from pickup import Work


class Operations(unittest.TestCase):
    def count(self, work: Work, text: int) -> tuple[Forward, int]:
        forward = Forward("wan-mid", work, text, "cpu", torch.float32)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            forward()
        return forward, counter.get_total_flops()

    def test_closed_form_is_what_pytorch_counts(self) -> None:
        for work, text in ((Work(64, 48, 5, 1, 1.0), 16), (Work(160, 96, 13, 1, 1.0), 40)):
            forward, counted = self.count(work, text)
            told = flops.forward(forward.config, forward.tokens, text)
            self.assertAlmostEqual(told / counted, 1, delta=5e-3)
            # A control: half as many tokens again.
            self.assertGreater(flops.forward(forward.config, forward.tokens * 3 // 2, text) / counted, 1.3)


if __name__ == "__main__":
    unittest.main()
