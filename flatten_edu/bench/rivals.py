"""What the focused layer is compared with: less work done as well, and the same work done simply.

Both have the layer's shapes, b y x c -> b y x c, and projections of their own.
"""

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Tensor, nn


class PlainLinear(nn.Module):
    """ReLU linear attention and nothing else, as fast as it could be made: a lower bound.

        O = q (k^T v) / (q . sum k),   q, k = ReLU(x) + 1e-6     (equations 2 to 4)

    No f_p, no positions, no scale, no branch. Without gradients all steps are written over each
    other, and heads are strided views.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q, self.kv = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """b y x c -> b y x c, for inference."""
        tokens = rearrange(x, "b y x c -> b (y x) c")
        q = self.q(tokens).relu_().add_(1e-6)
        k, v = self.kv(tokens).chunk(2, -1)
        k.relu_().add_(1e-6)
        d = q.shape[-1] // self.heads
        pairs = zip(k.split(d, -1), v.split(d, -1), strict=True)
        memories = [torch.bmm(k_h.mT, v_h) for k_h, v_h in pairs]
        mixed = q * k.sum(1, keepdim=True)
        sums = mixed.unflatten(-1, (self.heads, d)).sum(-1, keepdim=True)
        q.unflatten(-1, (self.heads, d)).div_(sums)
        for out, q_h, memory in zip(mixed.split(d, -1), q.split(d, -1), memories, strict=True):
            torch.bmm(q_h, memory, out=out)
        return rearrange(self.proj(mixed), "b (y x) c -> b y x c", y=x.shape[1])


class Straightforward(nn.Module):
    """The paper's steps one after the other in einops, as one writes them down at first.

    The power is taken without a row's largest entry divided out: right for p = 3 and inputs of
    ordinary size, not beyond.
    """

    def __init__(self, width: int, heads: int, side: int, p: float = 3, kernel_size: int = 5):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.scale = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, side * side, width))
        d = width // heads
        self.dwc = nn.Conv2d(d, d, kernel_size, padding=kernel_size // 2, groups=d)

    def forward(self, x: Tensor) -> Tensor:
        """b y x c -> b y x c."""
        y, h = x.shape[1], self.heads
        q, k, v = rearrange(self.qkv(x), "b y x (three c) -> three b (y x) c", three=3)
        scale = F.softplus(self.scale)
        q = self.focus((F.relu(q) + 1e-6) / scale)
        k = self.focus((F.relu(k + self.positions) + 1e-6) / scale)
        q, k, v = (rearrange(t, "b n (h d) -> (b h) n d", h=h) for t in (q, k, v))
        z = 1 / (einsum(q, k.mean(1), "b n d, b d -> b n") + 1e-6)
        kv = einsum(k, v, "b m d, b m e -> b d e") / k.shape[1]
        mixed = einsum(q, kv, z, "b n d, b d e, b n -> b n e")
        local = self.dwc(rearrange(v, "b (y x) d -> b d y x", y=y))
        mixed = mixed + rearrange(local, "b d y x -> b (y x) d")
        return self.proj(rearrange(mixed, "(b h) (y x) d -> b y x (h d)", h=h, y=y))

    def focus(self, x: Tensor) -> Tensor:
        """f_p(x) = |x| / |x ** p| x ** p."""
        sharp = x**self.p
        return sharp / sharp.norm(dim=-1, keepdim=True) * x.norm(dim=-1, keepdim=True)
