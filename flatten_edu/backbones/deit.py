"""DeiT (Touvron et al., 2021): patches in a row, one width and one grid from start to end.

    images -> patches -> + positions -> depth x [ x + attention(norm(x)), x + mlp(norm(x)) ] -> mean

The paper's first test bed (table 3 and 4 stand on DeiT-T). All blocks are focused. The class
token of the published softmax DeiT is an option; without it the tokens are averaged.
"""

import torch
from einops import rearrange, reduce, repeat
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..attention import SelfAttention
from ..attention.focused import resize_positions
from .common import (
    DropPath,
    Mlp,
    check_images,
    drop_path_rates,
    image_size,
    initialise,
    per_block,
)
from .registry import register


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), on tokens b n c."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, drop_path: float, **attention):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = SelfAttention(width, heads, **attention)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, mlp_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """b n c -> b n c."""
        x = x + self.drop_path(self.attn.attend(self.norm1(x), grid))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class DeiT(nn.Module):
    """The network; `create_model("deit_tiny", ...)` gives the published sizes.

    Args:
        width, depth, heads: channels of a token, number of blocks, heads a block.
        patch_size: side of a patch in pixels.
        attention: see `create_model`; DeiT has one stage.
        num_classes: outputs; 0 leaves out the head and gives features.
        in_chans: channels of an image.
        img_size: a number or (height, width); other sizes may come at call time.
        p, kernel_size, depthwise: as in `SelfAttention`.
        drop_path: probability of leaving out the last block's branches; it rises evenly from 0.
        class_token: whether a class token stands in front, as in the published softmax DeiT.
        mlp_ratio: hidden width of the MLP over `width`.
        positions: "random" as published, or "sincos", a better start for small data.

    Shapes: images b c y x -> b classes.
    """

    def __init__(
        self,
        width: int = 192,
        depth: int = 12,
        heads: int = 3,
        patch_size: int = 16,
        attention="focused",
        num_classes: int = 1000,
        in_chans: int = 3,
        img_size: int | tuple[int, int] = 224,
        p: float = 3,
        kernel_size: int = 5,
        depthwise: bool | None = None,
        drop_path: float = 0.0,
        class_token: bool = False,
        mlp_ratio: float = 4,
        positions: str = "random",
    ):
        super().__init__()
        height, breadth = image_size(img_size, patch_size)
        self.patch_size, self.in_chans, self.num_classes = patch_size, in_chans, num_classes
        self.grid = (height // patch_size, breadth // patch_size)
        self.grad_checkpointing = False
        self.patch_embed = nn.Conv2d(in_chans, width, patch_size, stride=patch_size)
        self.pos_embed = nn.Parameter(start_positions(positions, width, self.grid))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width)) if class_token else None
        self.cls_pos = nn.Parameter(torch.zeros(1, 1, width)) if class_token else None
        self.blocks = nn.ModuleList(
            Block(
                width,
                heads,
                mlp_ratio,
                rate,
                attention=entry,
                grid=self.grid,
                p=p,
                kernel_size=kernel_size,
                depthwise=depthwise,
            )
            for entry, rate in zip(
                per_block(attention, [depth], [True])[0],
                drop_path_rates(drop_path, [depth])[0],
                strict=True,
            )
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Identity()
        self.apply(initialise)
        self.reset_classifier(num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images b c y x -> b classes (b c without a head)."""
        return self.head(self.pool(self.forward_features(images)))

    def forward_features(self, images: Tensor) -> Tensor:
        """Images b c y x -> tokens b n c after the last norm, the class token first if any."""
        check_images(images, self.in_chans, self.patch_size)
        x = self.patch_embed(images)
        grid = (x.shape[2], x.shape[3])
        x = rearrange(x, "b c y x -> b (y x) c")
        x = x + resize_positions(self.pos_embed, self.grid, grid)
        if self.cls_token is not None and self.cls_pos is not None:
            first = repeat(self.cls_token + self.cls_pos, "1 1 c -> b 1 c", b=x.shape[0])
            x = torch.cat([first, x], dim=1)
        for block in self.blocks:
            if self.grad_checkpointing and self.training:
                x = checkpoint(block, x, grid, use_reentrant=False)
            else:
                x = block(x, grid)
        return self.norm(x)

    def pool(self, tokens: Tensor) -> Tensor:
        """Tokens b n c -> b c: the class token if there is one, else the mean."""
        return (
            tokens[:, 0] if self.cls_token is not None else reduce(tokens, "b n c -> b c", "mean")
        )

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """One map for the one stage: [b c y x], in units of patches."""
        tokens = self.forward_features(images)[:, 0 if self.cls_token is None else 1 :]
        return [rearrange(tokens, "b (y x) c -> b c y x", y=images.shape[2] // self.patch_size)]

    def reset_classifier(self, num_classes: int) -> None:
        """A fresh head for this many classes; 0 leaves it out."""
        self.num_classes = num_classes
        width = self.norm.normalized_shape[0]
        device, dtype = self.norm.weight.device, self.norm.weight.dtype
        if num_classes:
            self.head = nn.Linear(width, num_classes, device=device, dtype=dtype)
            initialise(self.head)
        else:
            self.head = nn.Identity()

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Trade time for memory in training: blocks are computed again in the backward pass."""
        self.grad_checkpointing = enable

    def no_weight_decay(self) -> set[str]:
        """Parameters that published recipes leave without weight decay."""
        return {"pos_embed", "cls_token", "cls_pos"}


def start_positions(kind: str, width: int, grid: tuple[int, int]) -> Tensor:
    """First values of the position embedding, 1 (y x) c: "random" or "sincos".

    "sincos": the first half of the channels turns with the row, the second with the column, at
    angular frequencies from 1 down to 1 / 10,000 per token.
    """
    if kind == "random":
        return nn.init.trunc_normal_(torch.empty(1, grid[0] * grid[1], width), std=0.02)
    if kind != "sincos" or width % 4:
        raise ValueError(
            "positions must be 'random', or 'sincos' with a width that is a multiple of 4, "
            f"but is {kind!r} with width {width}"
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
    img_size=28,
    in_chans=1,
    num_classes=10,
)
