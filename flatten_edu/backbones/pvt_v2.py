"""PVTv2 (Wang et al., 2022): PVT with patches that overlap and a convolution inside the MLP.

    stage: overlapping patches -> norm -> blocks -> norm
    mlp:   fc1 -> 3 x 3 depthwise convolution -> GELU -> fc2

The convolutions tell the places, so there is no position embedding. All four stages are focused,
with every key (r = 1), as in PVT.
"""

import math
from collections.abc import Sequence

from torch import nn

from ..attention.checks import check_flag
from .common import initialise
from .pyramid import MapConv, PatchEmbed
from .reduced import ReducedPyramid
from .registry import register


class ConvolvedMlp(nn.Sequential):
    """fc1, (ReLU,) depthwise convolution, GELU, fc2: b y x c -> b y x c."""

    def __init__(self, width: int, ratio: float, relu: bool = False):
        hidden = int(width * ratio)
        super().__init__()
        self.add_module("fc1", nn.Linear(width, hidden))
        self.add_module("relu", nn.ReLU() if relu else nn.Identity())
        self.add_module("dwconv", MapConv(hidden, hidden, 3, padding=1, groups=hidden))
        self.add_module("act", nn.GELU())
        self.add_module("fc2", nn.Linear(hidden, width))


class PVTv2(ReducedPyramid):
    """The network; `create_model("pvt_v2_b0", ...)` gives the published sizes.

    Args:
        linear: keys and values come from a map averaged to 7 x 7, whatever the sr_ratios are
            (the published variant "li"); this is about keys, not about the mechanism.
        shared: the options of `ReducedPyramid`, `Pyramid` and `Backbone`.

    Shapes: images b c y x -> b classes.

    Source: section 5.1 of the paper.
    """

    def __init__(self, linear: bool = False, **shared):
        check_flag("linear", linear)
        super().__init__(**shared)
        self.pooled = 7 if linear else None
        self.build()

    def shrink(self, stage: int, side: int) -> int:
        """One patch every 4 pixels, then every 2 tokens; a patch may hang over the border."""
        return (side + 3) // 4 if stage == 0 else (side + 1) // 2

    def make_embed(self, stage: int, channels: int, width: int) -> nn.Module:
        """Patches that overlap."""
        kernel, stride = (7, 4) if stage == 0 else (3, 2)
        return PatchEmbed(channels, width, kernel, stride, padding=kernel // 2)

    def make_mlp(self, width: int, ratio: float) -> nn.Module:
        """An MLP that sees its neighbours."""
        return ConvolvedMlp(width, ratio, relu=self.pooled is not None)

    def make_norm(self, width: int) -> nn.Module:
        """Every stage ends with a norm."""
        return nn.LayerNorm(width, eps=self.eps)

    @staticmethod
    def initialise(module: nn.Module) -> None:
        """As elsewhere, and convolutions from a normal that keeps the variance of the output."""
        initialise(module)
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
            nn.init.normal_(module.weight, std=math.sqrt(2 * module.groups / fan_out))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _register(size: str, depths: Sequence[int], base: int = 64, mlp=(8, 8, 4, 4)) -> None:
    widths = (base, 2 * base, 5 * base, 8 * base)
    register(
        f"pvt_v2_{size}", PVTv2, widths=widths, depths=depths, heads=(1, 2, 5, 8), mlp_ratios=mlp
    )


_register("b0", (2, 2, 2, 2), base=32)
_register("b1", (2, 2, 2, 2))
_register("b2", (3, 4, 6, 3))
_register("b3", (3, 4, 18, 3))
_register("b4", (3, 8, 27, 3))
_register("b5", (3, 6, 40, 3), mlp=(4, 4, 4, 4))
