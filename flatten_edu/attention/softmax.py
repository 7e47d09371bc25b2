"""Softmax attention (the paper's equation 1): every query is compared with every key.

    O_i = sum_j  exp(q_i . k_j / sqrt(d)) / sum_l exp(q_i . k_l / sqrt(d))  v_j

The comparison is an n x m map, so time grows with the square of the number of tokens.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_qkv, is_autocast, shown
from .mechanism import Grid, Mechanism


def softmax_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Mix the values with weights softmax(q k^T / sqrt(d)).

    Written out, with the map that the fused call below never stores:

        scores = einsum(q, k, "b h n d, b h m d -> b h n m") / sqrt(d) + bias
        output = einsum(scores.softmax(-1), v, "b h n m, b h m e -> b h n e")

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.
        bias: added to the scores before the softmax, anything that broadcasts to b h n m
            (relative positions, or -inf where a query must not look).

    Returns:
        b h n e, in the dtype of v.

    Raises:
        ValueError: if the shapes do not fit together; the line names the axis.

    Source: equation (1) of the paper. Cost: 2 n m d multiply-adds a head.

    >>> q = k = torch.eye(2).reshape(1, 1, 2, 2) * 100
    >>> softmax_attention(q, k, torch.tensor([[[[1.0], [5.0]]]]))  # each finds itself
    tensor([[[[1.],
              [5.]]]])
    """
    check_qkv(q, k, v)
    if bias is not None:
        check_bias(bias, q, k)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def check_bias(bias: Tensor, q: Tensor, k: Tensor) -> None:
    """Raise in one line unless the bias can be added to scores b h n m."""
    if not isinstance(bias, Tensor):
        raise TypeError(f"bias must be a tensor that broadcasts to b h n m, not {shown(bias)}")
    shape = (*q.shape[:3], k.shape[2])
    pairs = zip(reversed(bias.shape), reversed(shape), strict=False)
    if not 2 <= bias.ndim <= 4 or any(own not in (1, side) for own, side in pairs):
        raise ValueError(
            f"bias must broadcast to b h n m = {shape}, but has shape {tuple(bias.shape)}"
        )
    if bias.dtype not in (q.dtype, torch.bool) and not is_autocast(q.device.type):
        raise ValueError(f"bias must be {q.dtype} as q is, or bool, but is {bias.dtype}")


class Softmax(Mechanism):
    """`softmax_attention` as a mechanism; a mask is added to the scores."""

    takes_mask = True

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """softmax(q k^T / sqrt(d) + mask) v, b h n e."""
        return softmax_attention(q, k, v, bias=mask)
