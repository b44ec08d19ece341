"""Random tensors from NumPy's generators, which give the same on every machine, unlike torch's vectorised ones."""

from __future__ import annotations

import numpy as np
import torch


def normal(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    """Mean 0, deviation 1."""
    return torch.from_numpy(rng.standard_normal(shape, np.float32))


def uniform(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    """From 0 to 1."""
    return torch.from_numpy(rng.random(shape, np.float32))
