"""Five families as rows of stages: which blocks are focused, on how many tokens, at what cost."""

from functools import cache
from typing import NamedTuple

import torch
from matplotlib.patches import FancyBboxPatch

from ..attention import is_linear
from ..backbones import create_model, list_models
from ..complexity import CHANGED, count_parameters, multiply_adds
from .arguments import asks, mechanism, one_of, sides
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card

FAMILIES = {
    "deit_tiny": "DeiT-T",
    "pvt_tiny": "PVT-T",
    "pvt_v2_b0": "PVTv2-B0",
    "swin_tiny": "Swin-T",
    "cswin_tiny": "CSwin-T",
}
_COLUMNS = (1.2, 2.2, 3.17, 6.12)
_TILE, _ROW, _TOP = 0.135, 0.58, 3.42
_PALE = "#D3E6F2"
# What softmax does where it cannot look at every key, beside the third stage.
_LIMITS = {"swin_tiny": "in windows of 7 × 7", "cswin_tiny": "in stripes of 7"}


class StageFacts(NamedTuple):
    """One stage: its grid of tokens, channels, heads, and whether each block is focused."""

    grid: tuple[int, int]
    width: int
    heads: int
    focused: tuple[bool, ...]


class Network(NamedTuple):
    """One network: its stages, its parameters, and its multiply-adds for one image."""

    stages: tuple[StageFacts, ...]
    parameters: int
    multiply_adds: int


@asks(name=one_of(*list_models()), attention=mechanism, pixels=sides(32, 4096))
@cache
def network(name: str, attention: str = "focused", pixels: tuple[int, int] = (224, 224)) -> Network:
    """Build a network of shapes alone and read off what it is.

    >>> [stage.grid for stage in network("swin_tiny").stages]
    [(56, 56), (28, 28), (14, 14), (7, 7)]
    """
    options = CHANGED.get((name, attention, 224), {})
    with torch.device("meta"):
        model = create_model(name, attention=attention, img_size=pixels, **options).eval()
    kinds = [tuple(is_linear(block) for block in stage) for stage in model.attention]  # pyright: ignore
    if name.startswith("deit"):
        stages = (StageFacts(model.grid, model.width, 3, kinds[0]),)  # pyright: ignore
    else:
        rows = zip(model.grids, model.widths, model.heads, kinds, strict=True)  # pyright: ignore
        stages = tuple(StageFacts(*row) for row in rows)
    return Network(stages, count_parameters(model), multiply_adds(model, pixels))


@asks(attention=one_of("focused", "softmax"), pixels=sides(32, 4096))
def families(attention: str = "focused", pixels: tuple[int, int] = (224, 224)) -> Card:
    """The smallest network of each family: a tile is a block, a column a size of the grid.

    Args:
        attention: "focused" or "softmax", as published.
        pixels: (height, width) of the image.
    """
    found = {name: network(name, attention, tuple(pixels)) for name in FAMILIES}
    title = "Large grids are focused; Swin and CSwin keep softmax on small ones"
    if attention == "softmax":
        title = "Softmax cannot afford large grids: fewer keys, windows, stripes"
    card = Card(
        title,
        f"At {pixels[0]} × {pixels[1]} pixels. A tile is a block, under it channels · heads; "
        "cost in multiply-adds",
        height=4.9,
    )
    _heads(card, found["swin_tiny"])
    for number, (name, facts) in enumerate(found.items()):
        _row(card, _TOP - _ROW * number, name, facts, attention)
    card.box(0.2, 0.31, 0.3, 0.2, facecolor=COLOURS["focused"])
    card.write(0.6, 0.41, "focused, every key", 10.5, weight="bold", color=SHADES["focused"])
    card.box(2.5, 0.31, 0.3, 0.2, facecolor=_PALE, edgecolor=COLOURS["softmax"], linewidth=1.4)
    card.write(2.9, 0.41, "softmax", 10.5, weight="bold", color=SHADES["softmax"])
    card.alt = _alt(found, attention, pixels)
    return card


def _heads(card: Card, pyramid: Network) -> None:
    for x, stage in zip(_COLUMNS, pyramid.stages, strict=True):
        rows, columns = stage.grid
        card.write(x, 4.03, f"{rows} × {columns}", 11, weight="bold")
        card.write(x, 3.83, f"{rows * columns:,} tokens", 9.5, color=GREY)
    card.write(7.18, 4.03, "size", 11, weight="bold", ha="right")
    card.write(7.82, 4.03, "cost", 11, weight="bold", ha="right")


def _row(card: Card, y: float, name: str, facts: Network, attention: str) -> None:
    """One network: its name, its stages under their grids, its size and cost."""
    card.box(0.2, y + 0.29, 7.62, 0.008, color=GRID_LINE)
    card.write(0.2, y + 0.06, FAMILIES[name], 11, weight="bold")
    columns = _COLUMNS if len(facts.stages) == 4 else _COLUMNS[2:3]
    for place, (x, stage) in enumerate(zip(columns, facts.stages, strict=True)):
        _tiles(card, x, y - 0.06, stage, name)
        words = f"{stage.width} · {stage.heads}"
        if name == "deit_tiny":
            words = f"{stage.width} channels · {stage.heads} heads"
        if place == 2:
            words += _limit(name, stage, attention)
        card.write(x, y - 0.19, words, 9.5, color=INK)
    card.write(7.18, y + 0.06, f"{facts.parameters / 1e6:.1f} M", 11, ha="right")
    card.write(7.82, y + 0.06, f"{facts.multiply_adds / 1e9:.1f} G", 11, ha="right")


def _limit(name: str, stage: StageFacts, attention: str) -> str:
    """How softmax saves where it stands, in words, for the third stage of a pyramid."""
    if all(stage.focused):
        return ""
    if name.startswith("pvt"):
        return "; keys reduced 8, 4, 2, 1 times a side"
    return f"; {_LIMITS[name]}"


def _tiles(card: Card, x: float, y: float, stage: StageFacts, name: str) -> None:
    """A box round one tile for each block."""
    wide, high = _TILE * len(stage.focused), 0.25
    whole = all(stage.focused)
    edge = COLOURS["focused"] if whole else COLOURS["softmax"]
    card.add_artist(
        FancyBboxPatch(
            (x + 0.03, y + 0.03),
            wide - 0.06,
            high - 0.06,
            mutation_aspect=1,
            boxstyle="round,pad=0.03",
            transform=card.dpi_scale_trans,
            linewidth=1.4,
            facecolor=edge if whole else _PALE,
            edgecolor=edge,
            gid=f"{name} {len(stage.focused)}",
        )
    )
    for block in range(1, len(stage.focused)):
        line = "white" if whole else COLOURS["softmax"]
        card.box(x + _TILE * block - 0.006, y + 0.012, 0.012, high - 0.024, color=line)


def _alt(found: dict[str, Network], attention: str, pixels: tuple[int, int]) -> str:
    sentences = []
    for name, facts in found.items():
        kinds = [
            f"{'focused' if all(s.focused) else 'softmax'} {len(s.focused)}" for s in facts.stages
        ]
        sentences.append(
            f"{FAMILIES[name]}: {', '.join(kinds)}; {facts.parameters / 1e6:.1f} M, "
            f"{facts.multiply_adds / 1e9:.1f} G."
        )
    return (
        f"Five networks with attention={attention!r} at {pixels[0]} by {pixels[1]} pixels, stages "
        f"from fine to coarse with their blocks. {' '.join(sentences)}"
    )
