"""Hydra attention (Bolya et al., 2022): as many heads as channels, with a cosine kernel.

    O_i = q_i / |q_i| * sum_j k_j / |k_j| * v_j        (* elementwise, norms over all h d channels)

Repairs the cost alone: h d (n + m) multiply-adds, without the factor d. Every channel has a map
of its own of rank 1, with weights of both signs whose rows sum to anything.

Mended: a row of zeros gave NaN, here it stays zero.
"""

from einops import einsum, rearrange, reduce
from torch import Tensor

from ..attention.mechanism import Grid, Mechanism
from ..attention.registry import register
from .shared import on_heads, unit


@on_heads
def hydra_attention(q: Tensor, k: Tensor, v: Tensor, dropped: Tensor | None = None) -> Tensor:
    """One sum over the keys, which each query scales channel by channel.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m d: as wide as the keys, for channels meet only themselves.
        dropped: b m, True where a key is left out.

    Returns:
        b h n d.

    Source: arXiv 2209.07484.

    >>> q = k = torch.ones(1, 1, 2, 4)
    >>> hydra_attention(q, k, torch.ones(1, 1, 2, 4))[0, 0, 0]
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    if v.shape[3] != k.shape[3]:
        raise ValueError(f"v must be as wide as k, {k.shape[3]} channels, but has {v.shape[3]}")
    k = unit(k, 1, 3)
    if dropped is not None:
        k = k.masked_fill(rearrange(dropped, "b m -> b 1 m 1"), 0)
    return unit(q, 1, 3) * reduce(k * v, "b h m d -> b h 1 d", "sum")


@on_heads
def mean_over_channels(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The mean of a head's maps, for values b h m e of any width: q k^T v / d, still signed."""
    memory = einsum(unit(k, 1, 3) / k.shape[3], v, "b h m d, b h m e -> b h d e")
    return einsum(unit(q, 1, 3), memory, "b h n d, b h d e -> b h n e")


class Hydra(Mechanism):
    """`hydra_attention`; as its map it shows the mean of the maps of a head's channels."""

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """b h n d; a mask is ignored."""
        return hydra_attention(q, k, v)

    def mixing(self, q, k, v, query_grid: Grid, grid: Grid, mask: Tensor | None) -> Tensor:
        """b h n e for values of any width."""
        return mean_over_channels(q, k, v)


register("hydra", lambda **_: Hydra())
