"""Performer (Choromanski et al., ICLR 2021): random features whose product is softmax on average.

    phi(x) = (exp(W x / d^(1/4) - |x|^2 / (2 sqrt(d)) - c) + 1e-4) / sqrt(r)
    O = phi(Q) (phi(K)^T V) / (phi(Q) phi(K)^T 1)

with r random directions W. In expectation phi(q) . phi(k) is exp(q . k / sqrt(d)) times a
constant. Aims at the focus of softmax at linear cost, r e (n + m) multiply-adds a head; the rank
of the map is up to r. c is the largest exponent (of a query; of all keys) and only keeps numbers
in range, but the 1e-4 stands after it: maps with large scores become uniform, as published.
"""

import math

import torch
from einops import einsum, rearrange, reduce
from torch import Tensor

from ..attention.linear import kernel_attention
from ..attention.mechanism import Grid, Mechanism
from ..attention.registry import register
from .shared import on_heads


@on_heads
def performer_attention(q: Tensor, k: Tensor, v: Tensor, directions: Tensor) -> Tensor:
    """Attention with random features that stand for the exponential.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.
        directions: W, r d; see `random_directions`.

    Returns:
        b h n e.

    Source: arXiv 2009.14794.

    >>> q = k = torch.zeros(1, 1, 2, 4)
    >>> performer_attention(q, k, torch.tensor([[[[1.0], [5.0]]]]), torch.eye(4)).flatten()
    tensor([3.0000, 3.0000])
    """
    queries = random_features(q, directions, "b h n r -> b h n 1")
    return kernel_attention(queries, random_features(k, directions, "b h m r -> b h 1 1"), v)


def random_features(x: Tensor, directions: Tensor, together: str) -> Tensor:
    """phi(x), b h n d -> b h n r; `together` says over which axes c is the largest."""
    x = x * x.shape[-1] ** -0.25
    exponent = einsum(x, directions.to(x.dtype), "b h n d, r d -> b h n r")
    largest = reduce(exponent.detach(), together, "max")
    half = reduce(x * x, "b h n d -> b h n 1", "sum") / 2
    return ((exponent - half - largest).exp() + 1e-4) * directions.shape[0] ** -0.5


def random_directions(
    count: int, channels: int, generator: torch.Generator | None = None
) -> Tensor:
    """r d: sets of d directions at right angles, each as long as a random vector would be.

    >>> random_directions(9, 4).shape
    torch.Size([9, 4])
    """
    sets = math.ceil(count / channels)
    bases = torch.linalg.qr(torch.randn(sets, channels, channels, generator=generator))[0]
    rows = rearrange(bases, "s c d -> (s d) c")[:count]
    lengths = torch.linalg.vector_norm(
        torch.randn(count, channels, generator=generator), dim=1, keepdim=True
    )
    return rows * lengths


class Performer(Mechanism):
    """`performer_attention` with directions that are drawn once, r = d log d if not given."""

    def __init__(self, channels: int, count: int | None = None):
        super().__init__()
        count = count or max(1, int(channels * math.log(channels)))
        self.directions: Tensor
        self.register_buffer("directions", random_directions(count, channels))

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """b h n e; a mask is ignored."""
        return performer_attention(q, k, v, self.directions)


register("performer", lambda width, heads, **_: Performer(width // heads))
