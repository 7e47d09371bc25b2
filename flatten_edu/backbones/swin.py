"""Swin (Liu et al., 2021): attention within windows, which every other block shifts by half.

    stage: patches or merged neighbours -> blocks, with windows of w x w tokens

The paper makes the first two stages focused and opens their windows to the whole map (56 x 56 at
224 pixels): at linear cost a window need not be small (table 6).
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from ..attention import SelfAttention, Softmax, TokenMixer, is_linear, softmax_attention
from ..attention.checks import shown
from ..attention.focused import resize_positions
from .pyramid import PatchEmbed, Pyramid
from .registry import register
from .windows import Grid, WindowMixer, fit_window


class RelativeSoftmax(Softmax):
    """Softmax attention with a learned number for each head and offset between key and query.

        softmax(q k^T / sqrt(d) + bias[offset]) v

    Args:
        heads: number of heads.
        window: (rows, columns) of the window that the table is made for. Smaller windows use
            part of it; for larger ones it is resized (bicubic).
    """

    def __init__(self, heads: int, window: Grid):
        super().__init__()
        self.window = window
        self.grid = (2 * window[0] - 1, 2 * window[1] - 1)
        table = torch.empty(self.grid[0] * self.grid[1], heads)
        self.relative_position_bias_table = nn.Parameter(nn.init.trunc_normal_(table, std=0.02))

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """q, k, v b h n d -> b h n d; a mask w n n holds for w windows in turn along b."""
        bias = self.bias(grid).to(q.dtype)
        if mask is None:
            return softmax_attention(q, k, v, rearrange(bias, "h n m -> 1 h n m"))
        # Each window has a bias of its own: windows become heads, so that it serves all images.
        windows, heads = mask.shape[0], q.shape[1]
        own = rearrange(bias, "h n m -> 1 h n m") + rearrange(mask.to(bias), "w n m -> w 1 n m")
        q, k, v = (rearrange(t, "(b w) h n d -> b (w h) n d", w=windows) for t in (q, k, v))
        mixed = softmax_attention(q, k, v, rearrange(own, "w h n m -> 1 (w h) n m"))
        return rearrange(mixed, "b (w h) n d -> (b w) h n d", h=heads)

    def bias(self, grid: Grid) -> Tensor:
        """The table looked up for each query and key of a window: h n m."""
        rows, columns = max(self.window[0], grid[0]), max(self.window[1], grid[1])
        table = rearrange(self.relative_position_bias_table, "n h -> 1 n h")
        table = resize_positions(table, self.grid, (2 * rows - 1, 2 * columns - 1))
        place = torch.arange(grid[0] * grid[1], device=table.device)
        y, x = place // grid[1], place % grid[1]
        down = rearrange(y, "n -> n 1") - y + rows - 1
        right = rearrange(x, "n -> n 1") - x + columns - 1
        return rearrange(table[0, down * (2 * columns - 1) + right], "n m h -> h n m")


class PatchMerging(nn.Module):
    """Four neighbours become one token of twice the width: b y x c -> b y/2 x/2 2c.

    A side of odd length is padded by zeros, one row below or one column on the right.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """b y x c -> b y' x' 2c."""
        x = nn.functional.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        # The four in published order: the row changes first.
        x = rearrange(x, "b (y two) (x too) c -> b y x (too two c)", two=2, too=2)
        return self.reduction(self.norm(x))


class Swin(Pyramid):
    """The network; `create_model("swin_tiny", ...)` gives the published sizes.

    Args:
        window: side of the windows in tokens, for softmax and functions; published are 7, and 12
            at 384 pixels. None is the whole map. Relative positions belong to softmax.
        focused_window: the same for "linear" and "focused" blocks; published is the whole map.
        shared: widths, depths, heads, mlp_ratios (see `Pyramid`), and every family's options.

    Shapes: images b c y x -> b classes.

    Source: section 5.1, tables 6 and 7 of the paper.
    """

    eps = 1e-5
    published = (True, True, False, False)
    undecayed = ("relative_position_bias_table",)

    def __init__(self, window: int | None = 7, focused_window: int | None = None, **shared):
        super().__init__(**shared)
        self.window = check_window("window", window)
        self.focused_window = check_window("focused_window", focused_window)
        self.build()
        self.norm = nn.LayerNorm(self.width)

    def make_embed(self, stage: int, channels: int, width: int) -> nn.Module:
        """Patches of 4 x 4 pixels, then merged neighbours."""
        return PatchMerging(channels, width) if stage else PatchEmbed(channels, width, 4, 4)

    def make_attention(self, stage: int, number: int, attention) -> SelfAttention:
        """Attention in windows; every other block's are shifted by half a window."""
        width, heads, grid = self.widths[stage], self.heads[stage], self.grids[stage]
        side = self.focused_window if is_linear(attention) else self.window
        window = fit_window((side, side), grid)
        mechanism = RelativeSoftmax(heads, window) if attention == "softmax" else attention
        mixer = TokenMixer(width, heads, mechanism, window, **self.mixing)
        shift = side // 2 if side and number % 2 else 0
        windows = WindowMixer(mixer, (side, side), (shift, shift))
        return SelfAttention(width, heads, mixer=windows, qkv_bias=self.qkv_bias)

    def finish(self, x: Tensor) -> Tensor:
        """The last norm."""
        return self.norm(x)


def check_window(name: str, side: int | None) -> int | None:
    """The side of a window; raise a ValueError in one line unless it is a number or None."""
    if side is not None and (isinstance(side, bool) or not isinstance(side, int) or side < 1):
        raise ValueError(
            f"{name} must be a number of tokens from 1, or None for the whole map, "
            f"but is {shown(side)}"
        )
    return side


register("swin_tiny", Swin, widths=(96, 192, 384, 768), depths=(2, 2, 6, 2), heads=(3, 6, 12, 24))
register("swin_small", Swin, widths=(96, 192, 384, 768), depths=(2, 2, 18, 2), heads=(3, 6, 12, 24))
register(
    "swin_base", Swin, widths=(128, 256, 512, 1024), depths=(2, 2, 18, 2), heads=(4, 8, 16, 32)
)
