"""MALA (Fan et al., ICCV 2025): the row sum is taken off instead of divided by.

    q' = elu(q) + 1,  k' = elu(k) + 1,   z_i = s q'_i . mean_j k'_j,   s = 1 / sqrt(d)
    O_i = (1 + 1 / (z_i + 1e-6)) s/m sum_j (R(q'_i) . R(k'_j)) v_j  -  z_i mean_j v_j

R turns channels by place (rotary). Repairs the norm: without R rows sum to one by subtraction, so
the length of q' stays in the map; weights may be negative. With R, z is not turned and the sums
no longer balance (they fall below zero on random data), as published. Cost: d e (n + m)
multiply-adds a head. The published module adds a depthwise convolution (here the branch, shared
by the heads) and multiplies by a linear gate, which needs a fourth projection and is left out.
With inputs of size 100 outputs leave the range of fp16.

Mended: below zero elu(x) + 1 is computed as exp(x); exp(x) - 1 + 1 has lost its digits in float32.
"""

from einops import reduce
from torch import Tensor

from ..attention.registry import register
from .rotary import Rotated, row_means, turned_product
from .shared import elu_plus_one, on_heads


@on_heads
def mala_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    angles: Tensor | None = None,
    key_angles: Tensor | None = None,
) -> Tensor:
    """Linear attention with elu + 1, scaled and shifted by the row sum.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.
        angles, key_angles: see `rotary_angles`; None turns nothing.

    Returns:
        b h n e.

    Source: arXiv 2507.00698.

    >>> q = k = torch.zeros(1, 1, 2, 4)
    >>> mala_attention(q, k, torch.tensor([[[[1.0], [5.0]]]])).round(decimals=3).flatten()
    tensor([3., 3.])
    """
    q, k = elu_plus_one(q), elu_plus_one(k)
    k = k * q.shape[3] ** -0.5
    row, mixed = row_means(q, k), turned_product(q, k, v, angles, key_angles)
    return (1 + 1 / (row + 1e-6)) * mixed - row * reduce(v, "b h m e -> b h 1 e", "mean")


register("mala", lambda width, heads, **_: Rotated(mala_attention, width // heads), branch=True)
