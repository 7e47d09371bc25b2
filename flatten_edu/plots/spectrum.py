"""The rank of a map, seen as its singular values: linear and focused maps stop at d."""

from functools import cache

import numpy as np
from matplotlib.axes import Axes

from ..analysis import numerical_rank, singular_values
from .arguments import asks, mechanism, power, whole
from .curves import LINES, MECHANISMS, spectrum_axes
from .maps import colour_bar, show_digit, show_map
from .rows import digit_map
from .style import COLOURS, GREY, INK, SHADES, Card
from .tokens import digit_tokens

_PLACES = {"softmax": (1.85, 2.36), "linear": (0.2, 0.64), "focused": (1.85, 0.64)}


@asks(mechanism=mechanism, p=power, d=whole(1, 64))
@cache
def digit_spectrum(mechanism: str, p: float = 3, d: int = 64) -> tuple[np.ndarray, int]:
    """Singular values of a mechanism's map on the digit, over the largest, and its rank.

    >>> values, rank = digit_spectrum("focused", d=16)
    >>> len(values), rank
    (196, 16)
    """
    map = digit_map(mechanism, p, d=d)
    values = singular_values(map).numpy()
    return values / values[0], int(numerical_rank(map))


@asks(d=whole(1, 64), p=power)
def spectrum(d: int = 64, p: float = 3) -> Card:
    """Three maps of a digit and their singular values on a logarithmic axis.

    Args:
        d: channels of queries and keys, 1 to 64.
        p: focusing power of the focused map.
    """
    found = {m: digit_spectrum(m, p, d) for m in MECHANISMS}
    ranks = {m: rank for m, (_, rank) in found.items()}
    card = Card(
        f"Linear and focused maps stop at rank {max(ranks['linear'], ranks['focused'])}; "
        f"softmax has rank {ranks['softmax']}",
        f"A digit of 196 tokens, not trained; q = k with d = {d} channels, p = {p:g}, float64",
        height=4.7,
    )
    show_digit(card.place(0.2, 2.36, 1.4, 1.4), digit_tokens().image)
    card.write(0.2, 3.88, "input", 11, weight="bold")
    for m, (x, y) in _PLACES.items():
        shown = show_map(card.place(x, y, 1.4, 1.4), digit_map(m, p, d=d), COLOURS[m])
        card.write(x, y + 1.52, m, 11, weight="bold", color=SHADES[m])
    colour_bar(card, shown, 0.2, 0.42, 3.05, (-2, 0, 4), ("≤ ¼", "1 = even weight", "≥ 16"))
    axes = card.place(4.3, 0.62, 3.5, 3.1)
    _curves(axes, found, min(196, d))
    card.write(3.75, 3.88, "singular values over the largest", 10.5)
    _labels(axes, ranks, d)
    card.alt = (
        f"A digit, its three attention maps, and their singular values on a logarithmic axis. With "
        f"d = {d} and p = {p:g} the linear map has rank {ranks['linear']}, the focused map "
        f"{ranks['focused']}, the softmax map {ranks['softmax']}; a black line marks min(N, d) = "
        f"{min(196, d)}."
    )
    return card


def _curves(axes: Axes, found: dict, bound: int) -> None:
    limit = 196 * np.finfo(np.float64).eps
    spectrum_axes(axes, bound, lowest=1e-18, step=4, left=1)
    axes.axhspan(1e-18, limit, color="#EFEFEF", linewidth=0)
    axes.text(198, 2.5e-15, "rounding error: counts as 0", ha="right", color=GREY)
    for m, (values, rank) in found.items():
        style, width = LINES[m]
        index = np.arange(1, 197)
        line = {"color": COLOURS[m], "linestyle": style}
        axes.plot(index[:rank], values[:rank], linewidth=width, gid=m, **line)
        axes.plot(index[rank:], values[rank:], linewidth=1, **line)
        axes.plot(rank, values[rank - 1], "o", color=COLOURS[m], mec="white", markersize=7)


def _labels(axes: Axes, ranks: dict[str, int], d: int) -> None:
    words = f"black line: min(N, d) = {min(196, d)}"
    axes.text(196, 1.2e-13, words, ha="right", va="center", fontsize=10.5, color=INK)
    for y, m in ((0.6, "softmax"), (2e-9, "linear"), (4e-11, "focused")):
        words = f"{m}: rank {ranks[m]}"
        style = {"fontsize": 11, "weight": "bold", "color": SHADES[m]}
        axes.text(196, y, words, ha="right", va="center", **style)
