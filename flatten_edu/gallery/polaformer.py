"""PolaFormer (Meng et al., ICLR 2025): both signs of q and k, in two maps with learned powers.

    x+ = ReLU(x / S)^P,  x- = ReLU(-x / S)^P,   P = 1 + alpha sigmoid(w),  a power for each channel
    same = q+ . k+ + q- . k-,   opposite = q+ . k- + q- . k+,   each divided by its row sums

The same-sign map mixes the first half of the value channels, the other map the second half.
Repairs the signs that ReLU drops, and focus (all powers are 3 at the start, for alpha = 4); rank
up to 2 d. Cost: 2 d e (n + m) multiply-adds a head. Learned places are added to the keys, and the
published module adds a 5 x 5 depthwise convolution (the branch here) before a gate, which needs a
fourth projection and is left out.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..attention.linear import kernel_attention
from ..attention.mechanism import Grid
from ..attention.registry import register
from .shared import Placed, on_heads


@on_heads
def polaformer_attention(
    q: Tensor, k: Tensor, v: Tensor, scale: Tensor, power: Tensor, alpha: float = 4
) -> Tensor:
    """Same signs for the first half of the value channels, opposite signs for the rest.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.
        scale: h d; its softplus S divides q and k.
        power: w, h d.
        alpha: the largest power less one.

    Returns:
        b h n e.

    Source: arXiv 2501.15061; 1e-6 is added to the mean of a row's weights.

    >>> q, k, zero = torch.tensor([[[[1.0]]]]), torch.tensor([[[[1.0], [-1.0]]]]), torch.zeros(1, 1)
    >>> v = torch.tensor([[[[1.0, 1.0], [5.0, 5.0]]]])
    >>> polaformer_attention(q, k, v, zero, zero).round(decimals=3)
    tensor([[[[1., 5.]]]])
    """
    same, opposite = torch.tensor_split(v, [(v.shape[3] + 1) // 2], dim=3)
    mixed = [
        sign_mixing(q, k, same, scale, power, alpha),
        sign_mixing(q, k, opposite, scale, power, alpha, opposite=True),
    ]
    return torch.cat(mixed, dim=3)


@on_heads
def sign_mixing(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: Tensor,
    power: Tensor,
    alpha: float = 4,
    opposite: bool = False,
) -> Tensor:
    """One of the two maps on all channels of the values: b h n e."""
    scale, power = (rearrange(t, "h d -> h 1 d") for t in (scale, power))
    scale, power = F.softplus(scale), 1 + alpha * power.sigmoid()
    q, k = q / scale, k / scale
    queries = torch.cat([q.relu() ** power, (-q).relu() ** power], dim=3)
    k = -k if opposite else k
    keys = torch.cat([k.relu() ** power, (-k).relu() ** power], dim=3)
    return kernel_attention(queries, keys, v, eps=1e-6)


class PolaFormer(Placed):
    """`polaformer_attention` with what it learns: scales, powers, places of the keys."""

    def __init__(self, width: int, heads: int, grid: int | Grid | None, alpha: float = 4):
        super().__init__(width, grid)
        self.alpha = alpha
        self.scale = nn.Parameter(torch.zeros(heads, width // heads))
        self.power = nn.Parameter(torch.zeros(heads, width // heads))

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """b h n e; a mask is ignored."""
        return polaformer_attention(q, k, v, self.scale, self.power, self.alpha)

    def mixing(self, q, k, v, query_grid: Grid, grid: Grid, mask: Tensor | None) -> Tensor:
        """The mean of both maps, of which each mixes half of the channels."""
        same, opposite = (
            sign_mixing(q, k, v, self.scale, self.power, self.alpha, which)
            for which in (False, True)
        )
        return (same + opposite) / 2


register("polaformer", lambda width, heads, grid, **_: PolaFormer(width, heads, grid), branch=True)
