"""InLine attention (Han et al., NeurIPS 2024): subtraction instead of division.

    W_ij = s/n phi(q_i) . (phi(k_j) - mean_l phi(k_l)) + 1/n,   O = W V,   s = 1 / sqrt(d)

Repairs injectivity, and with it the norm: rows sum to one for any query, with nothing divided, so
the length of q stays visible. Weights may be negative and grow without a bound with |q| |k|: with
inputs of size 100 outputs leave the range of fp16. Cost: d e (n + m) multiply-adds a head. The
published local term is a 3 x 3 depthwise convolution whose kernels each image makes for itself;
here the branch with learned kernels stands in its place.
"""

from collections.abc import Callable

from einops import einsum, reduce
from torch import Tensor

from ..attention.mechanism import Function
from ..attention.registry import register
from .shared import on_heads


@on_heads
def inline_attention(
    q: Tensor, k: Tensor, v: Tensor, phi: Callable[[Tensor], Tensor] = lambda x: x
) -> Tensor:
    """Linear attention whose rows are made to sum to one by subtraction.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.
        phi: elementwise; published are the identity, ReLU, leaky ReLU and exp(x / 5).

    Returns:
        b h n e.

    Source: arXiv 2412.06590; the factor s/n is the released code's.

    >>> q = k = torch.tensor([[[[1.0], [3.0]]]])
    >>> inline_attention(q, k, torch.tensor([[[[0.0], [1.0]]]])).flatten()
    tensor([1., 2.])
    """
    q, k = phi(q), phi(k)
    k = (k - reduce(k, "b h m d -> b h 1 d", "mean")) * (q.shape[3] ** -0.5 / k.shape[2])
    memory = einsum(k, v, "b h m d, b h m e -> b h d e")
    mixed = einsum(q, memory, "b h n d, b h d e -> b h n e")
    return mixed + reduce(v, "b h m e -> b h 1 e", "mean")


register("inline", lambda **_: Function(inline_attention), branch=True)
