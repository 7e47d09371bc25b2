"""Linear attention (equations 2 to 4): a kernel phi(q) . phi(k) instead of the exponential.

    O_i = sum_j phi(q_i) phi(k_j)^T v_j / sum_j phi(q_i) phi(k_j)^T
        = phi(q_i) (sum_j phi(k_j)^T v_j) / (phi(q_i) sum_j phi(k_j)^T)

Matrix products are associative, so the brackets may move: (Q K^T) V is Q (K^T V). The sum over j
is a d x e matrix that all queries share. No n x m map is ever made, and time grows with n.
"""

from collections.abc import Sequence

import torch
from einops import rearrange, reduce
from torch import Tensor

from .checks import check_qkv, widened

SMALL = 1e-6
Heads = Sequence[Tensor]


def positive(x: Tensor) -> Tensor:
    """phi(x) = ReLU(x) + 1e-6, the feature map: weights stay positive, no row sums to zero.

    >>> positive(torch.tensor([-1.0, 2.0]))
    tensor([1.0000e-06, 2.0000e+00])
    """
    return x.relu() + SMALL


def linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Mix the values with weights phi(q) phi(k)^T, each row divided by its sum.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.

    Returns:
        b h n e, in the dtype of v; computed in float32 at least.

    Raises:
        ValueError: if the shapes do not fit together; the line names the axis.

    Source: equations (2) to (4) of the paper, phi = ReLU + 1e-6. Cost: d e (n + m) multiply-adds
    a head.

    >>> q = k = torch.eye(2).reshape(1, 1, 2, 2)
    >>> linear_attention(q, k, torch.tensor([[[[1.0], [5.0]]]])).round(decimals=3)
    tensor([[[[1.],
              [5.]]]])
    """
    check_qkv(q, k, v)
    return _linear_attention(q, k, v).to(v.dtype)


@widened
def _linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return kernel_attention(positive(q), positive(k), v)


@widened
def kernel_attention(q: Tensor, k: Tensor, v: Tensor, eps: float | Tensor = 0.0) -> Tensor:
    """The normalised product q (k^T v) / (q . sum k) of features that are already non-negative.

    Sums over the keys are taken as means, which changes nothing in the quotient and keeps large
    numbers of tokens in range. `eps` is added to the mean denominator; the published module uses
    1e-6. A row whose weights are all zero gives zeros.

    Args:
        q: features of the queries, b h n d.
        k: features of the keys, b h m d.
        v: values, b h m e.
        eps: added to the denominator (same unit as q . mean k): a number, or one a query, b n 1.

    Returns:
        b h n e, in float32 at least.

    >>> one = torch.ones(1, 1, 3, 2)
    >>> kernel_attention(one, one, torch.arange(3.0).reshape(1, 1, 3, 1)).flatten()
    tensor([1., 1., 1.])
    """
    mixed, sums = products(*(rearrange(t, "b h n d -> b n h d").unbind(2) for t in (q, k, v)))
    eps = rearrange(eps, "b n 1 -> b n 1 1") if isinstance(eps, Tensor) else eps
    return rearrange(_divided(mixed, sums + eps), "b n h e -> b h n e")


def products(q: Heads, k: Heads, v: Heads) -> tuple[Tensor, Tensor]:
    """q (k^T v / m), b n h e, and q (k^T 1 / m), b n h 1, from heads b n d, b m d and b m e.

    Head by head on strided views: all heads at once would first copy q, k and v.
    """
    memories = [k_h.mT @ v_h / k_h.shape[1] for k_h, v_h in zip(k, v, strict=True)]
    mean_keys = [reduce(k_h, "b m d -> b d 1", "sum") / k_h.shape[1] for k_h in k]
    mixed = [q_h @ memory for q_h, memory in zip(q, memories, strict=True)]
    sums = [q_h @ mean_key for q_h, mean_key in zip(q, mean_keys, strict=True)]
    return torch.stack(mixed, dim=2), torch.stack(sums, dim=2)


def _divided(mixed: Tensor, sums: Tensor) -> Tensor:
    return mixed * (1 / sums.clamp_min(torch.finfo(mixed.dtype).tiny))
