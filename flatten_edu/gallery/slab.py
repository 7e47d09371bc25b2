"""SLAB (Guo et al., ICML 2024): ReLU linear attention with a branch, and without the focusing.

    O_i = ReLU(q_i) (ReLU(K)^T V) / (ReLU(q_i) . sum_j ReLU(k_j) + 1e-6) + DWC(V)

Repairs nothing in the map: it drops f_p for speed and leaves the rank to the 5 x 5 depthwise
convolution (the same branch as the focused module's). Learned places are added to the keys. Cost:
d e (n + m) multiply-adds a head. A query without a positive entry gets zeros from the map, as
published. The paper's other half, a batch norm that replaces the layer norm, is no part of the
attention.
"""

from torch import Tensor

from ..attention.linear import kernel_attention
from ..attention.mechanism import Grid
from ..attention.registry import register
from .shared import Placed, on_heads


@on_heads
def relu_linear_attention(q: Tensor, k: Tensor, v: Tensor, eps: float = 1e-6) -> Tensor:
    """Plain linear attention with phi = ReLU.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.
        eps: added to the denominator, a sum over the keys.

    Returns:
        b h n e.

    Source: arXiv 2405.11582.

    >>> q = k = torch.eye(2).reshape(1, 1, 2, 2)
    >>> relu_linear_attention(-q, k, torch.tensor([[[[1.0], [5.0]]]])).flatten()
    tensor([0., 0.])
    """
    return kernel_attention(q.relu(), k.relu(), v, eps / k.shape[2])


class SLAB(Placed):
    """`relu_linear_attention` with learned places for the keys."""

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """b h n e; a mask is ignored."""
        return relu_linear_attention(q, k, v)


register("slab", lambda width, grid, **_: SLAB(width, grid), branch=True)
