"""cosFormer (Qin et al., ICLR 2022): ReLU features, and a cosine that fades with the distance.

    W_ij = ReLU(q_i) . ReLU(k_j) cos(pi (i - j) / 2 M),   M = max(n, m)
    O_i = sum_j W_ij v_j / max(sum_j W_ij, 1e-6)

cos(a - b) = cos a cos b + sin a sin b, so the cosine is two sets of features: rank up to 2 d. It
repairs focus a little, towards near tokens; on a map of tokens "near" means along the rows only.
Cost: 2 d e (n + m) multiply-adds a head. A query without a positive entry gives zeros, as
published.
"""

import math

import torch
from einops import einsum, rearrange
from torch import Tensor

from ..attention.mechanism import Function
from ..attention.registry import register
from .shared import on_heads


@on_heads
def cosformer_attention(q: Tensor, k: Tensor, v: Tensor, causal: bool = False) -> Tensor:
    """ReLU-linear attention with weights that fade with the distance in the token order.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.
        causal: whether a query sees no later key; keeps a d x e matrix for each token.

    Returns:
        b h n e.

    Source: arXiv 2202.08791; the clamp is the released code's.

    >>> q = k = torch.ones(1, 1, 2, 4)
    >>> cosformer_attention(q, k, torch.tensor([[[[1.0], [5.0]]]])).flatten()
    tensor([2.6569, 3.3431])
    """
    longest = max(q.shape[2], k.shape[2])
    q, k = with_waves(q.relu(), longest), with_waves(k.relu(), longest)
    if causal:
        memory = einsum(k, v, "b h m d, b h m e -> b h m d e").cumsum(dim=2)[:, :, : q.shape[2]]
        numerator = einsum(q, memory, "b h n d, b h n d e -> b h n e")
        denominator = einsum(q, k.cumsum(dim=2)[:, :, : q.shape[2]], "b h n d, b h n d -> b h n")
    else:
        memory = einsum(k, v, "b h m d, b h m e -> b h d e")
        numerator = einsum(q, memory, "b h n d, b h d e -> b h n e")
        denominator = einsum(q, k, "b h n d, b h m d -> b h n")
    return numerator / rearrange(denominator.clamp_min(1e-6), "b h n -> b h n 1")


def with_waves(x: Tensor, longest: int) -> Tensor:
    """[x cos, x sin] at each token's angle, which grows from 0 towards a right angle: ... 2d."""
    place = torch.arange(x.shape[2], device=x.device, dtype=x.dtype)
    angle = rearrange(place * (math.pi / 2 / longest), "n -> n 1")
    return torch.cat([x * angle.cos(), x * angle.sin()], dim=-1)


register("cosformer", lambda **_: Function(cosformer_attention))
