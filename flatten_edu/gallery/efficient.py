"""Efficient attention (Shen et al., WACV 2021): two softmaxes, each over one of the matrices.

    O = softmax_channels(Q) (softmax_tokens(K)^T V)

Repairs the normalisation: rows sum to one by construction, without a division and without an
epsilon. The map is as flat and of as low a rank (d) as that of plain linear attention. Cost: d e
(n + m) multiply-adds a head.
"""

from einops import einsum
from torch import Tensor

from ..attention.mechanism import Function
from ..attention.registry import register
from .shared import on_heads


@on_heads
def efficient_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Each channel of the keys is a distribution over places, each query one over channels.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.

    Returns:
        b h n e.

    Source: arXiv 1812.01243. The published module adds its input to the output; here the block
    does that.

    >>> q = k = torch.zeros(1, 1, 2, 4)
    >>> efficient_attention(q, k, torch.tensor([[[[1.0], [5.0]]]])).flatten()
    tensor([3., 3.])
    """
    memory = einsum(k.softmax(dim=2), v, "b h m d, b h m e -> b h d e")
    return einsum(q.softmax(dim=3), memory, "b h n d, b h d e -> b h n e")


register("efficient", lambda **_: Function(efficient_attention))
