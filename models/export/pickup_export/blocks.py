"""Blocks of neighbouring pixels and frames as channels, and back.

Each way is two permutations: one moves whole rows, one is the transposition of a matrix. The single permutation of both
moves number by number, and takes ONNX Runtime's processor kernel three to four times as long.
"""

from __future__ import annotations

import torch

#: frames, rows and columns of a block
Block = tuple[int, int, int]


def rows_apart(x: torch.Tensor, time: int, rows: int) -> torch.Tensor:
    """`(b, c, t * time, h * rows, w)` to `(b, c, time, rows, t, h, w)`."""
    return x.unflatten(3, (-1, rows)).unflatten(2, (-1, time)).permute(0, 1, 3, 5, 2, 4, 6)


def rows_together(x: torch.Tensor) -> torch.Tensor:
    """The way back from `rows_apart`."""
    return x.permute(0, 1, 4, 2, 5, 3, 6).flatten(4, 5).flatten(2, 3)


def columns_first(x: torch.Tensor, columns: int, at: int) -> torch.Tensor:
    """The last dimension `w * columns` to `w`, with `columns` as a dimension at `at`."""
    x = x.unflatten(-1, (-1, columns))
    shape = x.shape[at:-1]
    return x.flatten(at, -2).transpose(-1, -2).unflatten(-1, shape)


def columns_last(x: torch.Tensor, at: int) -> torch.Tensor:
    """The way back from `columns_first`."""
    shape = x.shape[at + 1:]
    return x.flatten(at + 1).transpose(-1, -2).unflatten(at, shape).flatten(-2)


def to_blocks(x: torch.Tensor, block: Block) -> torch.Tensor:
    """`(b, c, t * time, h * rows, w * columns)` to `(b, c * time * rows * columns, t, h, w)`."""
    time, rows, columns = block
    return columns_first(rows_apart(x, time, rows), columns, at=4).flatten(1, 4)


def from_blocks(x: torch.Tensor, block: Block) -> torch.Tensor:
    """The way back from `to_blocks`."""
    return rows_together(columns_last(x.unflatten(1, (-1, *block)), at=4))


def to_patches(x: torch.Tensor, size: int) -> torch.Tensor:
    """`(b, c, t, h * size, w * size)` to `(b, c * size * size, t, h, w)`, a patch's pixels column by column."""
    if size == 1:
        return x
    return columns_first(rows_apart(x, 1, size), size, at=2).flatten(1, 4)


def from_patches(x: torch.Tensor, size: int) -> torch.Tensor:
    """The way back from `to_patches`."""
    if size == 1:
        return x
    return rows_together(columns_last(x.unflatten(1, (-1, size, 1, size)), at=2))
