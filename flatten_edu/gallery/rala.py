"""RALA (Fan et al., CVPR 2025): keys weighed by how well they answer the mean query.

    q' = elu(q) + 1,  k' = elu(k) + 1,   a = softmax_j(s mean_i(q'_i) . k'_j),   k''_j = m a_j k'_j
    O_i = R(q'_i) . mean_j R(k''_j) v_j^T / (q'_i . mean_j k''_j + 1e-6)

R turns channels by place (rotary). Aims at the rank of the sum over the keys, which all queries
share; the map itself stays at rank d, and its effective rank is low. Cost: d e (n + m)
multiply-adds a head. The denominator is not turned, so rows do not sum to one and may grow where
it is near zero, as published. The published module adds a depthwise convolution (here the branch,
shared by the heads) and multiplies by a linear gate, which needs a fourth projection and is left
out. With inputs of size 100 outputs may exceed 1e11.

Mended: below zero elu(x) + 1 is computed as exp(x); exp(x) - 1 + 1 has lost its digits in float32.
"""

from einops import einsum, reduce
from torch import Tensor

from ..attention.registry import register
from .rotary import Rotated, row_means, turned_product
from .shared import elu_plus_one, on_heads


@on_heads
def rala_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    angles: Tensor | None = None,
    key_angles: Tensor | None = None,
) -> Tensor:
    """Linear attention with elu + 1, and keys of unequal weight.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.
        angles, key_angles: see `rotary_angles`; None turns nothing.

    Returns:
        b h n e.

    Source: arXiv 2411.07635.

    >>> q = k = torch.zeros(1, 1, 2, 4)
    >>> rala_attention(q, k, torch.tensor([[[[1.0], [5.0]]]])).flatten()
    tensor([3.0000, 3.0000])
    """
    q, k = elu_plus_one(q), elu_plus_one(k)
    mean_query = reduce(q, "b h n d -> b h d", "mean") * q.shape[3] ** -0.5
    shares = einsum(mean_query, k, "b h d, b h m d -> b h m").softmax(dim=2)
    k = einsum(shares * k.shape[2], k, "b h m, b h m d -> b h m d")
    return turned_product(q, k, v, angles, key_angles) / (row_means(q, k) + 1e-6)


register("rala", lambda width, heads, **_: Rotated(rala_attention, width // heads), branch=True)
