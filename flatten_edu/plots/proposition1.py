"""Proposition 1: pairs with the same largest entry come closer for some p, others move apart."""

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from torch import Tensor

from ..attention import focus
from .arguments import asks, floats, one_of, power, whole
from .style import COLOURS, GREY, RULE, SHADES, Card, percent

POWERS = np.geomspace(1, 32, 26)


@asks(x=floats(1), y=floats(1), p=power)
def closeness(x: Tensor, y: Tensor, p: float) -> Tensor:
    """The inner product of phi_p(x) and phi_p(y), divided by their lengths: ... d -> ...

    >>> x, y = torch.tensor([1.0, 0.9]), torch.tensor([1.0, 0.3])
    >>> closeness(x, y, 1) > closeness(x, y, 3)
    tensor(True)
    """
    return F.cosine_similarity(focus(x, p), focus(y, p), dim=-1)


def power_axis(axes: Axes) -> None:
    """The focusing power from 1 to 32 against something from 0 to 1."""
    axes.set(xlim=(0, 5.08), ylim=(0, 1.04), xticks=range(6), yticks=(0, 0.5, 1))
    axes.set_xticklabels(["1", "2", "4", "8", "16", "32"])
    axes.set_yticklabels(["0", ".5", "1"])
    axes.set_xlabel("focusing power p", color=GREY)


@cache
def random_pairs(features: str = "ReLU", d: int = 64, pairs: int = 4000) -> tuple[Tensor, Tensor]:
    """Random non-negative pairs, 2 pairs d; the first half has its largest entries in one place.

    Args:
        features: "ReLU" for the positive part of normal numbers, half of them zero, or "dense"
            for their sizes, none of them zero.
        d: number of entries.
        pairs: number of pairs.

    >>> x, y = random_pairs()
    >>> (x.argmax(-1) == y.argmax(-1)).float().mean()
    tensor(0.5000)
    """
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(2, pairs, d, generator=generator, dtype=torch.float64)
    x, y = drawn.relu() if features == "ReLU" else drawn.abs()
    here, at, row = y.argmax(-1), x.argmax(-1), torch.arange(pairs)
    # The largest entry of y changes places: to where x has it, or to the place after that.
    at = torch.where(row < pairs // 2, at, (at + 1) % d)
    moved = y.clone()
    moved[row, here], moved[row, at] = y[row, at], y[row, here]
    return x, moved


@asks(features=one_of("ReLU", "dense"), p=power, d=whole(2, 4096))
@cache
def shares_that_hold(features: str = "ReLU", p: float = 3, d: int = 64) -> tuple[float, float]:
    """The shares of random pairs for which this p does what proposition 1 promises for some p.

    Returns:
        Share of the pairs on one axis that come closer, share of the others that move apart.

    >>> shares_that_hold(p=1)
    (0.0, 0.0)
    """
    x, y = random_pairs(features, d)
    change = closeness(x, y, p) - closeness(x, y, 1)
    half = len(change) // 2
    return (change[:half] > 0).double().mean().item(), (change[half:] < 0).double().mean().item()


@asks(features=one_of("ReLU", "dense"), p=power, d=whole(2, 4096))
def proposition1(p: float = 3, features: str = "ReLU", d: int = 64) -> Card:
    """Random pairs before and after f_p, and for how many of them this p keeps the promise.

    Args:
        p: focusing power, at least 1.
        features: "ReLU" or "dense", see `random_pairs`.
        d: number of entries, at least 2.
    """
    same, other = shares_that_hold(features, p, d)
    if p == 1:
        title = "p = 1: nothing moves"
    else:
        title = f"p = {p:g}: {percent(same)} of pairs on one axis come closer"
    what = "half of the entries 0 (ReLU)" if features == "ReLU" else "no entry 0"
    card = Card(
        title, f"4,000 random pairs with {d} entries, {what}; inner product of unit vectors"
    )
    _scatter(card.place(0.62, 0.6, 2.62, 2.62), p, features, d)
    axes = card.place(4.3, 0.6, 2.35, 2.62)
    power_axis(axes)
    curves = np.array([shares_that_hold(features, power, d) for power in POWERS[1:]])
    for share, curve, style in ((same, curves[:, 0], _SAME), (other, curves[:, 1], _OTHER)):
        axes.plot(np.log2(POWERS[1:]), curve, color=style["color"], linewidth=style["linewidth"])
        axes.plot(
            math.log2(p),
            share,
            style["marker"],
            color=style["color"],
            markersize=9,
            markeredgecolor="white",
            clip_on=False,
            zorder=5,
        )
    card.write(3.85, 3.35, "share of pairs that do as promised for some p", 10.5)
    _promises(card, same, other)
    card.alt = (
        f"Left: inner products of 150 pairs, before and after focusing with p = {p:g}. Right: "
        f"shares against p. With p = {p:g}, {percent(same)} of the pairs with the same largest "
        f"entry come closer, and {percent(other)} of the others move apart; with p = 32 it is "
        f"{percent(curves[-1, 0])} and {percent(curves[-1, 1])}."
    )
    return card


_SAME = {"color": COLOURS["focused"], "linewidth": 3, "marker": "o"}
_OTHER = {"color": "#555555", "linewidth": 1.8, "marker": "s"}


def _scatter(axes: Axes, p: float, features: str, d: int) -> None:
    x, y = random_pairs(features, d)
    half = len(x) // 2
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axes.set_xticklabels(["0", ".5", "1"])
    axes.set_yticklabels(["0", ".5", "1"])
    axes.set_xlabel("inner product before", color=GREY)
    axes.set_ylabel("after", color=GREY)
    axes.plot((0, 1), (0, 1), color=RULE, linewidth=1)
    for first, style in ((half, _OTHER), (0, _SAME)):
        chosen = slice(first, first + 75)
        before, after = (closeness(x[chosen], y[chosen], power) for power in (1, p))
        axes.plot(
            before,
            after,
            style["marker"],
            color=style["color"],
            markersize=3.5,
            alpha=0.6,
            markeredgewidth=0,
        )


def _promises(card: Card, same: float, other: float) -> None:
    rows = (
        (2.6, "● one axis:", "come closer", same, SHADES["focused"], "bold"),
        (1.4, "■ two axes:", "move apart", other, "#444444", "normal"),
    )
    for y, head, promise, share, colour, weight in rows:
        card.write(6.78, y + 0.22, head, 10, color=colour, weight=weight)
        card.write(6.78, y, promise, 10, color=colour, weight=weight)
        card.write(6.78, y - 0.28, percent(share), 14, color=colour, weight=weight)
