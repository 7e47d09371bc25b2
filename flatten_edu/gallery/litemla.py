"""LiteMLA, the attention of EfficientViT (Cai et al., ICCV 2023): ReLU kernels at two scales.

    O_i = ReLU(q_i) (ReLU(K)^T V) / (ReLU(q_i) . sum_j ReLU(k_j) + 1e-15)
    for (q, k, v), and once more for (q, k, v) after a convolution; both are projected together

Repairs locality, not the map: the second set of heads sees q, k and v after a 5 x 5 depthwise
convolution and a mixing of each head's channels. Cost: d e (n + m) multiply-adds a head for each
of the two sets. A query without a positive entry gives zeros, as published.
"""

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn

from ..attention.checks import widened
from ..attention.mechanism import Grid, Mechanism
from ..attention.registry import register
from .shared import on_heads
from .slab import relu_linear_attention


@on_heads
def litemla_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """One scale: b h n d, b h m d, b h m e -> b h n e.

    >>> q = k = torch.eye(2).reshape(1, 1, 2, 2)
    >>> litemla_attention(q, k, torch.tensor([[[[1.0], [5.0]]]])).flatten()
    tensor([1., 5.])
    """
    return relu_linear_attention(q, k, v, eps=1e-15)


class LiteMLA(Mechanism):
    """Both scales. `merge` stands for the second half of the published output projection.

    The published one takes both sets of heads, [P1 P2]; here P1 (O1 + merge O2), which is the same
    for merge = P1^-1 P2.
    """

    def __init__(self, width: int, heads: int, size: int = 5):
        super().__init__()
        self.around = nn.ModuleList(Around(width, heads, size) for _ in "qkv")
        self.merge = nn.Linear(width, width, bias=False)

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """b h n d; a mask is ignored."""
        return self.cross(q, k, v, grid, grid, mask)

    def cross(self, q, k, v, query_grid: Grid, grid: Grid, mask: Tensor | None) -> Tensor:
        """b h n d, with queries on a grid of their own."""
        grids = (query_grid, grid, grid)
        wide = [a(t, g) for a, t, g in zip(self.around, (q, k, v), grids, strict=True)]
        second = rearrange(litemla_attention(*wide), "b h n d -> b n (h d)")
        second = rearrange(self.merge(second), "b n (h d) -> b h n d", h=q.shape[1])
        return litemla_attention(q, k, v) + second.to(v.dtype)

    def mixing(self, q, k, v, query_grid: Grid, grid: Grid, mask: Tensor | None) -> Tensor:
        """The first scale alone, whose map is one between tokens."""
        return litemla_attention(q, k, v)


class Around(nn.Module):
    """A depthwise convolution over all channels, then a d x d mixing in each head: b h n d."""

    def __init__(self, width: int, heads: int, size: int):
        super().__init__()
        channels = width // heads
        self.kernel = nn.Parameter(torch.empty(width, size, size).uniform_(-1, 1) / size)
        self.mix = nn.Parameter(torch.empty(heads, channels, channels).uniform_(-1, 1))
        self.mix.data /= channels**0.5

    def forward(self, x: Tensor, grid: Grid) -> Tensor:
        """b h n d -> b h n d; tokens in front of the grid's are passed by and give zeros."""
        return _around(x, self.kernel, self.mix, grid).to(x.dtype)


@widened
def _around(x: Tensor, kernel: Tensor, mix: Tensor, grid: Grid) -> Tensor:
    extra = x.shape[2] - grid[0] * grid[1]
    image = rearrange(x[:, :, extra:], "b h (y x) d -> b (h d) y x", y=grid[0])
    kernel = rearrange(kernel, "c y x -> c 1 y x")
    image = F.conv2d(image, kernel, padding=kernel.shape[-1] // 2, groups=kernel.shape[0])
    local = rearrange(image, "b (h d) y x -> b h (y x) d", h=x.shape[1])
    return F.pad(einsum(local, mix, "b h n d, h e d -> b h n e"), (0, 0, extra, 0))


register("litemla", lambda width, heads, **_: LiteMLA(width, heads))
