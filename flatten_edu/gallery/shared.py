"""What several mechanisms of the gallery share: the frame of a function, unit vectors, places."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..attention.checks import check_grid, check_qkv, widened
from ..attention.focused import resize_positions
from ..attention.mechanism import Grid, Mechanism

P = ParamSpec("P")
Wide = Callable[Concatenate[Tensor, Tensor, Tensor, P], Tensor]


def on_heads(function: Wide[P]) -> Wide[P]:
    """A function of q b h n d, k b h m d, v b h m e that looks at its shapes first.

    It computes in float32 at least and answers in the dtype of v.

    Raises:
        ValueError: if the shapes do not fit together; the line names the axis.
    """
    wide = widened(function)

    @wraps(function)
    def checked(q: Tensor, k: Tensor, v: Tensor, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        check_qkv(q, k, v)
        return wide(q, k, v, *args, **kwargs).to(v.dtype)

    return checked


def unit(x: Tensor, *axes: int) -> Tensor:
    """x / |x| over these axes; a vector of zeros stays zero, with a gradient that is finite.

    >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), -1)
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    length = torch.linalg.vector_norm(x, dim=axes, keepdim=True)
    return x / torch.where(length > 0, length, torch.ones_like(length))


def elu_plus_one(x: Tensor) -> Tensor:
    """elu(x) + 1, written so that what is far below zero keeps its digits: exp(x), not 1 - 1.

    >>> elu_plus_one(torch.tensor([-20.0, 0.0, 2.0]))
    tensor([2.0612e-09, 1.0000e+00, 3.0000e+00])
    """
    return x.clamp_max(0).exp() + x.relu()


def check_one_set(q: Tensor, k: Tensor, why: str) -> None:
    """Raise a ValueError in one line unless there are as many queries as keys."""
    if q.shape[2] != k.shape[2]:
        raise ValueError(
            f"k must hold the same tokens as q, because {why}; q is b h n d = {tuple(q.shape)}, "
            f"k is b h m d = {tuple(k.shape)}; keep every key (sr_ratios=(1, 1, 1, 1) in PVT)"
        )


class Positions(nn.Module):
    """One learned vector a place, added to the keys b m c; resized (bicubic) for other grids."""

    def __init__(self, width: int, grid: int | Grid | None):
        super().__init__()
        self.grid = check_grid(grid)
        self.table = nn.Parameter(torch.zeros(1, self.grid[0] * self.grid[1], width))

    def forward(self, k: Tensor, grid: Grid) -> Tensor:
        """b m c -> b m c. Tokens in front of the grid's (a class token) get no place."""
        places = resize_positions(self.table, self.grid, grid)
        return k + F.pad(places, (0, 0, k.shape[1] - places.shape[1], 0)).to(k.dtype)


class Placed(Mechanism):
    """A mechanism whose keys get learned places before they are split into heads."""

    def __init__(self, width: int, grid: int | Grid | None):
        super().__init__()
        self.positions = Positions(width, grid)

    def prepare(self, q: Tensor, k: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        """Keys get their places."""
        return q, self.positions(k, grid)
