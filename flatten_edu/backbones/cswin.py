"""CSwin (Dong et al., 2022): half of the heads look along columns, the other half along rows.

    attention: [ stripes of full height | stripes of full width ], + a convolution on the values

The paper makes the first two stages focused. There (and in the last stage) one branch with all
heads sees the whole map instead.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn

from ..attention import SelfAttention, TokenMixer, is_linear
from .pyramid import MapConv, PatchEmbed, Pyramid, check_stages
from .registry import register
from .windows import Grid, WindowMixer, fit_window


class BranchMixer(nn.Module):
    """Mixers side by side, each on its share of the channels: q, k, v b n c -> b n c."""

    def __init__(self, branches: Sequence[WindowMixer]):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, *_: object) -> Tensor:
        """The branches' outputs, one behind the other along the channels: b n c."""
        shares = [
            rearrange(t, "b n (branch c) -> branch b n c", branch=len(self.branches))
            for t in (q, k, v)
        ]
        mixed = [
            branch(*tokens, grid) for branch, *tokens in zip(self.branches, *shares, strict=True)
        ]
        return torch.cat(mixed, dim=-1) if len(mixed) > 1 else mixed[0]


class CSwin(Pyramid):
    """The network; `create_model("cswin_tiny", ...)` gives the published sizes.

    Args:
        stripes: width of the stripes in tokens, one number a stage, for softmax and functions;
            published are 1, 2, 7, 7, and 1, 2, 12, 12 at 384 pixels. "linear" and "focused" see
            the whole map.
        shared: widths, depths, heads, mlp_ratios (see `Pyramid`), and every family's options.

    Shapes: images b c y x -> b classes.

    Source: section 5.1 of the paper.
    """

    eps = 1e-5
    published = (True, True, False, False)

    def __init__(self, stripes: Sequence[int] = (1, 2, 7, 7), **shared):
        super().__init__(**shared)
        check_stages("stripes", stripes, len(self.widths))
        self.stripes = stripes
        self.build()
        self.norm = nn.LayerNorm(self.width)

    def shrink(self, stage: int, side: int) -> int:
        """A convolution of 7 x 7 with a border of 2 every 4 pixels, then of 3 x 3 every 2."""
        return (side + 1) // 4 if stage == 0 else (side + 1) // 2

    def make_embed(self, stage: int, channels: int, width: int) -> nn.Module:
        """Patches that overlap."""
        if stage == 0:
            return PatchEmbed(channels, width, 7, 4, padding=2)
        return PatchEmbed(channels, width, 3, 2, padding=1)

    def make_attention(self, stage: int, number: int, attention) -> SelfAttention:
        """Two branches in stripes, or one on the whole map."""
        stripe, last = self.stripes[stage], stage == len(self.widths) - 1
        whole = is_linear(attention) or last or stripe >= max(self.grids[stage])
        windows = [(None, None)] if whole else [(None, stripe), (stripe, None)]
        branches = [self.make_branch(stage, attention, window, len(windows)) for window in windows]
        return SelfAttention(
            self.widths[stage],
            self.heads[stage],
            mixer=BranchMixer(branches),
            qkv_bias=self.qkv_bias,
        )

    def make_branch(self, stage: int, attention, window, branches: int) -> WindowMixer:
        """One branch, on its share of the channels and heads."""
        heads = self.heads[stage]
        if heads % branches:
            raise ValueError(
                f"heads must be even where there are stripes, but stage {stage + 1} has {heads}"
            )
        width = self.widths[stage] // branches
        places = MapConv(width, width, 3, padding=1, groups=width)
        mixer = TokenMixer(
            width,
            heads // branches,
            attention,
            fit_window(window, self.grids[stage]),
            **self.mixing,
        )
        return WindowMixer(mixer, window, places=places)

    def finish(self, x: Tensor) -> Tensor:
        """The last norm."""
        return self.norm(x)


def _register(size: str, width: int, depths: Sequence[int], heads: int) -> None:
    steps = (1, 2, 4, 8)
    register(
        f"cswin_{size}",
        CSwin,
        widths=tuple(width * step for step in steps),
        depths=depths,
        heads=tuple(heads * step for step in steps),
    )


_register("tiny", 64, (2, 4, 18, 1), heads=2)
_register("small", 64, (2, 4, 32, 2), heads=2)
_register("base", 96, (3, 6, 29, 2), heads=4)
