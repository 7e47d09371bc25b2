"""NaLaFormer (Meng et al., ICML 2026): the query's length sets the power of its direction.

    q+- = ReLU(+-q / |q|)^P,   P = 3 (1/2 + tanh |q|),   k+- = ReLU(+-k^3)
    O_i = sum_+- R(q_i) . mean_j R(k_j) v_j^T  /  (sum_+- q_i . mean_j k_j + 1e-6)

R turns channels by place (rotary). Repairs the norm, which a division cancels elsewhere, and
keeps both signs: rank up to 2 d. From |q| = 3 on the power is at its ceiling of 4.5, so ordinary
queries no longer show their length. The denominator is not turned, so with R rows do not sum to
one, as published. Cost: 2 d e (n + m) multiply-adds a head. The published module adds a depthwise
convolution (here the branch, shared by the heads), a norm and a gate, which needs a fourth
projection and is left out.

Mended: a query of zeros gave NaN there and in every gradient; here it gives zeros.
"""

import torch
from torch import Tensor

from ..attention.registry import register
from .rotary import Rotated, row_means, turned_product
from .shared import on_heads, unit


@on_heads
def nalaformer_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    angles: Tensor | None = None,
    key_angles: Tensor | None = None,
) -> Tensor:
    """Linear attention on both signs, sharper for longer queries.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.
        angles, key_angles: see `rotary_angles`; None turns nothing.

    Returns:
        b h n e.

    Source: arXiv 2506.21137; where the abstract has a cosine, the released code has these signs.

    >>> q = k = torch.eye(2).reshape(1, 1, 2, 2)
    >>> nalaformer_attention(q, k, torch.tensor([[[[1.0], [5.0]]]])).round(decimals=3).flatten()
    tensor([1., 5.])
    """
    length = torch.linalg.vector_norm(q, dim=3, keepdim=True)
    q, k = signs(unit(q, 3)) ** (3 * (0.5 + length.tanh())), signs(k**3)
    angles, key_angles = (a if a is None else torch.cat([a, a], -1) for a in (angles, key_angles))
    return turned_product(q, k, v, angles, key_angles) / (row_means(q, k) + 1e-6)


def signs(x: Tensor) -> Tensor:
    """What is positive, then what is negative: ... d -> ... 2d, not negative."""
    return torch.cat([x.relu(), (-x).relu()], dim=-1)


register(
    "nalaformer",
    lambda width, heads, **_: Rotated(nalaformer_attention, width // heads),
    branch=True,
)
