"""Linear angular attention (Castling-ViT, You et al., CVPR 2023): the angle between q and k.

    T = V / 2 + q^ (k^^T V) / pi,   O = T / |T| + conv(V)          q^ = q / |q|,  k^ = k / |k|

The first two terms of 1 - angle / pi, as a series in q^ . k^; the first is on the diagonal only,
and a convolution over 9 consecutive tokens stands for the dropped ones. The diagonal repairs the
rank (full); weights may be negative, and rows sum to anything. The division by |T|, token by
token and head by head, makes the output non-linear in the values. Cost: 2 d e n multiply-adds a
head. Queries and keys must be the same tokens. In training the paper adds the large entries of a
softmax map (`sparse`, cost n^2).

Mended: rows of zeros gave NaN, here they stay zero.
"""

import math

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from ..attention.mechanism import Grid, Mechanism
from ..attention.registry import register
from .shared import check_one_set, on_heads, unit


@on_heads
def angular_mixing(q: Tensor, k: Tensor, v: Tensor, sparse: bool = False) -> Tensor:
    """T, the part that is linear in the values: b h n d, b h n d, b h n e -> b h n e."""
    check_one_set(q, k, "every token keeps half of itself")
    memory = einsum(unit(k, 3), v, "b h m d, b h m e -> b h d e")
    mixed = v / 2 + einsum(unit(q, 3), memory, "b h n d, b h d e -> b h n e") / math.pi
    if sparse:
        scores = einsum(q, k, "b h n d, b h m d -> b h n m") * q.shape[-1] ** -0.5
        weights = scores.softmax(dim=-1)
        mixed = mixed + (weights * (weights > 0.02)) @ v
    return mixed


@on_heads
def linear_angular_attention(
    q: Tensor, k: Tensor, v: Tensor, kernel: Tensor | None = None, sparse: bool = False
) -> Tensor:
    """Mix by angles, divide each result by its length, add what a convolution over tokens gives.

    Args:
        q: queries, b h n d.
        k: keys, b h n d.
        v: values, b h n e.
        kernel: one kernel a head, h k with k odd, along the token order; None for no convolution.
        sparse: whether entries above 0.02 of softmax(q k^T / sqrt(d)) are added to the map.

    Returns:
        b h n e.

    Source: arXiv 2211.10526.

    >>> v = torch.tensor([[[[3.0, 4.0], [0.0, 0.0]]]])
    >>> linear_angular_attention(v, v, v)
    tensor([[[[0.6000, 0.8000],
              [0.0000, 0.0000]]]])
    """
    mixed = unit(angular_mixing(q, k, v, sparse), 3)
    if kernel is None:
        return mixed
    lines = rearrange(v, "b h n e -> (b e) h n")
    weight = rearrange(kernel, "h k -> h 1 k")
    local = F.conv1d(lines, weight, padding=kernel.shape[1] // 2, groups=kernel.shape[0])
    return mixed + rearrange(local, "(b e) h n -> b h n e", b=v.shape[0])


class LinearAngular(Mechanism):
    """`linear_angular_attention` with its learned convolution."""

    def __init__(self, heads: int, size: int = 9, sparse: bool = False):
        super().__init__()
        self.sparse = sparse
        self.kernel = nn.Parameter(torch.empty(heads, size).uniform_(-1, 1) / math.sqrt(size))

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """b h n e; a mask is ignored."""
        return linear_angular_attention(q, k, v, self.kernel, self.sparse)

    def mixing(self, q, k, v, query_grid: Grid, grid: Grid, mask: Tensor | None) -> Tensor:
        """T, without the division by its length and without the convolution."""
        return angular_mixing(q, k, v, self.sparse)


register("linear_angular", lambda heads, **_: LinearAngular(heads))
