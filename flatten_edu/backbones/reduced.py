"""Attention to a reduced map of keys and values, which PVT and PVTv2 share.

    q from x,   k and v from norm(conv(x)) with stride r,   so m = n / r^2

The paper keeps every key where attention is focused (r = 1): linear attention can afford them,
softmax reduces by 8, 4, 2, 1. That is where its gain on PVT comes from.
"""

from collections.abc import Sequence

from einops import rearrange
from torch import Tensor, nn

from ..attention import SelfAttention, is_linear
from .pyramid import MapConv, Pyramid, check_stages


class ReducedAttention(SelfAttention):
    """Attention from each token to a reduced map: b y x c -> b y x c.

    Args:
        width, heads: as in `SelfAttention`.
        ratio: how many tokens a side become one key; 1 keeps them all.
        pooled: side of the map of keys if it is averaged to a fixed size, whatever `ratio` is.
        attention: the other options of `SelfAttention`; `grid` is that of the keys.
    """

    def __init__(
        self, width: int, heads: int, ratio: int = 1, pooled: int | None = None, **attention
    ):
        super().__init__(width, heads, **attention)
        self.pool = Pool(pooled) if pooled else nn.Identity()
        ratio = 1 if pooled else ratio
        self.sr = MapConv(width, width, ratio, stride=ratio) if pooled or ratio > 1 else None
        # Its epsilon is 1e-5, other than that of the block's norms.
        self.norm = nn.LayerNorm(width) if self.sr is not None else nn.Identity()
        self.act = nn.GELU() if pooled else nn.Identity()

    def forward(
        self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Attend from x to its reduction (or to `context`): b y x c -> b y x c."""
        if context is None and self.sr is not None:
            context = self.act(self.norm(self.sr(self.pool(x))))
        return super().forward(x, context, mask)


class Pool(nn.AdaptiveAvgPool2d):
    """The mean over parts of a map: b y x c -> b n n c."""

    def forward(self, input: Tensor) -> Tensor:
        """b y x c -> b n n c."""
        return rearrange(
            super().forward(rearrange(input, "b y x c -> b c y x")), "b c y x -> b y x c"
        )


class ReducedPyramid(Pyramid):
    """What PVT and PVTv2 share: keys and values come from a reduced map.

    Args:
        sr_ratios: a number a stage, by which softmax and functions reduce the map of keys.
        focused_sr_ratios: the same for "linear" and "focused" blocks. To compare a function with
            them, give `sr_ratios=(1, 1, 1, 1)`.
        shared: widths, depths, heads (see `Pyramid`), and every family's options.
    """

    published = (True, True, True, True)
    # Side of a map of keys that is averaged to a fixed size, if it is.
    pooled: int | None = None

    def __init__(
        self,
        sr_ratios: Sequence[int] = (8, 4, 2, 1),
        focused_sr_ratios: Sequence[int] = (1, 1, 1, 1),
        mlp_ratios: Sequence[float] = (8, 8, 4, 4),
        **shared,
    ):
        super().__init__(mlp_ratios=mlp_ratios, **shared)
        check_stages("sr_ratios", sr_ratios, len(self.widths))
        check_stages("focused_sr_ratios", focused_sr_ratios, len(self.widths))
        self.sr_ratios, self.focused_sr_ratios = sr_ratios, focused_sr_ratios

    def ratio(self, stage: int, attention) -> int:
        """By how much the map of keys is reduced in such a block."""
        return (self.focused_sr_ratios if is_linear(attention) else self.sr_ratios)[stage]

    def least(self, stage: int) -> int:
        """There must be tokens for one key."""
        ratios = [self.ratio(stage, attention) for attention in self.attention[stage]]
        return 1 if self.pooled else max(ratios)

    def make_attention(self, stage: int, number: int, attention) -> SelfAttention:
        """Attention to a map reduced as the mechanism can afford."""
        ratio = self.ratio(stage, attention)
        rows, columns = (self.pooled or side // ratio for side in self.grids[stage])
        return ReducedAttention(
            self.widths[stage],
            self.heads[stage],
            ratio,
            self.pooled,
            attention=attention,
            grid=(rows, columns),
            qkv_bias=self.qkv_bias,
            **self.mixing,
        )
