"""Linear attention (equations 2 to 4): a kernel phi(q) . phi(k) instead of the exponential.

    O_i = sum_j phi(q_i) phi(k_j)^T v_j / sum_j phi(q_i) phi(k_j)^T
        = phi(q_i) (sum_j phi(k_j)^T v_j) / (phi(q_i) sum_j phi(k_j)^T)

Matrix products are associative, so the brackets may move: (Q K^T) V is Q (K^T V). The sum over j
is a d x e matrix that all queries share. No n x m map is ever made, and time grows with n.
"""

import torch
from einops import einsum, rearrange, reduce
from torch import Tensor

from .checks import check_qkv, widened

SMALL = 1e-6


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
def kernel_attention(q: Tensor, k: Tensor, v: Tensor, eps: float = 0.0) -> Tensor:
    """The normalised product q (k^T v) / (q . sum k) of features that are already non-negative.

    Sums over the keys are taken as means, which changes nothing in the quotient and keeps large
    numbers of tokens in range. `eps` is added to the mean denominator; the published module uses
    1e-6. A row whose weights are all zero gives zeros.

    Args:
        q: features of the queries, b h n d.
        k: features of the keys, b h m d.
        v: values, b h m e.
        eps: added to the denominator (same unit as q . mean k).

    Returns:
        b h n e, in float32 at least.

    >>> one = torch.ones(1, 1, 3, 2)
    >>> kernel_attention(one, one, torch.arange(3.0).reshape(1, 1, 3, 1)).flatten()
    tensor([1., 1., 1.])
    """
    memory = einsum(k / k.shape[-2], v, "b h m d, b h m e -> b h d e")
    mean_key = reduce(k, "b h m d -> b h d", "mean")
    numerator = einsum(q, memory, "b h n d, b h d e -> b h n e")
    denominator = einsum(q, mean_key, "b h n d, b h d -> b h n") + eps
    smallest = torch.finfo(denominator.dtype).tiny
    return numerator / rearrange(denominator.clamp_min(smallest), "b h n -> b h n 1")
