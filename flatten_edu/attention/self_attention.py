"""The one attention module that all backbones use: projections, a mechanism, the local branch.

    O = mechanism(q, k, v) + DWC(v),   then the output projection     (equation 10)

`TokenMixer` is the part between the projections. `SelfAttention` adds the projections.
"""

from collections.abc import Callable

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from . import fast
from .checks import check_dtype, check_flag, check_whole, shown
from .depthwise import DepthwiseBranch
from .mechanism import Grid, Mechanism
from .registry import has_branch, make_mechanism

Attention = str | Mechanism | Callable[[Tensor, Tensor, Tensor], Tensor]


class TokenMixer(nn.Module):
    """Queries, keys and values in, mixed values out: a mechanism and the depthwise branch.

    Args:
        width: channels c of a token.
        heads: number of heads h; c = h d.
        attention: one of `NAMES`, or a function (q, k, v) -> b h n d.
        grid: (rows, columns) of the keys; needed by "linear", "focused" and all with tables.
        p: focusing power of "focused".
        kernel_size: side of the branch's kernels.
        depthwise: whether the branch is there; None means as published.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        attention: Attention = "focused",
        grid: int | Grid | None = None,
        p: float = 3,
        kernel_size: int = 5,
        depthwise: bool | None = None,
    ):
        super().__init__()
        check_heads(width, heads)
        check_flag("depthwise", depthwise, none="as published")
        self.heads = heads
        self.mechanism: Mechanism = make_mechanism(attention, width, grid, p, heads)
        wanted = has_branch(attention) if depthwise is None else depthwise
        self.depthwise = DepthwiseBranch(width // heads, kernel_size) if wanted else None

    def forward(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        grid: Grid,
        key_grid: Grid | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Mix the tokens: q b n c, k and v b m c -> b n c.

        Tokens may stand in front of the grid's (a class token): they attend and are attended to,
        but have no place, so the positional encoding and the convolution pass them by.
        """
        key_grid = key_grid or grid
        if type(self) is TokenMixer and fast.fits(self, q, k, v):
            return fast.mix(self, q, k, v, grid, key_grid)
        # The branch first: what its gradient needs is then asked for when all else is freed.
        local = None if self.depthwise is None else self.local(v, grid, key_grid)
        mixed = self.mechanism.cross(*self.split(q, k, v, key_grid), grid, key_grid, mask)
        mixed = rearrange(mixed, "b h n d -> b n (h d)")
        return mixed if local is None else local.add_(mixed)

    def split(
        self, q: Tensor, k: Tensor, v: Tensor, key_grid: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the mechanism prepares over the full width, then the heads: b h n d."""
        q, k = self.mechanism.prepare(q, k, key_grid)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.heads) for t in (q, k, v))
        return q, k, v

    def local(self, v: Tensor, grid: Grid, key_grid: Grid) -> Tensor:
        """The branch on the values b m c, at the queries' places: b n c."""
        assert self.depthwise is not None
        extra = v.shape[1] - key_grid[0] * key_grid[1]
        values = v[:, extra:] if extra else v
        if key_grid != grid:
            values = stretch(values, grid[0] * grid[1])
        local = self.depthwise(values, grid)
        return F.pad(local, (0, 0, extra, 0)) if extra else local


class SelfAttention(nn.Module):
    """Attention over a map of tokens, with any mechanism: b y x c -> b y x c.

    Args:
        width: channels c of a token, a multiple of `heads`.
        heads: number of heads h.
        attention: one of `NAMES` ("softmax", "linear", "focused", and those of the gallery), or
            a function (q, k, v) -> b h n d with q b h n d, k and v b h m d. "linear" is "focused"
            with p = 1 and no branch: the learned scale and the positional encoding stay, so that
            arms differ in one thing.
        grid: (rows, columns) of the tokens, or one number for a square. "linear" and "focused"
            need it for their positional encoding, which is resized when another grid comes.
        p: focusing power of "focused", at least 1; the paper uses 3.
        kernel_size: side of the depthwise kernels, odd; the paper uses 5.
        depthwise: None means as published (of the paper's three only "focused" has the branch);
            True or False gives every other arm.
        qkv_bias: whether the projections of queries, keys and values have a bias.
        mixer: what stands between the projections, called as a `TokenMixer` is (windows,
            stripes); it takes the place of one made from the options above.

    Raises:
        ValueError: width not a multiple of heads, p below 1, an even kernel, an unknown name.

    Source: equation (10) and figure 3 of the paper.

    >>> module = SelfAttention(64, heads=4, attention="focused", grid=(7, 5))
    >>> module(torch.randn(2, 7, 5, 64)).shape
    torch.Size([2, 7, 5, 64])
    """

    def __init__(
        self,
        width: int,
        heads: int,
        attention: Attention = "focused",
        grid: int | Grid | None = None,
        p: float = 3,
        kernel_size: int = 5,
        depthwise: bool | None = None,
        qkv_bias: bool = True,
        mixer: nn.Module | None = None,
    ):
        super().__init__()
        check_flag("qkv_bias", qkv_bias)
        self.mixer = mixer or TokenMixer(width, heads, attention, grid, p, kernel_size, depthwise)
        self.q = nn.Linear(width, width, bias=qkv_bias)
        self.kv = nn.Linear(width, 2 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)
        for linear in (self.q, self.kv, self.proj):
            nn.init.trunc_normal_(linear.weight, std=0.02)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)

    def forward(
        self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Attend within x, or from x to `context`.

        Args:
            x: tokens that ask, b y x c.
            context: tokens that are asked, b y' x' c, if they are others than x.
            mask: added to the scores by "softmax"; the other mechanisms have no scores.

        Returns:
            b y x c.
        """
        check_map("x", x, self.q.in_features)
        check_dtype("x", x, self.q.weight)
        grid, key_grid = (x.shape[1], x.shape[2]), None
        if context is not None:
            check_map("context", context, self.q.in_features)
            key_grid = (context.shape[1], context.shape[2])
            context = rearrange(context, "b y x c -> b (y x) c")
        tokens = rearrange(x, "b y x c -> b (y x) c")
        mixed = self.attend(tokens, grid, context, key_grid, mask)
        return rearrange(mixed, "b (y x) c -> b y x c", y=grid[0])

    def attend(
        self,
        tokens: Tensor,
        grid: Grid,
        context: Tensor | None = None,
        key_grid: Grid | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """The same for a list of tokens, b n c -> b n c, the last y x of which form the grid.

        What stands in front of the grid (a class token) asks and is asked like all others.
        """
        context = tokens if context is None else context
        if type(self.mixer) is TokenMixer and fast.may_attend(self, tokens, context):
            return fast.attend(self, tokens, context, grid, key_grid or grid)
        q = self.q(tokens)
        k, v = keys_and_values(self.kv, context)
        return self.proj(self.mixer(q, k, v, grid, key_grid, mask))


def keys_and_values(kv: nn.Module, context: Tensor) -> tuple[Tensor, Tensor]:
    """k and v, b m c. As two products each has memory of its own, and the rest runs faster."""
    if type(kv) is not nn.Linear or fast.is_watched(kv):
        return kv(context).chunk(2, -1)
    k, v = (F.linear(context, weight, bias) for weight, bias in fast.halves(kv))
    return k, v


def stretch(v: Tensor, tokens: int) -> Tensor:
    """Values b m c brought to n tokens by linear interpolation along the token axis: b n c.

    The published networks do it so, over the flattened tokens, where keys are spatially reduced.
    """
    line = F.interpolate(v.mT, size=tokens, mode="linear", align_corners=False)
    return line.mT


def check_heads(width: int, heads: int) -> None:
    """Raise a ValueError in one line unless heads divides width."""
    check_whole("width", width)
    if isinstance(heads, bool) or not isinstance(heads, int) or heads < 1 or width % heads:
        near = [h for h in range(1, width + 1) if width % h == 0]
        nearest = min(near, key=lambda h: abs(h - heads)) if isinstance(heads, int) else 1
        raise ValueError(
            f"width must be a multiple of heads, but width={width} and heads={shown(heads)}; "
            f"the nearest that fits is heads={nearest}"
        )


def check_map(name: str, tokens: Tensor, width: int) -> None:
    """Raise a ValueError in one line unless the tokens are a map b y x c of this width."""
    if not isinstance(tokens, Tensor) or not tokens.is_floating_point():
        found = tokens.dtype if isinstance(tokens, Tensor) else type(tokens).__name__
        raise TypeError(f"{name} must be a tensor b y x c of floating-point numbers, not {found}")
    if tokens.ndim != 4 or tokens.shape[-1] != width:
        raise ValueError(
            f"{name} must be b y x c with c = {width}, but has shape {tuple(tokens.shape)}; "
            "a list of tokens becomes a map by rearrange(x, 'b (y x) c -> b y x c', y=rows)"
        )
