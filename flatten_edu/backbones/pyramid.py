"""Four stages of maps, each half as large and twice as wide: what PVT, PVTv2, Swin, CSwin share.

    images -> [ embed -> blocks -> norm ] x 4 -> mean -> classes

Tokens stay maps b y x c from start to end, so every image size and aspect works.
"""

import itertools
from collections.abc import Sequence

from einops import rearrange
from torch import Tensor, nn

from ..attention import SelfAttention
from ..attention.checks import check_whole, shown
from .backbone import Backbone
from .common import Block, Mlp, check_numbers, image_size, initialise


class MapConv(nn.Conv2d):
    """A convolution on maps with the channels last: b y x c -> b y' x' c'."""

    def forward(self, input: Tensor) -> Tensor:
        """b y x c -> b y' x' c'."""
        image = rearrange(input, "b y x c -> b c y x")
        return rearrange(super().forward(image), "b c y x -> b y x c")


class PatchEmbed(nn.Module):
    """A convolution with a stride, then a norm: b y x c -> b y' x' c'."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, padding: int = 0):
        super().__init__()
        self.proj = MapConv(channels, width, kernel, stride=stride, padding=padding)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """b y x c -> b y' x' c'."""
        return self.norm(self.proj(x))


class Stage(nn.Module):
    """A smaller map, blocks on it, a norm where the family has one: b y x c -> b y' x' c'."""

    def __init__(self, embed: nn.Module, blocks: Sequence[Block], norm: nn.Module):
        super().__init__()
        self.embed = embed
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """b y x c -> b y' x' c'."""
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class Pyramid(Backbone):
    """The common part of the four families.

    Args:
        widths, depths, heads, mlp_ratios: one number a stage: channels of a token, blocks, heads
            of a block, hidden width of the MLP over the width.
        shared: the options of every family, see `Backbone`.

    Shapes: images b c y x -> b classes.
    """

    # Epsilon of the blocks' norms.
    eps = 1e-6

    def __init__(
        self,
        widths: Sequence[int],
        depths: Sequence[int],
        heads: Sequence[int],
        mlp_ratios: Sequence[float] = (4, 4, 4, 4),
        **shared,
    ):
        stages = len(widths) if isinstance(widths, (list, tuple)) else len(self.published)
        for name, value in (("widths", widths), ("depths", depths), ("heads", heads)):
            check_stages(name, value, stages, most=1000 if name == "depths" else 2**16)
        if not isinstance(mlp_ratios, (list, tuple)) or len(mlp_ratios) != stages:
            raise ValueError(f"mlp_ratios must be {stages} numbers, but is {shown(mlp_ratios)}")
        check_numbers("mlp_ratios", mlp_ratios)
        super().__init__(tuple(depths), widths[-1], **shared)
        self.widths, self.heads, self.mlp_ratios = widths, heads, mlp_ratios

    def build(self) -> None:
        """Make all layers; a family calls it when its own options are set."""
        self.smallest = next(side for side in itertools.count(1) if self.fits(side))
        self.img_size = image_size(self.img_size, self.smallest)
        self.grids = list(zip(*map(self.sides, self.img_size), strict=True))
        channels, stages = self.in_chans, []
        for stage, width in enumerate(self.widths):
            embed = self.make_embed(stage, channels, width)
            stages.append(Stage(embed, self.make_blocks(stage), self.make_norm(width)))
            channels = width
        self.stages = nn.ModuleList(stages)
        self.apply(self.initialise)
        self.reset_classifier(self.num_classes)

    def make_blocks(self, stage: int) -> list[Block]:
        """The blocks of a stage, with fresh weights."""
        width, rates = self.widths[stage], self.rates[stage]
        return [
            Block(
                width,
                self.make_attention(stage, number, attention),
                self.make_mlp(width, self.mlp_ratios[stage]),
                rates[number],
                self.eps,
            )
            for number, attention in enumerate(self.attention[stage])
        ]

    def make_embed(self, stage: int, channels: int, width: int) -> nn.Module:
        """What makes a stage's map from the one before: b y x c -> b y' x' c'."""
        raise TypeError(f"{type(self).__name__} must define make_embed")

    def make_attention(self, stage: int, number: int, attention) -> SelfAttention:
        """What mixes tokens in a block of a stage."""
        raise TypeError(f"{type(self).__name__} must define make_attention")

    def make_mlp(self, width: int, ratio: float) -> nn.Module:
        """What mixes channels in a block."""
        return Mlp(width, ratio)

    def make_norm(self, width: int) -> nn.Module:
        """What ends a stage."""
        return nn.Identity()

    def shrink(self, stage: int, side: int) -> int:
        """How many tokens a side has after a stage's embedding."""
        return side // 4 if stage == 0 else (side + 1) // 2

    def least(self, stage: int) -> int:
        """How many tokens a side of a stage's map must have."""
        return 1

    def sides(self, pixels: int) -> list[int]:
        """Tokens a side in each stage, for a side of an image in pixels."""
        sides = [pixels]
        for stage in range(len(self.widths)):
            sides.append(self.shrink(stage, sides[-1]))
        return sides[1:]

    def fits(self, pixels: int) -> bool:
        """Whether a side of an image is long enough for every stage."""
        return all(side >= self.least(stage) for stage, side in enumerate(self.sides(pixels)))

    @staticmethod
    def initialise(module: nn.Module) -> None:
        """First values of a layer."""
        initialise(module)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Images b c y x -> the map b y x c of each stage."""
        self.check(images)
        x, maps = rearrange(images, "b c y x -> b y x c"), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def finish(self, x: Tensor) -> Tensor:
        """What the last map goes through before the mean."""
        return x

    def forward_features(self, images: Tensor) -> Tensor:
        """Images b c y x -> the last stage's tokens b n c, row by row, as the head sees them."""
        return rearrange(self.finish(self.maps(images)[-1]), "b y x c -> b (y x) c")

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Images b c y x -> a map b c y x for each stage, from fine to coarse."""
        return [rearrange(x, "b y x c -> b c y x") for x in self.maps(images)]


def check_stages(name: str, values: Sequence[int], stages: int, most: int = 2**16) -> None:
    """Raise a ValueError in one line unless there is one whole number from 1 to most a stage."""
    if not isinstance(values, (list, tuple)) or len(values) != stages or not stages:
        raise ValueError(
            f"{name} must have one entry a stage, {stages} in all, but is {shown(values)}"
        )
    for stage, value in enumerate(values, start=1):
        check_whole(f"{name} of stage {stage}", value, most=most)
