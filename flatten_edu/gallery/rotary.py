"""Rotary places in two dimensions, which RALA, MALA and NaLaFormer share.

    pairs of channels (0, 1), (2, 3), ... are turned: the first half by the row's number times
    10000^-t, the other half by the column's, for d / 4 values of t from 0 to 1

The product of a turned query and a turned key then depends on the offset between their places.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce, repeat
from torch import Tensor

from ..attention.mechanism import Grid, Mechanism


def rotary_angles(grid: Grid, channels: int, extra: int = 0, like: Tensor | None = None) -> Tensor:
    """The angle of each pair of channels at each place: (extra + y x) (d / 2).

    Args:
        grid: (rows, columns).
        channels: d, a multiple of 4.
        extra: tokens in front of the grid's, which are not turned.
        like: a tensor whose device and dtype the angles get.

    >>> rotary_angles((2, 2), 4)
    tensor([[0., 0.],
            [0., 1.],
            [1., 0.],
            [1., 1.]])
    """
    options = {"device": like.device, "dtype": like.dtype} if like is not None else {}
    speed = 10_000 ** -torch.linspace(0, 1, channels // 4, **options)
    rows, columns = (torch.arange(side, **options)[:, None] * speed for side in grid)
    rows = repeat(rows, "y t -> y x t", x=grid[1])
    columns = repeat(columns, "x t -> y x t", y=grid[0])
    angles = rearrange([rows, columns], "half y x t -> (y x) (half t)")
    return F.pad(angles, (0, 0, extra, 0))


def rotate(x: Tensor, angles: Tensor | None) -> Tensor:
    """Turn each pair of channels of ... n d by its angle n (d / 2); None turns nothing.

    >>> rotate(torch.tensor([[1.0, 0.0]]), torch.tensor([[torch.pi / 2]])).round(decimals=3)
    tensor([[-0., 1.]])
    """
    if angles is None:
        return x
    a, b = rearrange(x, "... (d two) -> two ... d", two=2)
    cos, sin = angles.cos(), angles.sin()
    return rearrange([a * cos - b * sin, b * cos + a * sin], "two ... d -> ... (d two)")


def turned_product(
    q: Tensor, k: Tensor, v: Tensor, angles: Tensor | None, key_angles: Tensor | None
) -> Tensor:
    """mean_j (R(q_i) . R(k_j)) v_j, where R turns by the angles: b h n e."""
    memory = einsum(rotate(k, key_angles) / k.shape[2], v, "b h m d, b h m e -> b h d e")
    return einsum(rotate(q, angles), memory, "b h n d, b h d e -> b h n e")


def row_means(q: Tensor, k: Tensor) -> Tensor:
    """q_i . mean_j k_j, b h n 1: what the rows would sum to if nothing were turned."""
    row = einsum(q, reduce(k, "b h m d -> b h d", "mean"), "b h n d, b h d -> b h n")
    return rearrange(row, "b h n -> b h n 1")


class Rotated(Mechanism):
    """A function (q, k, v, angles, key_angles) with the angles of the grid at hand.

    Args:
        function: the mechanism.
        channels: d, a multiple of 4.

    Raises:
        ValueError: for another d.
    """

    def __init__(self, function: Callable[..., Tensor], channels: int):
        super().__init__()
        if channels % 4:
            raise ValueError(
                f"width / heads must be a multiple of 4 for {function.__name__}, which turns pairs "
                f"of channels by rows and by columns, but is {channels}"
            )
        self.function = function

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """b h n e; a mask is ignored."""
        return self.cross(q, k, v, grid, grid, mask)

    def cross(self, q, k, v, query_grid: Grid, grid: Grid, mask: Tensor | None) -> Tensor:
        """b h n e, with queries on a grid of their own."""
        wide = q if q.dtype == torch.float64 else q[:0].float()
        angles, key_angles = (
            rotary_angles(g, q.shape[3], t.shape[2] - g[0] * g[1], like=wide)
            for g, t in ((query_grid, q), (grid, k))
        )
        return self.function(q, k, v, angles, key_angles)

    def extra_repr(self) -> str:
        """The function's name, in the module's printed form."""
        return self.function.__name__
