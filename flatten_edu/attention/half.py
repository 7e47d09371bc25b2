"""The normalised product in bfloat16 on a GPU, whose matrix units multiply halves and add floats.

    O = z (Q M),   M = K^T V / m,   z = 1 / (Q s + eps),   s = mean of the rows of K

Features come in float32 and are rounded to the dtype of the values. What is summed stays in
float32: the mean key, the denominators, and the products inside of the matrix units. bfloat16 has
the range of float32, so no product can overflow; float16 has not, and takes the definition.

`linear.kernel_attention` is the definition, the tests hold the two together.
"""

import torch
from einops import rearrange, reduce
from torch import Tensor


def suits(v: Tensor) -> bool:
    """Whether values are of the kind that `half_product` is for."""
    return v.dtype == torch.bfloat16 and v.device.type == "cuda"


def half_product(q: Tensor, k: Tensor, v: Tensor, eps: float | Tensor) -> Tensor:
    """`kernel_attention` with products in the dtype of v: b h n d, b h m d, b h m e -> b h n e.

    Args:
        q, k: features, not negative, in float32.
        v: values, as wide as the features (e = d).
        eps: a number, or one a query, b n 1.

    >>> q, v = torch.rand(1, 2, 9, 4), torch.randn(1, 2, 9, 4)
    >>> exact = fe.attention.linear.kernel_attention(q, q, v, 1e-6)
    >>> half_product(q, q, v, 1e-6).allclose(exact, atol=1e-5)
    True
    """
    heads, m = k.shape[1], k.shape[2]
    q, k = q.to(v.dtype), k.to(v.dtype)
    mean_key = reduce(k.float(), "b h m d -> b h 1 d", "sum") / m
    sums = reduce(q * mean_key, "b h n d -> b h n 1", "sum")
    sums = sums + (rearrange(eps, "b n 1 -> b 1 n 1") if isinstance(eps, Tensor) else eps)
    q, k, v = (rearrange(t, "b h n d -> b n (h d)") for t in (q, k, v))
    mixed = _at_once(q, k, v, heads) if q.shape[-1] <= m else _one_by_one(q, k, v, heads)
    return rearrange(mixed, "b n (h e) -> b h n e", h=heads) * (1 / sums)


def _at_once(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Q M for all heads in two products, which are too large but need no copies.

    K^T V over the full width holds the heads' products as blocks on its diagonal.
    """
    head = torch.arange(k.shape[-1], device=k.device) // (k.shape[-1] // heads)
    own = rearrange(head, "c -> c 1") == head
    memory = torch.where(own, (k.mT @ v).float() / k.shape[1], 0).to(v.dtype)
    return q @ memory


def _one_by_one(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Q M head by head: for fewer tokens than channels, where the blocks would be the largest."""
    each = zip(*(t.chunk(heads, -1) for t in (q, k, v)), strict=True)
    return torch.cat([q_h @ ((k_h.mT @ v_h) / k.shape[1]) for q_h, k_h, v_h in each], -1)
