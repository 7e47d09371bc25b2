"""DeiT (Touvron et al., 2021): patches in a row, one width and one grid from start to end.

    images -> patches -> + positions -> depth x [ x + attention(norm(x)), x + mlp(norm(x)) ] -> mean

The paper's first test bed (table 3 and 4 stand on DeiT-T). All blocks are focused. The class
token of the published softmax DeiT is an option; without it the tokens are averaged.
"""

from functools import partial

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from ..attention import SelfAttention
from ..attention.checks import check_flag, check_whole, shown
from ..attention.focused import resize_positions
from .backbone import Backbone
from .common import Block, Mlp, check_numbers, image_size, initialise, start_token
from .registry import register


class DeiT(Backbone):
    """The network; `create_model("deit_tiny", ...)` gives the published sizes.

    Args:
        width, depth, heads: channels of a token, number of blocks, heads a block.
        patch_size: side of a patch in pixels.
        class_token: whether a class token stands in front, as in the published softmax DeiT.
        mlp_ratio: hidden width of the MLP over `width`.
        positions: "random" as published, or "sincos", a better start for small data.
        init_std: spread of the first linear weights; 0.02 as published suits wide networks.
        shared: the options of `Backbone`; DeiT has one stage.

    Shapes: images b c y x -> b classes.

    Source: tables 3 and 4 of the paper.
    """

    published = (True,)
    undecayed = ("pos_embed", "cls_token", "cls_pos")

    def __init__(
        self,
        width: int = 192,
        depth: int = 12,
        heads: int = 3,
        patch_size: int = 16,
        class_token: bool = False,
        mlp_ratio: float = 4,
        positions: str = "random",
        init_std: float = 0.02,
        **shared,
    ):
        check_whole("depth", depth, most=1000)
        check_whole("heads", heads)
        check_whole("patch_size", patch_size)
        check_flag("class_token", class_token)
        check_numbers("mlp_ratio", (mlp_ratio,))
        super().__init__((depth,), width, **shared)
        self.patch_size = self.smallest = patch_size
        self.img_size = image_size(self.img_size, patch_size)
        self.grid = (self.img_size[0] // patch_size, self.img_size[1] // patch_size)
        self.patch_embed = nn.Conv2d(self.in_chans, width, patch_size, stride=patch_size)
        self.pos_embed = nn.Parameter(start_positions(positions, width, self.grid))
        self.cls_token = start_token(width) if class_token else None
        self.cls_pos = start_token(width) if class_token else None
        self.blocks = nn.ModuleList(
            Block(
                width,
                SelfAttention(
                    width, heads, attention, self.grid, qkv_bias=self.qkv_bias, **self.mixing
                ),
                Mlp(width, mlp_ratio),
                rate,
                eps=1e-6,
            )
            for attention, rate in zip(self.attention[0], self.rates[0], strict=True)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.apply(partial(initialise, std=init_std))
        self.reset_classifier(self.num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        """Images b c y x -> tokens b n c after the last norm, the class token first if any."""
        self.check(images)
        x = self.patch_embed(images)
        grid = (x.shape[2], x.shape[3])
        x = rearrange(x, "b c y x -> b (y x) c")
        x = x + resize_positions(self.pos_embed, self.grid, grid)
        if self.cls_token is not None and self.cls_pos is not None:
            first = repeat(self.cls_token + self.cls_pos, "1 1 c -> b 1 c", b=x.shape[0])
            x = torch.cat([first, x], dim=1)
        for block in self.blocks:
            x = block(x, grid)
        return self.norm(x)

    def pool(self, tokens: Tensor) -> Tensor:
        """Tokens b n c -> b c: the class token if there is one, else the mean."""
        return super().pool(tokens) if self.cls_token is None else tokens[:, 0]

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """One map for the one stage: [b c y x], in units of patches."""
        tokens = self.forward_features(images)[:, 0 if self.cls_token is None else 1 :]
        return [rearrange(tokens, "b (y x) c -> b c y x", y=images.shape[2] // self.patch_size)]


def start_positions(kind: str, width: int, grid: tuple[int, int]) -> Tensor:
    """First values of the position embedding, 1 (y x) c: "random" or "sincos".

    "sincos": the first half of the channels turns with the row, the second with the column, at
    angular frequencies from 1 down to 1 / 10,000 per token.
    """
    if isinstance(kind, str) and kind == "random":
        return nn.init.trunc_normal_(torch.empty(1, grid[0] * grid[1], width), std=0.02)
    if not isinstance(kind, str) or kind != "sincos" or width % 4:
        raise ValueError(
            "positions must be 'random', or 'sincos' with a width that is a multiple of 4, "
            f"but is {shown(kind)} with width {width}"
        )
    frequencies = 10_000 ** -torch.arange(0, 1, 4 / width)
    rows, columns = (torch.arange(side)[:, None] * frequencies for side in grid)
    waves = [repeat(f(rows), "y c -> y x c", x=grid[1]) for f in (torch.sin, torch.cos)]
    waves += [repeat(f(columns), "x c -> y x c", y=grid[0]) for f in (torch.sin, torch.cos)]
    return rearrange(torch.cat(waves, dim=-1), "y x c -> 1 (y x) c")


register("deit_tiny", DeiT, width=192, depth=12, heads=3)
register("deit_small", DeiT, width=384, depth=12, heads=6)
register("deit_base", DeiT, width=768, depth=12, heads=12)
# For digits of 28 x 28: 49 patches; learns them in a minute on a CPU.
register(
    "deit_nano",
    DeiT,
    width=48,
    depth=3,
    heads=3,
    patch_size=4,
    mlp_ratio=2,
    positions="sincos",
    init_std=0.05,
    img_size=28,
    in_chans=1,
    num_classes=10,
)
