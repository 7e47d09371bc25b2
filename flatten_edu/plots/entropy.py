"""How sharp a row is: entropy against the focusing power, beside softmax at two query lengths."""

import math
from functools import cache

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from ..analysis import attention_map, row_entropy
from .arguments import above, asks, mechanism, power, whole
from .style import COLOURS, GREY, INK, RULE, SHADES, Card
from .tokens import half_weight

POWERS = np.geomspace(1, 32, 41)


@asks(tokens=whole(1, 4096), d=whole(1, 4096), heads=whole(1, 64), seed=whole(0))
@cache
def random_queries(tokens: int = 196, d: int = 64, heads: int = 4, seed: int = 0) -> Tensor:
    """Random queries and keys, stacked: 2 1 h n d, in float64.

    >>> q, k = random_queries()
    >>> q.shape
    torch.Size([1, 4, 196, 64])
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 1, heads, tokens, d, generator=generator, dtype=torch.float64)


@asks(mechanism=mechanism, p=power, length=above(0))
@cache
def random_entropy(mechanism: str, p: float = 3, length: float = 1) -> float:
    """Mean row entropy / log N of a map of random queries, `length` times as long, and keys.

    >>> round(random_entropy("focused", p=3), 2)
    0.92
    """
    q, k = random_queries()
    return float(row_entropy(attention_map(length * q, k, mechanism, p)).mean())


@asks(query_length=above(0))
def entropy(query_length: float = 2) -> Card:
    """Row entropy against p, with softmax for queries as drawn and `length` times as long.

    Args:
        query_length: factor on the queries, above 0; focused attention does not notice it.
    """
    focused = np.array([random_entropy("focused", p) for p in POWERS])
    soft, longer = random_entropy("softmax"), random_entropy("softmax", length=query_length)
    card = Card(
        "The power p sharpens focused attention, a longer q sharpens softmax",
        "Random q and k, N = 196, d = 64, four heads.  Insets: sorted weights of a row, "
        "mean of all, on one scale",
    )
    axes = card.place(0.68, 0.55, 7.08, 2.85)
    axes.set(xlim=(0, 5), ylim=(0, 1.04), xticks=range(6), yticks=(0, 0.5, 1))
    axes.set_xticks([math.log2(3)], ["3"], minor=True)
    axes.tick_params(which="minor", length=0, labelsize=10, labelcolor=GREY, pad=5)
    axes.set_xticklabels(["1", "2", "4", "8", "16", "32"])
    axes.set_xlabel("focusing power p", color=GREY)
    axes.set_ylabel("mean row entropy / log N", color=GREY)
    axes.axhline(1, color="#BBBBBB", linewidth=1.2, dashes=(1, 2))
    end = {"ha": "right", "va": "center", "fontsize": 10}
    axes.text(4.98, 1.045, "every key alike", color=GREY, **end)
    axes.text(4.98, 0.045, "one key only", color=GREY, **end)
    for level, width in ((soft, 2.0), (longer, 2.6)):
        axes.axhline(level, color=COLOURS["softmax"], linewidth=width, gid="softmax")
    axes.plot(np.log2(POWERS), focused, color=COLOURS["focused"], linewidth=3, gid="focused")
    _levels(axes, soft, longer, query_length)
    for p, left in ((1, 0.05), (3, 1.2), (8, 2.56)):
        _inset(axes, p, left)
    crossing = _power_as_sharp_as(longer, focused)
    card.alt = (
        f"A green curve of entropy falls from {focused[0]:.2f} at p = 1 to "
        f"{random_entropy('focused', 3):.2f} at p = 3 and {focused[-1]:.2f} at p = 32; it does not "
        f"depend on the length of q. Level blue lines: softmax at {soft:.2f}, and with q "
        f"{query_length:g} times as long at {longer:.2f}, {crossing}."
    )
    return card


def _levels(axes: Axes, soft: float, longer: float, length: float) -> None:
    """The names of the lines, each where there is room for every length from 0.5 on."""
    style = {"ha": "right", "va": "center", "fontsize": 11}
    blue = SHADES["softmax"]
    axes.text(
        4.98, soft + (0.05 if longer <= soft else -0.05), "softmax, q as drawn", color=blue, **style
    )
    if length != 1:
        above = longer + (0.05 if longer < soft else -0.035)
        axes.text(4.98, above, f"softmax, q × {length:g}", color=blue, **style)
    axes.text(4.98, 0.2, "focused: the same for q of any length", color=SHADES["focused"], **style)


@cache
def _sorted_weights(p: float) -> Tensor:
    """The weights of a row of the focused map, heaviest first, mean of all rows: n."""
    q, k = random_queries()
    map = attention_map(q, k, "focused", p)
    return map.sort(descending=True).values.mean((0, 1, 2))


def _inset(axes: Axes, p: float, left: float) -> None:
    """The sorted weights of a row at this p, dark up to half of the weight, on a line from p."""
    weights, x = _sorted_weights(p), math.log2(p)
    half, level = half_weight(weights), random_entropy("focused", p)
    axes.plot((x, x), (0.46, level), color=RULE, linewidth=1)
    axes.plot(
        x,
        level,
        "o",
        color=COLOURS["focused"],
        markersize=8,
        markeredgecolor="white",
        zorder=5,
        clip_on=False,
    )
    edges = left + np.linspace(0, 0.95, len(weights) + 1)
    heights = 0.04 + 2.7 * weights.numpy()
    style = {"baseline": 0.04, "fill": True, "linewidth": 0}
    axes.stairs(heights, edges, color="#A9DCCB", **style)
    axes.stairs(heights[:half], edges[: half + 1], color=COLOURS["focused"], **style)
    words = f"p = {p}: half the\nweight on {half} keys"
    axes.text(left + 0.07, 0.43, words, fontsize=10.5, color=INK, va="top", linespacing=1.25)


def _power_as_sharp_as(level: float, focused: np.ndarray) -> str:
    if not focused[-1] <= level <= focused[0]:
        return "which no p from 1 to 32 reaches"
    return f"as sharp as p = {np.interp(-level, -focused, POWERS):.1f}"
