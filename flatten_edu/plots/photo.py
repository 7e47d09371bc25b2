"""A real photo as tokens, and overlays that show where one of its patches looks.

224 x 224 pixels in patches of 16 x 16 are 14 x 14 = 196 tokens, as many as the paper's DeiT has.
These tokens are made by hand, nothing is learned: colour, contrast, edges and a thumbnail of a
patch, turned by one fixed random rotation. Queries, keys and values are the same 64 numbers.
"""

import math
from collections.abc import Mapping
from functools import cache

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.patches import Rectangle
from torch import Tensor

from ..analysis import attention_map, equivalent_map
from ..attention import depthwise_matrix
from ..data import list_photos, photo
from ..tasks.colours import with_luma
from .arguments import asks, one_of, power
from .maps import colour_bar, mark
from .style import COLOURS, RULE, SHADES, Card, frame
from .tokens import GRID, half_weight

# Patches of the astronaut's photo by name: row and column.
PATCHES = {"suit": (8, 5), "face": (3, 6), "helmet": (11, 10), "flag": (4, 1), "wall": (2, 9)}
PANEL, PITCH, LEFT = 1.4, 1.55, 0.2  # inches: ten pixels a patch
# Few steps of colour and of grey keep a saved page small, and can be told apart on the bar.
WEIGHTS, GREYS = colormaps["viridis"].resampled(18), 6
LOW, HIGH = -2.0, 4.0  # log2 of a weight in shares of 1/196: from a quarter to sixteen


@asks(name=one_of(*list_photos()))
def photo_tokens(name: str = "astronaut") -> Tensor:
    """A photo's patches as queries, keys and values at once: 1 1 196 64, each of length 8.

    >>> photo_tokens().shape
    torch.Size([1, 1, 196, 64])
    """
    image = with_luma(photo(name, size=224)[None])[:, :3].double()
    parts = [
        (2.0, _mean(image)),
        (1.0, (_mean(image.square()) - _mean(image).square()).clamp_min(0).sqrt()),
        (0.7, _edges(image[:, :1])),
        (0.5, rearrange(F.avg_pool2d(image, 4), "1 c (y a) (x b) -> (y x) (c a b)", a=4, b=4)),
    ]
    tokens = torch.cat([factor * _even(part) for factor, part in parts], dim=1)
    tokens = F.pad(tokens, (0, 64 - tokens.shape[1]))
    generator = torch.Generator().manual_seed(0)
    rotation, _ = torch.linalg.qr(torch.randn(64, 64, generator=generator, dtype=torch.float64))
    return rearrange(8 * F.normalize(tokens @ rotation, dim=-1), "n d -> 1 1 n d")


def _mean(image: Tensor) -> Tensor:
    return reduce(image, "1 c (y a) (x b) -> (y x) c", "mean", a=16, b=16)


def _edges(luma: Tensor) -> Tensor:
    """How much of a patch's edges has each of eight directions, n 8."""
    y, x = torch.gradient(luma[0, 0])
    direction = ((torch.atan2(y, x) / math.pi % 1) * 8).long().clamp(0, 7)
    strength = F.one_hot(direction, 8) * torch.hypot(y, x)[..., None]
    return reduce(strength, "(y a) (x b) bins -> (y x) bins", "sum", a=16, b=16).sqrt()


def _even(part: Tensor) -> Tensor:
    """Mean 0 a channel, and a mean square of 1 over all."""
    part = part - part.mean(0)
    return part / part.square().mean().sqrt()


@asks(p=power)
@cache
def photo_maps(p: float = 3) -> dict[str, Tensor]:
    """The maps of the three mechanisms on the photo's tokens, and M_eq: each 196 196.

    Args:
        p: focusing power of the focused map.
    """
    tokens = photo_tokens()
    maps = {m: attention_map(tokens, tokens, m, p)[0, 0] for m in ("softmax", "linear", "focused")}
    return maps | {"equivalent": equivalent_map(maps["focused"], fitted_kernel(p), GRID)}


