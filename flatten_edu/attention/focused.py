"""Focused linear attention (equations 5 and 6): turn the features towards their nearest axis.

    phi_p(x) = f_p(ReLU(x)),   f_p(x) = |x| / |x ** p|  x ** p

The power is elementwise, | | is the L2 norm. The length of x stays, only its direction moves: the
largest entries grow, the small ones fade. Features that share their largest entry come closer,
others move apart (proposition 1), so the weights get sharper while the brackets may still move.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .checks import check_floats, check_grid, check_power, check_qkv, widened
from .linear import SMALL, kernel_attention, positive
from .mechanism import Grid, Mechanism
from .product import product
from .sharpen import sharpen, sharpen_


def focus(x: Tensor, p: float) -> Tensor:
    """f_p(x) = |x| / |x ** p| x ** p over the last axis: same length, sharper direction.

    Each row is divided by its largest entry before the power. f_p is homogeneous, so this is the
    same map, and it can neither overflow nor vanish: x ** 32 alone leaves float32 at x = 16.

    Args:
        x: non-negative features, ... d.
        p: focusing power, a number of at least 1; 1 changes nothing, the paper uses 3.

    Returns:
        ... d. A row of zeros stays zero.

    Raises:
        ValueError: if p is below 1 or not finite.

    Source: equation (6) of the paper.

    >>> focus(torch.tensor([3.0, 4.0]), p=3).round(decimals=2)
    tensor([1.9400, 4.6100])
    >>> focus(torch.tensor([3.0, 4.0]), p=3).norm().round(decimals=3)
    tensor(5.)
    """
    check_floats("x", x)
    check_power(p)
    return x if p == 1 else _focus(x, p).to(x.dtype)


@widened
def _focus(x: Tensor, p: float) -> Tensor:
    sharp, factor = sharpen_(x.clone(), p)
    return sharp * factor


def focused_attention(q: Tensor, k: Tensor, v: Tensor, p: float = 3) -> Tensor:
    """Linear attention with the focused features phi_p in the place of phi.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.
        p: focusing power, at least 1. With p = 1 this is `linear_attention`.

    Returns:
        b h n e, in the dtype of v; computed in float32 at least.

    Raises:
        ValueError: if the shapes do not fit together or p is below 1 or not finite.

    Source: equations (4) to (6) of the paper. Cost: d e (n + m) multiply-adds a head. The norms
    are taken over one head; `SelfAttention` takes them over the full width, as published.

    >>> q = torch.tensor([[[[0.39, 0.94]]]])
    >>> k = torch.tensor([[[[0.43, 0.86], [0.54, 0.30], [0.97, 0.32], [0.86, 0.14]]]])
    >>> focused_attention(q, k, torch.eye(4).reshape(1, 1, 4, 4), p=3).round(decimals=3)
    tensor([[[[0.7490, 0.1150, 0.0850, 0.0510]]]])
    """
    check_qkv(q, k, v)
    check_power(p)
    return _focused_attention(q, k, v, p).to(v.dtype)


@widened
def _focused_attention(q: Tensor, k: Tensor, v: Tensor, p: float) -> Tensor:
    return kernel_attention(focus(positive(q), p), focus(positive(k), p), v)


class Focused(Mechanism):
    """Focused attention as it stands in the published networks, with what is learned.

    1. A positional encoding is added to the keys (the kernel by itself sees no order).
    2. ReLU.
    3. 1e-6 is added, then division by softplus(scale), one learned number a channel.
    4. f_p with norms over the full width c: one factor a token for all heads.
    5. The normalised product, head by head, with 1e-6 added to q . mean k.

    Args:
        width: channels c of a token.
        grid: (rows, columns) of the keys that the positional encoding is made for; for another
            grid it is resized (bicubic).
        p: focusing power; with p = 1 step 4 changes nothing, and this is "linear".
    """

    eps = 1e-6

    def __init__(self, width: int, grid: int | Grid | None, p: float = 3):
        super().__init__()
        self.p = check_power(p)
        self.grid = check_grid(grid)
        tokens = self.grid[0] * self.grid[1]
        self.scale = nn.Parameter(torch.zeros(1, 1, width))
        self.positional_encoding = nn.Parameter(torch.zeros(1, tokens, width))

    def prepare(self, q: Tensor, k: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        """Steps 1 and 2. Keys in front of the grid's (a class token) get no position."""
        return q.relu(), (k + self.places(grid, k.shape[1]).to(k.dtype)).relu_()

    def places(self, grid: Grid, keys: int) -> Tensor:
        """The positional encoding of so many keys, 1 m c: of the grid's places, 0 in front."""
        places = resize_positions(self.positional_encoding, self.grid, grid)
        extra = keys - places.shape[1]
        return F.pad(places, (0, 0, extra, 0)) if extra else places

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """Steps 3 to 5, b h n e. As published, a mask is ignored: there are no scores for it."""
        heads, eps = v.shape[1], self.eps
        q, k = (_scaled(rearrange(t, "b h n d -> b n (h d)"), self.scale) for t in (q, k))
        if self.p != 1:
            k, factor = sharpen(k, self.p)
            k = k * factor
            # The query's factor stands in numerator and denominator: only eps is divided by it.
            q, factor = sharpen(q, self.p)
            eps = eps / factor
        q, k = (rearrange(t, "b n (h d) -> b h n d", h=heads) for t in (q, k))
        return product(q, k, v, eps).to(v.dtype)

    def extra_repr(self) -> str:
        """What stands in the module's printed form."""
        return f"grid={self.grid}, p={self.p}"


@widened
def _scaled(x: Tensor, scale: Tensor) -> Tensor:
    # (x + 1e-6) / softplus(scale), with fewer passes over x.
    inverse = 1 / F.softplus(scale)
    return torch.addcmul(SMALL * inverse, x, inverse)


def resize_positions(
    table: Tensor, old: tuple[int, int], new: tuple[int, int], mode: str = "bicubic"
) -> Tensor:
    """A table of one vector a place, 1 (y x) c, brought from one grid to another.

    >>> resize_positions(torch.zeros(1, 49, 8), (7, 7), (10, 14)).shape
    torch.Size([1, 140, 8])
    """
    if old == new:
        return table
    image = rearrange(table, "1 (y x) c -> 1 c y x", y=old[0], x=old[1])
    wide = image.to(torch.promote_types(image.dtype, torch.float32))
    resized = F.interpolate(wide, size=new, mode=mode, align_corners=False)
    return rearrange(resized.to(table.dtype), "1 c y x -> 1 (y x) c")
