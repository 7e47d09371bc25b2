"""Arrows in a quarter plane, and the arcs on which f_p turns them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke

from .style import COLOURS, GREY, INK, RULE, SHADES

HALO = [withStroke(linewidth=3.5, foreground="white")]
ITALIC: dict[str, Any] = {"style": "italic"}
_HEAD: dict[str, Any] = {"arrowstyle": "-|>", "shrinkA": 0, "shrinkB": 0, "joinstyle": "miter"}


@dataclass(frozen=True)
class Arrow:
    """An arrow with its name: where it was, where it is, and where the name stands, in dots."""

    old: tuple[float, float]
    new: tuple[float, float]
    name_at: tuple[float, float]
    query: bool = False


def quarter_plane(axes: Axes, arrows: Mapping[str, Arrow]) -> None:
    """Both axes from 0 to 1, the diagonal, and the arrows; the query's is black and thin."""
    axes.set(xlim=(-0.11, 1.15), ylim=(-0.11, 1.15))
    axes.axis("off")
    for end, mark in ((0.0, "0"), (0.5, ".5"), (1.0, "1")):
        axes.text(end, -0.055, mark, ha="center", va="center", color=GREY)
        if end:
            axes.text(-0.03, end, mark, ha="right", va="center", color=GREY)
            axes.plot((-0.015, 0), (end, end), color=RULE, linewidth=0.8)
    axes.plot((0, 0, 1.1), (1.05, 0, 0), color=RULE, linewidth=0.8)
    axes.plot((0, 0.80), (0, 0.80), color="#AAAAAA", linewidth=1.4, dashes=(1, 2))
    axes.text(
        0.47,
        0.53,
        "p > 1 turns away from here",
        color=GREY,
        rotation=45,
        ha="center",
        va="center",
        rotation_mode="anchor",
    )
    for name, arrow in arrows.items():
        _draw(axes, name, arrow)


def _draw(axes: Axes, name: str, arrow: Arrow) -> None:
    colour, shade = (INK, INK) if arrow.query else (COLOURS["focused"], SHADES["focused"])
    start, end = (math.atan2(y, x) for x, y in (arrow.old, arrow.new))
    if abs(end - start) > 1e-9:
        turn, length = np.linspace(start, end, 40), math.hypot(*arrow.old)
        axes.plot((0, arrow.old[0]), (0, arrow.old[1]), color=colour, linewidth=1, alpha=0.35)
        axes.plot(length * np.cos(turn), length * np.sin(turn), color=colour, lw=1.5, alpha=0.6)
        axes.plot(*arrow.old, "o", mfc="white", mec=colour, markersize=4.5, mew=1.2)
    width, head = (1.9, 14) if arrow.query else (3.2, 16)
    axes.add_patch(
        FancyArrowPatch(
            (0, 0),
            arrow.new,
            color=colour,
            linewidth=width,
            mutation_scale=head,
            zorder=4,
            gid=name,
            **_HEAD,
        )
    )
    axes.annotate(
        name,
        arrow.new,
        arrow.name_at,
        textcoords="offset points",
        fontsize=14,
        color=shade,
        ha="center",
        va="center",
        zorder=6,
        path_effects=HALO,
        **ITALIC,
    )
