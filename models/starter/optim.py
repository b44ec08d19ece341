"""Muon: momentum whose matrix is made orthogonal before it is applied (Jordan et al., 2024).

Workers share the labour: each makes every n-th matrix orthogonal, in bf16, and they exchange the results.
"""

from __future__ import annotations

import torch
import torch.distributed as dist


def orthogonal(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest matrix with singular values near 1, by Newton-Schulz steps."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = ((matrix.t() if tall else matrix) / (matrix.norm() + 1e-7)).bfloat16()
    for _ in range(steps):
        gram = x @ x.t()
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.t() if tall else x).float()


class Muon(torch.optim.Optimizer):
    """For the matrices inside the transformer's blocks; steps are scaled to the size that AdamW's would have."""

    def __init__(self, matrices: list[torch.Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.01):
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        rank, workers = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        for group in self.param_groups:
            matrices = [m for m in group["params"] if m.grad is not None]
            updates = [torch.zeros_like(m) for m in matrices]
            for index, matrix in enumerate(matrices):
                held = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                held.lerp_(matrix.grad, 1 - group["momentum"])
                if index % workers == rank:
                    updates[index] = orthogonal(matrix.grad.lerp(held, group["momentum"]))
            if workers > 1:
                flat = torch.cat([u.flatten() for u in updates])
                dist.all_reduce(flat)
                updates = [part.view_as(m) for m, part in zip(matrices, flat.split([m.numel() for m in matrices]))]
            for matrix, update in zip(matrices, updates):
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"] * 0.2 * max(matrix.shape) ** 0.5)
