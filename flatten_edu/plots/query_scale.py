"""The query's length under softmax and under focused attention: one sees it, the other does not."""

from functools import cache

import numpy as np
from matplotlib.axes import Axes

from ..analysis import attention_map
from .arguments import above, asks, mechanism
from .maps import colour_bar, mark, show_weights
from .rows import digit_map
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card, percent
from .tokens import GRID, digit_tokens, half_weight

SCALES = tuple(2.0**e for e in range(-6, 7))
_QUERY = (2, 6)


def scaled_map(mechanism: str, scale: float):
    """The map of the digit with every query `scale` times as long, 196 196."""
    tokens = digit_tokens()
    return attention_map(scale * tokens.q, tokens.k, mechanism)[0, 0]


@asks(mechanism=mechanism, scale=above(0))
@cache
def moved_weight(mechanism: str, scale: float) -> float:
    """Which part of a row's weight lies elsewhere when queries are `scale` times as long.

    0 is the same row, 1 is none of it where it was; the mean over all rows.

    >>> moved_weight("softmax", 4) > 0.2, moved_weight("focused", 4) < 1e-5
    (True, True)
    """
    change = scaled_map(mechanism, scale) - digit_map(mechanism)
    return float(change.abs().sum(-1).mean() / 2)


@asks(scale=above(0))
def query_scale(scale: float = 1) -> Card:
    """A row of the softmax and of the focused map, and how much of all rows has moved.

    Args:
        scale: factor on every query, above 0.
    """
    moved = {m: moved_weight(m, scale) for m in ("softmax", "focused")}
    card = Card(
        _title(scale, moved["softmax"]),
        "Row of one patch (frame) of a digit; right: mean over all 196 rows, against the row "
        "at × 1; d = 64, p = 3",
    )
    n = _QUERY[0] * GRID[1] + _QUERY[1]
    for x, m in ((0.2, "softmax"), (1.95, "focused")):
        row = scaled_map(m, scale)[n]
        axes = card.place(x, 1.5, 1.55, 1.55)
        shown = show_weights(axes, row, COLOURS[m], 2)
        mark(axes, _QUERY)
        card.write(x, 3.24, m, 11.5, weight="bold", color=SHADES[m])
        half = half_weight(row)
        card.write(x, 1.28, f"half on {half} patch{'' if half == 1 else 'es'}", 10.5)
    card.write(0.2, 0.86, "weight, in shares of 1/196", 10, color=GREY)
    colour_bar(card, shown, 0.2, 0.6, 3.3, (-2, 0, 2, 4), ("≤ ¼", "1", "4", "≥ 16"))
    _curves(card.place(4.4, 0.62, 3.38, 2.5), scale)
    card.write(3.85, 3.24, "weight that has moved", 10.5, color=INK)
    card.alt = _alt(scale, moved)
    return card


def _title(scale: float, moved: float) -> str:
    if scale == 1:
        return "Make all queries longer or shorter: which map moves?"
    return f"Queries × {_factor(scale)}: softmax moves {percent(moved)} of its weight, focused none"


def _alt(scale: float, moved: dict[str, float]) -> str:
    picture = "Two maps of one patch's attention, and a log-log plot of moved weight by factor."
    if scale == 1:
        return f"Queries as they are, so no weight has moved. {picture}"
    return (
        f"With queries {_factor(scale)} times as long, {percent(moved['softmax'])} of the weight "
        f"of a softmax row lies elsewhere, and {moved['focused']:.0e} of a focused row. {picture}"
    )


def _factor(scale: float) -> str:
    """A factor as one writes it: 0.25 -> 1/4."""
    return f"{scale:g}" if scale >= 1 else f"1/{1 / scale:g}"


def _curves(axes: Axes, scale: float) -> None:
    axes.set(xscale="log", yscale="log", xlim=(1 / 80, 80), ylim=(1e-8, 3))
    axes.minorticks_off()
    axes.set_xticks([1 / 64, 1 / 8, 1, 8, 64], ["1/64", "1/8", "1", "8", "64"])
    axes.set_yticks([1, 1e-2, 1e-4, 1e-6, 1e-8], ["all", "10⁻²", "10⁻⁴", "10⁻⁶", "10⁻⁸"])
    axes.grid(color=GRID_LINE, linewidth=0.8)
    axes.set_xlabel("factor on the queries", color=GREY)
    axes.axvline(scale, color=INK, linewidth=1, dashes=(4, 3))
    for m in ("softmax", "focused"):
        # At 1 nothing moves, which a logarithm cannot show.
        values = [moved_weight(m, s) if s != 1 else np.nan for s in SCALES]
        axes.plot(SCALES, values, "o-", color=COLOURS[m], markersize=4, linewidth=2.6, gid=m)
        if scale != 1:
            axes.plot(scale, moved_weight(m, scale), "o", color=COLOURS[m], markersize=9,
                      markeredgecolor="white", zorder=5)  # fmt: skip
    right = {"ha": "right", "fontsize": 10.5, "va": "center"}
    axes.text(70, 0.006, "softmax", color=SHADES["softmax"], weight="bold", **right,
              bbox={"fc": "white", "ec": "none", "pad": 1.5})  # fmt: skip
    axes.text(70, 6e-5, "focused: only the 10⁻⁶ in φ", color=SHADES["focused"], **right,
              bbox={"fc": "white", "ec": "none", "pad": 1.5})  # fmt: skip
