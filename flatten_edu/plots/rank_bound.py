"""Equation (9): the rank of a kernel's map is at most min(N, d); softmax has no such bound."""

from functools import cache

import numpy as np
from matplotlib.axes import Axes

from ..analysis import attention_map, effective_rank, numerical_rank
from .arguments import asks, mechanism, power, whole
from .entropy import random_queries
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card

WIDTHS = (2, 4, 8, 16, 32, 64, 128, 256)


@asks(mechanism=mechanism, n=whole(1, 400), d=whole(1, 400), p=power)
@cache
def ranks(mechanism: str, n: int = 196, d: int = 64, p: float = 3) -> tuple[int, float]:
    """Rank and effective rank of a map of random queries and keys.

    Args:
        mechanism: "softmax", "linear" or "focused".
        n: number of tokens.
        d: channels of queries and keys.
        p: focusing power of "focused".

    >>> ranks("linear", n=49, d=16)[0], ranks("softmax", n=49, d=16)[0]
    (16, 49)
    """
    q, k = random_queries(n, d, heads=1)
    map = attention_map(q, k, mechanism, p)[0, 0]
    return int(numerical_rank(map)), float(effective_rank(map))


@asks(n=whole(1, 196), p=power)
def rank_bound(n: int = 196, p: float = 3) -> Card:
    """Rank against the number of channels for softmax, linear and focused maps.

    Args:
        n: number of tokens, at most 196.
        p: focusing power of the focused map.
    """
    found = {m: [ranks(m, n, d, p) for d in WIDTHS] for m in ("softmax", "linear", "focused")}
    card = Card(
        f"{n} tokens: a kernel's map has rank d, until d reaches N",
        f"Maps of random q and k, one head, p = {p:g}, float64.  "
        "Dots: rank; thin lines: effective rank",
    )
    axes = card.place(0.72, 0.6, 5.1, 2.9)
    _axes(axes, n)
    for (m, values), shift in zip(found.items(), (0, -0.09, 0.09), strict=True):
        places = np.arange(len(WIDTHS)) + shift
        rank, effective = zip(*values, strict=True)
        axes.plot(places, rank, "o", color=COLOURS[m], markersize=8, mec="white", gid=m)
        axes.plot(places, effective, "-", color=COLOURS[m], linewidth=1.2, gid=f"{m} effective")
    _words(card, found)
    at = WIDTHS.index(64)
    words = ", ".join(
        f"{m} {values[at][0]} (effective {values[at][1]:.0f})" for m, values in found.items()
    )
    card.alt = (
        f"Rank of attention maps of {n} random tokens against the channels d from 2 to 256, with "
        f"the line min(N, d). At d = 64 and p = {p:g}: {words}."
    )
    return card


def _axes(axes: Axes, n: int) -> None:
    axes.set(xlim=(-0.4, len(WIDTHS) - 0.6), ylim=(0, 210), yticks=(0, 64, 128, 196))
    axes.set_xticks(range(len(WIDTHS)), [str(d) for d in WIDTHS])
    axes.set_xlabel("channels d of queries and keys", color=GREY)
    axes.grid(axis="y", color=GRID_LINE, linewidth=0.8)
    d = np.geomspace(WIDTHS[0], WIDTHS[-1], 200)
    axes.plot(np.log2(d) - 1, np.minimum(n, d), color=INK, linewidth=1.3, gid="bound")


def _words(card: Card, found: dict[str, list[tuple[int, float]]]) -> None:
    at = WIDTHS.index(64)
    card.write(6.05, 3.3, "at d = 64", 10.5, color=GREY)
    for y, (m, values) in zip((2.95, 2.2, 1.45), found.items(), strict=True):
        rank, effective = values[at]
        card.write(6.05, y, f"{m}: rank {rank}", 11, weight="bold", color=SHADES[m])
        card.write(6.05, y - 0.25, f"effective {effective:.0f}", 10.5, color=SHADES[m])
    card.write(6.05, 0.72, "black: min(N, d)", 10.5, color=INK)
