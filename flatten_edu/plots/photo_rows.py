"""One patch of a photo and where it looks: four maps from the same queries and keys."""

from typing import Any

import torch
from torch import Tensor

from ..attention.checks import shown
from ..data import photo
from .arguments import asks, power
from .maps import mark
from .photo import (
    LEFT,
    PANEL,
    PATCHES,
    PITCH,
    bar,
    grey_photo,
    overlays,
    photo_maps,
    photo_tokens,
    show_photo,
)
from .style import GREY, Card
from .tokens import GRID, half_weight

NAMES = {
    "softmax": "softmax",
    "linear": "linear",
    "focused": "focused",
    "equivalent": "focused + branch",
}


def place_of(patch: str | tuple[int, int]) -> tuple[int, int]:
    """Row and column of a patch of the astronaut's photo, from its name or as they are.

    >>> place_of("face"), place_of((0, 13))
    ((3, 6), (0, 13))
    """
    at: Any = PATCHES.get(patch) if isinstance(patch, str) else patch
    whole = isinstance(at, (tuple, list)) and len(at) == 2 and all(type(n) is int for n in at)
    if not whole or not (0 <= at[0] < GRID[0] and 0 <= at[1] < GRID[1]):
        raise ValueError(
            f"patch must be one of {', '.join(PATCHES)}, or (row, column) with both from 0 to 13, "
            f"but is {shown(patch)}"
        )
    return at[0], at[1]


def named(patch: str | tuple[int, int]) -> str:
    """A patch in words."""
    return f"the {patch}" if isinstance(patch, str) else f"patch {patch[0]}, {patch[1]}"


@asks(p=power)
def photo_rows(patch: str | tuple[int, int] = "suit", p: float = 3) -> Card:
    """A patch of the astronaut's photo and its row under softmax, linear, focused and M_eq.

    Args:
        patch: "suit", "face", "helmet", "flag", "wall", or (row, column) on the grid of 14 x 14.
        p: focusing power of the focused map; 1 is linear attention.
    """
    at = place_of(patch)
    rows = {m: map[at[0] * GRID[1] + at[1]] for m, map in photo_maps(p).items()}
    half = {m: half_weight(row) for m, row in rows.items() if m != "equivalent"}
    name = named(patch)
    card = Card(
        f"From {name}: focused has half on {half['focused']} patches, softmax on {half['softmax']}",
        "Not trained: q = k = colour, contrast, edges and thumbnail of a patch, d = 64;  "
        f"p = {p:g}",
        height=3.5,
    )
    image = photo("astronaut", size=224)
    axes = card.place(LEFT, 1.02, PANEL, PANEL)
    show_photo(axes, image)
    card.write(LEFT, 2.55, "the patch asks", 10.5, weight="bold")
    names = NAMES | {"focused": f"focused, p = {p:g}"}
    for panel in (axes, *overlays(card, rows, names, grey_photo(image), at)):
        mark(panel, at)
    card.write(LEFT, 0.46, "weight, in even", 9.5, color=GREY)
    card.write(LEFT, 0.28, "shares of 1/196", 9.5, color=GREY)
    bar(card, LEFT + PITCH, 3 * PITCH + PANEL)
    card.alt = _words(name, at, half, rows["equivalent"])
    return card


def _words(name: str, at: tuple[int, int], half: dict[str, int], both: Tensor) -> str:
    counts = ", ".join(f"{m} {count}" for m, count in half.items())
    return (
        f"A photo of an astronaut with a frame round {name} in row {at[0]}, column {at[1]}, and "
        f"four maps over it. Patches that hold half of the weight: {counts}. With the branch the "
        f"patch's own weight is {both[at[0] * GRID[1] + at[1]]:.2f}, and "
        f"{int((both < 0).sum())} weights are negative."
    )


@asks(p=power)
def nearness(p: float = 3) -> dict[str, Tensor]:
    """How far rows and outputs are from those of softmax, for each of the 196 patches.

    Returns:
        "rows linear", "rows focused", "rows equivalent": half the sum of absolute differences, from
        0 to 1. "outputs ..." likewise: length of the difference over the length of softmax's.
    """
    maps = photo_maps(p)
    values = photo_tokens()[0, 0]
    found = {}
    for m in ("linear", "focused", "equivalent"):
        found[f"rows {m}"] = (maps[m] - maps["softmax"]).abs().sum(-1) / 2
        away = torch.linalg.vector_norm((maps[m] - maps["softmax"]) @ values, dim=-1)
        found[f"outputs {m}"] = away / torch.linalg.vector_norm(maps["softmax"] @ values, dim=-1)
    return found
