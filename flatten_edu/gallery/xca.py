"""Cross-covariance attention (El-Nouby et al., NeurIPS 2021): channels attend to channels.

    A = softmax_e(tau sum_j q_jd k_je),   O_jd = sum_e A_de v_je

Each channel of q and k is first divided by its length over the tokens. The map is d x d: there is
none between tokens, which meet only inside the sum over j. Repairs the cost, d e (n + n)
multiply-adds a head; focus and rank of a token map have no meaning here. tau is learned, one a
head. Queries and keys must be the same tokens.

Mended: a channel of zeros had a gradient of up to 1e12.
"""

import torch
from einops import einsum, rearrange
from torch import Tensor, nn

from ..attention.mechanism import Grid, Mechanism
from ..attention.registry import register
from .shared import check_one_set, on_heads, unit


@on_heads
def xca_attention(q: Tensor, k: Tensor, v: Tensor, temperature: Tensor | float = 1.0) -> Tensor:
    """Mix the channels of the values by how alike the channels of queries and keys are.

    Args:
        q: queries, b h n d.
        k: keys, b h n d.
        v: values, b h n d.
        temperature: tau, one number or one a head (h).

    Returns:
        b h n d.

    Source: arXiv 2106.09681.

    >>> q = k = torch.ones(1, 1, 2, 2)
    >>> xca_attention(q, k, torch.tensor([[[[1.0, 5.0], [0.0, 2.0]]]]))
    tensor([[[[3., 3.],
              [1., 1.]]]])
    """
    check_one_set(q, k, "channels are compared token by token")
    return einsum(channel_map(q, k, temperature), v, "b h d e, b h n e -> b h n d")


def channel_map(q: Tensor, k: Tensor, temperature: Tensor | float = 1.0) -> Tensor:
    """A, b h d d, with rows that sum to one."""
    scores = einsum(unit(q, 2), unit(k, 2), "b h n d, b h n e -> b h d e")
    if isinstance(temperature, Tensor):
        temperature = rearrange(temperature, "h -> h 1 1")
    return (scores * temperature).softmax(dim=-1)


class XCA(Mechanism):
    """`xca_attention` with its learned temperatures; it has no map of tokens."""

    has_map = False

    def __init__(self, heads: int):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads))

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """b h n d; a mask is ignored."""
        return xca_attention(q, k, v, self.temperature)

    def mixing(self, q, k, v, query_grid: Grid, grid: Grid, mask: Tensor | None) -> Tensor:
        """There is none over tokens."""
        raise ValueError("xca has no map of tokens: it mixes channels; look at gallery.channel_map")


register("xca", lambda heads, **_: XCA(heads))