@asks(p=power)
@cache
def fitted_kernel(p: float = 3) -> Tensor:
    """The 5 x 5 kernel that brings focused outputs nearest to softmax outputs, least squares.

    It stands in for a kernel that training would find: here nothing is trained.

    >>> fitted_kernel().shape
    torch.Size([5, 5])
    """
    tokens = photo_tokens()
    values = tokens[0, 0]
    soft, focused = (attention_map(tokens, tokens, m, p)[0, 0] for m in ("softmax", "focused"))
    shifts = [depthwise_matrix(rearrange(one, "(a b) -> a b", a=5), GRID) for one in torch.eye(25)]
    moved = torch.stack([(shift.double() @ values).flatten() for shift in shifts], dim=1)
    missing = ((soft - focused) @ values).flatten()
    weights = torch.linalg.lstsq(moved, missing[:, None]).solution
    return rearrange(weights, "(a b) 1 -> a b", a=5)


def grey_photo(image: Tensor) -> Tensor:
    """Luma of a photo, 3 y x, in a few steps at ten pixels a patch: 140 140."""
    small = F.interpolate(image[None], size=140, mode="bilinear", antialias=True)
    luma = with_luma(small)[0, 0].clamp(0, 1)
    return (luma * (GREYS - 1)).round() / (GREYS - 1)


def show_photo(axes: Axes, image: Tensor) -> None:
    """The photo, 3 y x, over axes that count patches."""
    small = F.interpolate(image[None], size=140, mode="bilinear", antialias=True)[0].clamp(0, 1)
    axes.imshow(rearrange(small, "c y x -> y x c").numpy(), extent=_extent(), interpolation="none")
    frame(axes, RULE, 0.8)


def show_overlay(axes: Axes, row: Tensor, grey: Tensor, mechanism: str) -> None:
    """A row of weights as colours over the grey photo; a dash stands where one is negative."""
    shares = (row * len(row)).abs().clamp_min(1e-9).log2()
    steps = ((shares - LOW) / (HIGH - LOW)).clamp(0, 1)
    colours = torch.tensor(WEIGHTS(steps.numpy()))[:, :3]
    cells = rearrange(colours, "(y x) c -> y x c", y=GRID[0])
    cells = cells.repeat_interleave(10, 0).repeat_interleave(10, 1)
    blended = 0.74 * cells + 0.26 * grey[..., None].double()
    axes.imshow(blended.numpy(), extent=_extent(), interpolation="none")
    axes.autoscale(False)
    for n in (row < 0).nonzero().flatten().tolist():
        y, x = divmod(n, GRID[1])
        axes.plot([x + 0.2, x + 0.8], [y + 0.5] * 2, color="black", linewidth=2.6)
        axes.plot([x + 0.2, x + 0.8], [y + 0.5] * 2, color="white", linewidth=1.4)
    frame(axes, COLOURS[mechanism])


def overlays(
    card: Card, rows: Mapping[str, Tensor], names: Mapping[str, str], grey: Tensor, at: tuple
) -> list[Axes]:
    """Four panels from the second place on, each with its name above and its facts below."""
    panels = []
    for i, (m, row) in enumerate(rows.items(), start=1):
        x = LEFT + PITCH * i
        axes = card.place(x, 1.02, PANEL, PANEL)
        show_overlay(axes, row, grey, m)
        if m == "equivalent":
            axes.add_patch(
                Rectangle((at[1] - 2, at[0] - 2), 5, 5, fill=False, lw=1.6, ec=COLOURS["depthwise"])
            )
        mark(axes, at)
        card.write(x, 2.55, names[m], 10.5, weight="bold", color=SHADES[m])
        card.write(x, 0.86, facts(row), 10)
        panels.append(axes)
    return panels


def facts(row: Tensor) -> str:
    """How many patches hold half of a row, or how many weights are negative."""
    if (row < 0).any():
        return f"{int((row < 0).sum())} are negative"
    count = half_weight(row)
    return "half on 1 patch" if count == 1 else f"half on {count} patches"


def bar(card: Card, left: float, width: float) -> None:
    """The colour bar of the overlays, over mid grey as they are."""
    mixed = 0.74 * WEIGHTS(torch.linspace(0, 1, WEIGHTS.N).numpy())[:, :3] + 0.26 * 0.5
    shown = ScalarMappable(Normalize(LOW, HIGH), ListedColormap(mixed))
    colour_bar(card, shown, left, 0.4, width, (LOW, 0, 2, HIGH), ("≤ ¼", "1", "4", "≥ 16"))


def _extent() -> tuple[float, float, float, float]:
    return (0, GRID[1], GRID[0], 0)
