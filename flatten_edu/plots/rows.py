"""Rows of attention maps on a digit: one query, the mechanisms side by side."""

from functools import cache

import numpy as np
from torch import Tensor

from ..analysis import attention_map, row_entropy
from .arguments import asks, mechanism, place, power, whole
from .maps import colour_bar, mark, show_digit, show_map, show_weights
from .style import COLOURS, GREY, INK, SHADES, Card
from .tokens import GRID, digit_tokens, half_weight

EVEN = ("≤ ¼", "1", "4", "≥ 16")


@asks(mechanism=mechanism, p=power, digit=whole(0, 9), d=whole(1, 64))
@cache
def digit_map(mechanism: str, p: float = 3, digit: int = 5, d: int = 64) -> Tensor:
    """The map of a mechanism on a digit, 196 196 in float64."""
    tokens = digit_tokens(digit, d)
    return attention_map(tokens.q, tokens.k, mechanism, p)[0, 0]


@asks(query=place(*GRID), p=power)
def rows(query: tuple[int, int] = (2, 6), p: float = 3) -> Card:
    """One patch's attention under softmax, linear and focused attention.

    Args:
        query: (row, column) of the query's patch on the grid of 14 x 14.
        p: focusing power of the focused map; with 1 it is the linear one.
    """
    n = query[0] * GRID[1] + query[1]
    found = {m: digit_map(m, p)[n] for m in ("softmax", "linear", "focused")}
    half = {m: half_weight(row) for m, row in found.items()}
    card = Card(
        _title(p, half),
        "One patch of a digit (frame) and where it looks; 14 × 14 patches, "
        "untrained tokens, q = k, d = 64",
        height=3.7,
    )
    axes = [card.place(0.2 + 1.96 * i, 0.98, 1.68, 1.68) for i in range(4)]
    show_digit(axes[0], digit_tokens().image)
    card.write(0.2, 2.8, "the query's patch", 11, weight="bold")
    card.write(0.2, 0.78, "half of the weight:", 10.5, color=GREY)
    for i, (m, row) in enumerate(found.items(), 1):
        x, name = 0.2 + 1.96 * i, f"focused, p = {p:g}" if m == "focused" else m
        shown = show_weights(axes[i], row, COLOURS[m], 2)
        card.write(x, 2.8, name, 11, weight="bold", color=SHADES[m])
        card.write(x, 0.78, _patches(half[m]), 10.5)
    for axis in axes:
        mark(axis, query)
    card.write(0.2, 0.46, "weight, in shares of 1/196", 10, color=GREY)
    colour_bar(card, shown, 2.16, 0.4, 5.6, (-2, 0, 2, 4), EVEN)
    counts = ", ".join(f"{m} {count}" for m, count in half.items())
    card.alt = (
        f"A digit 5 with a frame round the patch in row {query[0]}, column {query[1]}, and three "
        f"maps of its attention. Patches that hold half of the weight: {counts} (p = {p:g})."
    )
    return card


def _title(p: float, half: dict[str, int]) -> str:
    if p == 1:
        return "p = 1: focused attention is linear attention"
    soft, linear, focused = half.values()
    found = f"p = {p:g}: half of the weight on {_patches(focused)}"
    return f"{found} (linear {linear}, softmax {soft})"


def _patches(count: int) -> str:
    return "1 patch" if count == 1 else f"{count} patches"


@asks(query=place(*GRID))
def two_maps(query: tuple[int, int] = (7, 8)) -> Card:
    """The softmax and the linear map on a digit, one row of both, and the entropy of all rows.

    Args:
        query: (row, column) of the query's patch on the grid of 14 x 14.
    """
    maps = {m: digit_map(m) for m in ("softmax", "linear")}
    entropy = {m: row_entropy(map) for m, map in maps.items()}
    mean = {m: float(e.mean()) for m, e in entropy.items()}
    flatter = int((entropy["linear"] > entropy["softmax"]).sum())
    card = Card(
        f"The linear row is flatter than the softmax row for {flatter} of 196 queries",
        "Both maps of a digit, row = query, column = key, patches in reading order; "
        "untrained tokens, d = 64",
    )
    n = query[0] * GRID[1] + query[1]
    digit = card.place(0.2, 1.78, 1.4, 1.4)
    show_digit(digit, digit_tokens().image)
    mark(digit, query)
    card.write(0.2, 3.31, "the query's patch", 11, weight="bold")
    for x, (m, map) in zip((1.88, 4.9), maps.items(), strict=True):
        _map_and_row(card, x, m, map, query, n)
        _entropies(card, x, m, entropy[m], float(entropy[m][n]))
    card.write(0.2, 0.86, "entropy of all rows,", 10, color=GREY)
    card.write(0.2, 0.66, "1 = all keys alike", 10, color=GREY)
    card.write(0.2, 0.46, "▲ this query's row", 10, color=GREY)
    card.alt = (
        f"A digit 5, and its softmax and linear attention maps, 196 by 196. The query in row "
        f"{query[0]}, column {query[1]} has the entropy {entropy['softmax'][n]:.2f} under softmax "
        f"and {entropy['linear'][n]:.2f} under linear attention; the means over all rows are "
        f"{mean['softmax']:.2f} and {mean['linear']:.2f}."
    )
    return card


def _map_and_row(card: Card, x: float, m: str, map: Tensor, query: tuple[int, int], n: int) -> None:
    axes = card.place(x, 1.22, 1.96, 1.96)
    show_map(axes, map, COLOURS[m])
    axes.plot(200, n, "<", color="black", markersize=5, clip_on=False)
    row = card.place(x + 2.12, 2.32, 0.86, 0.86)
    show_weights(row, map[n], COLOURS[m], 1.5)
    mark(row, query)
    card.write(x, 3.31, f"{m} map", 11, weight="bold", color=SHADES[m])
    for y, words in (
        (2.15, "◂ this row:"),
        (1.96, "half of it on"),
        (1.77, _patches(half_weight(map[n]))),
    ):
        card.write(x + 2.12, y, words, 10)


def _entropies(card: Card, x: float, m: str, entropy: Tensor, here: float) -> None:
    axes = card.place(x, 0.42, 1.96, 0.6)
    axes.set(xlim=(0.4, 1), ylim=(0, 196), xticks=(0.4, 0.7, 1), yticks=())
    axes.spines["left"].set_visible(False)
    axes.hist(entropy.numpy(), np.linspace(0.4, 1, 31).tolist(), color=COLOURS[m])
    axes.plot(here, -8, "^", color=INK, markersize=5, clip_on=False)
    card.write(x + 2.12, 0.7, f"mean {entropy.mean():.2f}", 10.5, weight="bold", color=SHADES[m])
