"""Nystromformer (Xiong et al., AAAI 2021): softmax attention seen through a few landmarks.

    O = F Z (B V),   F = softmax(s Q K~^T),  A = softmax(s Q~ K~^T),  B = softmax(s Q~ K^T)

Q~ and K~ are means of consecutive tokens, s = 1 / sqrt(d), and Z is the inverse of A, by six
steps of an iteration: Z <- Z (13 - A Z (15 - A Z (7 - A Z))) / 4. Approximates the focus of
softmax with rank r, the number of landmarks, in r (d + e)(n + m) + r^3 multiply-adds. Weights may
be slightly negative and rows sum to 0.98 ... 1.01, as published.

Mended: the published start divides by the largest column sum over the whole batch, so a result
depends on the other samples; here each map has its own (`start="batch"` gives the published one).
Token counts need not be multiples of r: landmarks are means over parts as equal as may be.
"""

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce
from torch import Tensor

from ..attention.mechanism import Function
from ..attention.registry import register
from ..attention.softmax import softmax_attention
from .shared import on_heads


@on_heads
def nystrom_attention(
    q: Tensor, k: Tensor, v: Tensor, landmarks: int | None = None, start: str = "map"
) -> Tensor:
    """Softmax attention through landmarks; exact softmax where there are no more tokens than those.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.
        landmarks: r; None takes a quarter of the tokens, at most 49.
        start: "map", or "batch" as published: what the first Z is divided by.

    Returns:
        b h n e.

    Source: arXiv 2102.03902.

    >>> q = k = torch.zeros(1, 1, 4, 2)
    >>> nystrom_attention(q, k, torch.arange(4.0).reshape(1, 1, 4, 1), landmarks=2).flatten()
    tensor([1.5000, 1.5000, 1.5000, 1.5000])
    """
    if start not in ("map", "batch"):
        raise ValueError(f"start must be 'map' or 'batch', but is {start!r}")
    tokens = min(q.shape[2], k.shape[2])
    landmarks = max(1, min(49, tokens // 4)) if landmarks is None else landmarks
    if landmarks >= tokens:
        return softmax_attention(q, k, v)
    few_q, few_k = means(q, landmarks), means(k, landmarks)
    inverse = pseudo_inverse(weights(few_q, few_k), start)
    gathered = einsum(inverse, softmax_attention(few_q, k, v), "b h r s, b h s e -> b h r e")
    return softmax_attention(q, few_k, gathered)


def means(x: Tensor, count: int) -> Tensor:
    """Means over `count` parts of consecutive tokens: b h n d -> b h r d."""
    line = F.adaptive_avg_pool1d(rearrange(x, "b h n d -> b (h d) n"), count)
    return rearrange(line, "b (h d) r -> b h r d", h=x.shape[1])


def weights(q: Tensor, k: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)), b h n m."""
    return (einsum(q, k, "b h n d, b h m d -> b h n m") * q.shape[-1] ** -0.5).softmax(dim=-1)


def pseudo_inverse(matrix: Tensor, start: str = "map", steps: int = 6) -> Tensor:
    """The inverse of ... r r by an iteration of matrix products alone."""
    columns = reduce(matrix, "b h r s -> b h s", "sum")
    shape = "b h s -> b h 1 1" if start == "map" else "b h s -> 1 1 1 1"
    inverse = rearrange(matrix, "b h r s -> b h s r") / reduce(columns, shape, "max")
    one = torch.eye(matrix.shape[-1], device=matrix.device, dtype=matrix.dtype)
    for _ in range(steps):
        product = matrix @ inverse
        inverse = inverse @ (13 * one - product @ (15 * one - product @ (7 * one - product))) / 4
    return inverse


register("nystrom", lambda **_: Function(nystrom_attention))
