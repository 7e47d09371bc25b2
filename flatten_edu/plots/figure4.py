"""Figure 4 of the paper, alive: f_p turns q and four keys, and the shares of the keys follow."""

from typing import Any

import numpy as np
import torch

from ..analysis import attention_map
from ..attention import focus
from .arguments import above, asks, power
from .plane import ITALIC, Arrow, quarter_plane
from .style import COLOURS, GREY, GRID_LINE, SHADES, Card, percent

# Read off the printed figure.
QUERY = ((0.39, 0.94),)
KEYS = ((0.43, 0.86), (0.54, 0.30), (0.97, 0.32), (0.86, 0.14))

DASHES = (0, (3, 1.3))
# Where a name stands beside its arrow's tip, in dots; free of collisions from p = 1 to 32.
NAMES = {"q": (-2, 14), "k₁": (20, -14), "k₂": (15, 13), "k₃": (18, 9), "k₄": (5, -17)}


def vectors(p: float = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """The figure's query (1 2) and keys (4 2) after f_p, in float64.

    >>> vectors()[1][0]
    tensor([0.4300, 0.8600], dtype=torch.float64)
    """
    q, k = (torch.tensor(x, dtype=torch.float64) for x in (QUERY, KEYS))
    return focus(q, p), focus(k, p)


@asks(p=power)
def shares(p: float = 3) -> torch.Tensor:
    """The four keys' shares of the query's attention: phi_p(q) . phi_p(k_j), divided by their sum.

    Source: figure 4 of the paper.

    >>> shares(p=3).round(decimals=3)
    tensor([0.7490, 0.1150, 0.0850, 0.0510], dtype=torch.float64)
    """
    q, k = vectors()
    return attention_map(q[None, None], k[None, None], "focused", p)[0, 0, 0]


@asks(length=above(0))
def softmax_shares(length: float = 1) -> torch.Tensor:
    """The shares under exp(q . k_j), with the query `length` times as long.

    >>> softmax_shares().round(decimals=3)
    tensor([0.3380, 0.2080, 0.2510, 0.2030], dtype=torch.float64)
    """
    q, k = vectors()
    return (length * k @ q[0]).softmax(-1)


@asks(p=power)
def figure4(p: float = 3) -> Card:
    """Figure 4 for this focusing power: arrows on arcs of constant length, shares as bars.

    Args:
        p: focusing power, at least 1.
    """
    share = shares(p).tolist()
    if share[0] < 0.5:
        seen = "the query spreads its attention over all four keys"
    elif share[0] < 0.985:
        seen = f"the key on q's side draws {percent(share[0])} of its attention"
    else:
        seen = "q sees almost nothing but the one key on its side"
    card = Card(
        f"p = {p:g}: {seen}",
        "Focusing turns every arrow towards its nearest axis and keeps its length.  "
        "Vectors of the paper's Figure 4",
    )
    quarter_plane(card.place(0.28, 0.34, 3.2, 3.2), _arrows(p))
    _bars(card, p)
    words = ", ".join(f"k{j} {percent(s)}" for j, s in enumerate(share, 1))
    before = ", ".join(f"{100 * s:.0f}" for s in shares(1))
    turned = "as in the paper" if p == 1 else "turned along arcs, as long as before"
    card.alt = (
        f"Arrows in a quarter plane: q and k1 lean to the vertical axis, k2 to k4 to the "
        f"horizontal one, {turned}. "
        f"Shares of the query's attention with p = {p:g}: {words}; with p = 1: {before} %."
    )
    return card


def _arrows(p: float) -> dict[str, Arrow]:
    """The keys, then the query on top of them, as they were and after f_p."""
    (q, k), (old_q, old_k) = vectors(p), vectors()
    arrows = {
        name: Arrow(tuple(old), tuple(new), NAMES[name])
        for name, old, new in zip(list(NAMES)[1:], old_k.tolist(), k.tolist(), strict=True)
    }
    old, new = old_q[0].tolist(), q[0].tolist()
    return arrows | {"q": Arrow(tuple(old), tuple(new), NAMES["q"], query=True)}


def _bars(card: Card, p: float) -> None:
    """The shares as bars, beside those at p = 1 and of softmax, and all as numbers."""
    axes = card.place(4.04, 0.6, 2.06, 2.4)
    axes.set(xlim=(0, 101), ylim=(3.5, -0.5), xticks=(0, 50, 100), yticks=())
    axes.set_xlabel("share of the query's attention, %", color=GREY, fontsize=10)
    axes.spines["bottom"].set_visible(False)
    for at in (50, 100):
        axes.axvline(at, color=GRID_LINE, linewidth=0.8, zorder=0)
    now, first, soft = (100 * x.numpy() for x in (shares(p), shares(1), softmax_shares()))
    rows = np.arange(4) - 0.1
    axes.barh(rows, now, 0.56, color=COLOURS["focused"], gid="focused")
    dashed: dict[str, Any] = {"fill": False, "linewidth": 1.7, "linestyle": DASHES}
    axes.barh(rows, first, 0.56, edgecolor=COLOURS["linear"], gid="linear", **dashed)
    axes.plot(soft, rows + 0.41, "^", color=COLOURS["softmax"], markersize=5.5, clip_on=False)
    for j, name in enumerate(list(NAMES)[1:]):
        card.write(3.87, 2.76 - 0.6 * j, name, 14, color=SHADES["focused"], ha="center", **ITALIC)
    _column(card, 6.42, f"p = {p:g}", "focused", now)
    _column(card, 7.0, "p = 1", "linear", first)
    _column(card, 7.6, "softmax", "softmax", soft)
    _swatches(card)


def _column(card: Card, x: float, head: str, mechanism: str, values: np.ndarray) -> None:
    """The four shares of a mechanism as numbers, under its name."""
    weight = "bold" if mechanism == "focused" else "normal"
    style: dict[str, Any] = {"ha": "center", "color": SHADES[mechanism], "weight": weight}
    card.write(x, 3.27, head, **style)
    for j, value in enumerate(values):
        card.write(x, 2.76 - 0.6 * j, percent(value / 100)[:-2], 13, **style)


def _swatches(card: Card) -> None:
    """What the heads of the three columns stand for: filled, dashed, a triangle."""
    card.box(6.33, 3.0, 0.18, 0.11, color=COLOURS["focused"])
    dashed: dict[str, Any] = {"fill": False, "linewidth": 1.5, "linestyle": DASHES}
    card.box(6.91, 3.0, 0.18, 0.11, edgecolor=COLOURS["linear"], **dashed)
    card.write(7.6, 3.05, "▲", 10, color=COLOURS["softmax"], ha="center")
