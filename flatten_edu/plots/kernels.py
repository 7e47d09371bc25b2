"""Two ways to compare a query with a key: exp(q . k) and phi(q) . phi(k), over all directions."""

import numpy as np
import torch
from einops import rearrange
from matplotlib.axes import Axes
from torch import Tensor

from ..analysis import attention_map
from .arguments import above, asks
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card

QUERY_AT = 30  # degrees


def shares_by_direction(mechanism: str, length: float = 1) -> Tensor:
    """What a query at 30 degrees gives to 360 keys of length 1, one a degree, in even shares.

    Args:
        mechanism: "softmax", "linear" or "focused".
        length: length of the query.

    >>> shares_by_direction("linear").mean().round(decimals=6)
    tensor(1., dtype=torch.float64)
    """
    degrees = torch.arange(-180, 180, dtype=torch.float64)
    k = _directions(degrees)
    q = length * _directions(torch.tensor([QUERY_AT], dtype=torch.float64))
    return 360 * attention_map(q, k, mechanism)[0, 0, 0]


def _directions(degrees: Tensor) -> Tensor:
    angles = degrees.deg2rad()
    return rearrange([angles.cos(), angles.sin()], "entry n -> 1 1 n entry")


@asks(query_length=above(0))
def kernels(query_length: float = 1) -> Card:
    """The weight of a key against its direction, for the exponential and for the ReLU kernel.

    Args:
        query_length: above 0.
    """
    soft, linear = (shares_by_direction(m, query_length).numpy() for m in ("softmax", "linear"))
    if soft.max() > 1.25 * linear.max():
        seen = "exp makes a peak, the kernel keeps its hill"
    else:
        seen = "both make a hill, and the kernel has an edge"
    card = Card(
        f"A query of length {query_length:g}: {seen}",
        "Weight of 360 keys of length 1, one a degree, for a query at 30°; d = 2, "
        "in shares of 1/360",
    )
    axes = card.place(0.55, 0.6, 5.3, 2.7)
    _axes(axes)
    degrees = np.arange(-180, 180)
    # Where every entry of the key is negative, phi leaves nothing of it.
    axes.axvspan(-180, -90, color=COLOURS["linear"], alpha=0.08, linewidth=0)
    axes.text(
        -135,
        4.7,
        "both entries\nnegative:\nφ(k) ≈ 0",
        ha="center",
        va="top",
        color=SHADES["linear"],
        linespacing=1.3,
    )
    axes.axvline(QUERY_AT, color=INK, linewidth=1, dashes=(4, 3))
    axes.text(QUERY_AT, 6.17, "q", style="italic", fontsize=14, ha="center", va="center")
    axes.plot(degrees, linear, color=COLOURS["linear"], linewidth=3, gid="linear")
    axes.plot(degrees, soft, color=COLOURS["softmax"], linewidth=2.4, gid="softmax")
    _words(card, soft, linear)
    card.alt = (
        f"Weight of a key against its direction. The softmax curve peaks at the query's 30 degrees "
        f"with {soft.max():.1f} shares and ends at {soft.min():.2f}; the curve of phi peaks at "
        f"{linear.max():.1f}, whatever the query's length, and is zero where both entries of the "
        "key are negative."
    )
    return card


def _axes(axes: Axes) -> None:
    axes.set(xlim=(-180, 180), ylim=(0, 6), xticks=range(-180, 181, 90), yticks=(0, 1, 2, 4, 6))
    axes.set_xticklabels(["−180°", "−90°", "0°", "90°", "180°"])
    axes.set_xlabel("direction of the key", color=GREY)
    axes.axhline(1, color=GRID_LINE, linewidth=1.2)
    axes.text(178, 1.08, "even share", ha="right", va="bottom", color=GREY)


def _words(card: Card, soft: np.ndarray, linear: np.ndarray) -> None:
    rows = ((2.75, "softmax", "exp(q · k / √d)", soft), (1.5, "linear", "φ(q) · φ(k)", linear))
    for y, mechanism, formula, shares in rows:
        colour = SHADES[mechanism]
        card.write(6.1, y, mechanism, 11.5, weight="bold", color=colour)
        card.write(6.1, y - 0.26, formula, 11, color=colour)
        card.write(6.1, y - 0.52, f"highest {shares.max():.1f} shares", 10.5, color=colour)
    card.write(6.1, 0.72, "φ(x) = ReLU(x) + 10⁻⁶", 10, color=GREY)
