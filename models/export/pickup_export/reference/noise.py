"""Numbers of the seeded noise, computed with 60 digits."""

from __future__ import annotations

from pathlib import Path

import mpmath
import numpy as np

from .values import save_json


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 of Salmon et al. 2011, written from the paper's text."""
    word = 0xFFFFFFFF
    for turn in range(10):
        k0, k1 = (key[0] + turn * 0x9E3779B9) & word, (key[1] + turn * 0xBB67AE85) & word
        p0, p1 = counter[0] * 0xD2511F53, counter[2] * 0xCD9E8D57
        counter = [(p1 >> 32) ^ counter[1] ^ k0, p1 & word, (p0 >> 32) ^ counter[3] ^ k1, p0 & word]
    return counter


def normal_number(seed: int, stream: int, frame: int, channel: int, y: int, x: int) -> float:
    """The noise of models/samplers/src/noise.rs with 60 digits, rounded once to single precision."""
    a, b, c, d = philox([x, y, channel | stream << 16, frame & 0xFFFFFFFF], [seed & 0xFFFFFFFF, seed >> 32])
    with mpmath.workdps(60):
        u = mpmath.mpf(((a | b << 32) >> 11) + 1) / 2**53
        v = mpmath.mpf((c | d << 32) >> 11) / 2**53
        return float(np.float32(float(mpmath.sqrt(-2 * mpmath.log(u)) * mpmath.cos(2 * mpmath.pi * v))))


def run_noise(path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = [(0, 0, 0, 0, 0, 0), (2**64 - 1, 2, -1, 65535, 2**31, 2**32 - 1)]
    for _ in range(200):
        rows.append((int(rng.integers(0, 2**63)) * 2 + int(rng.integers(2)), int(rng.integers(3)), int(rng.integers(-9, 90)),
                     int(rng.integers(96)), int(rng.integers(200)), int(rng.integers(300))))
    save_json(path, [{"seed": str(row[0]), "at": list(row[1:]), "value": normal_number(*row)} for row in rows])
