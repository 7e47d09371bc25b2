"""PVT (Wang et al., 2021): a pyramid whose queries look at a reduced map of keys and values.

    stage: patches -> norm -> + positions -> blocks

The paper makes all four stages focused, with every key, and takes the mean of the last tokens.
The class token of the published softmax PVT, which enters in the last stage, is an option.
"""

from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from ..attention.checks import check_flag
from ..attention.focused import resize_positions
from .common import start_token
from .pyramid import PatchEmbed
from .reduced import ReducedPyramid
from .registry import register


class PlacedEmbed(PatchEmbed):
    """Patches with a learned vector a place, which other grids get resized (bilinear)."""

    resizing = "bilinear"

    def __init__(self, channels: int, width: int, side: int, grid: tuple[int, int], first: bool):
        super().__init__(channels, width, side, side)
        self.grid, self.first = grid, first
        start = torch.empty(1, grid[0] * grid[1], width)
        self.pos_embed = nn.Parameter(nn.init.trunc_normal_(start, std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        """b y x c -> b y' x' c'."""
        x = super().forward(x)
        places = self.places(x.shape[1], x.shape[2])
        return x + rearrange(places, "1 (y x) c -> 1 y x c", y=x.shape[1])

    def places(self, rows: int, columns: int) -> Tensor:
        """The table for a grid, 1 (y x) c."""
        # As published: the first stage's table is left as it is where the number of places agrees.
        if self.first and rows * columns == self.pos_embed.shape[1]:
            return self.pos_embed
        return resize_positions(self.pos_embed, self.grid, (rows, columns), self.resizing)


class PVT(ReducedPyramid):
    """The network; `create_model("pvt_tiny", ...)` gives the published sizes.

    Args:
        class_token: whether a class token joins in the last stage, as in the published softmax
            PVT; without it the tokens are averaged, as in the paper.
        shared: the options of `ReducedPyramid`, `Pyramid` and `Backbone`.

    Shapes: images b c y x -> b classes, sides of at least 32 pixels (fewer with small sr_ratios).

    Source: section 5.1 of the paper.
    """

    undecayed = ("cls_token",)

    def __init__(self, class_token: bool = False, **shared):
        check_flag("class_token", class_token)
        super().__init__(**shared)
        self.build()
        if class_token and self.least(len(self.widths) - 1) > 1:
            raise ValueError(
                "class_token=True needs a last stage that keeps every key, but sr_ratios end "
                f"with {self.sr_ratios[-1]} and focused_sr_ratios with {self.focused_sr_ratios[-1]}"
            )
        # Without a class token the norm is published with the weights but never used; without a
        # gradient nobody waits for one.
        self.norm = nn.LayerNorm(self.width, eps=self.eps).requires_grad_(class_token)
        self.cls_token = start_token(self.width) if class_token else None
        self.cls_pos = start_token(self.width) if class_token else None

    def shrink(self, stage: int, side: int) -> int:
        """Patches of 4 x 4 pixels, then of 2 x 2 tokens, without what is left over."""
        return side // (4 if stage == 0 else 2)

    def make_embed(self, stage: int, channels: int, width: int) -> nn.Module:
        """Patches without overlap, with places."""
        side = 4 if stage == 0 else 2
        return PlacedEmbed(channels, width, side, self.grids[stage], first=stage == 0)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Images b c y x -> the map b y x c of each stage."""
        return super().maps(images) if self.cls_token is None else self.with_class(images)[0]

    def forward_features(self, images: Tensor) -> Tensor:
        """Images b c y x -> the last tokens b n c, the class token first if there is one."""
        if self.cls_token is None:
            return super().forward_features(images)
        return self.norm(self.with_class(images)[1])

    def pool(self, tokens: Tensor) -> Tensor:
        """Tokens b n c -> b c: the class token if there is one, else the mean."""
        return super().pool(tokens) if self.cls_token is None else tokens[:, 0]

    def with_class(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """The maps b y x c, and the last tokens b n c with the class token in front."""
        assert self.cls_token is not None and self.cls_pos is not None
        self.check(images)
        last: Any = self.stages[-1]
        x, maps = rearrange(images, "b c y x -> b y x c"), []
        for stage in self.stages[:-1]:
            x = stage(x)
            maps.append(x)
        x = last.embed(x)
        grid = (x.shape[1], x.shape[2])
        first = repeat(self.cls_token + self.cls_pos, "1 1 c -> b 1 c", b=x.shape[0])
        x = torch.cat([first, rearrange(x, "b y x c -> b (y x) c")], dim=1)
        for block in last.blocks:
            x = block(x, grid)
        return [*maps, rearrange(x[:, 1:], "b (y x) c -> b y x c", y=grid[0])], x


for name, depths in {
    "tiny": (2, 2, 2, 2),
    "small": (3, 4, 6, 3),
    "medium": (3, 4, 18, 3),
    "large": (3, 8, 27, 3),
}.items():
    register(f"pvt_{name}", PVT, depths=depths, widths=(64, 128, 320, 512), heads=(1, 2, 5, 8))
