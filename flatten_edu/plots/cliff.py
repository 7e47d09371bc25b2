"""Singular values of maps of random tokens: where they end as N, d and p move (equation 9)."""

from functools import cache

import numpy as np

from ..analysis import attention_map, numerical_rank, singular_values
from .arguments import asks, mechanism, power, whole
from .curves import LINES, MECHANISMS, spectrum_axes
from .entropy import random_queries
from .style import COLOURS, INK, SHADES, Card


@asks(mechanism=mechanism, n=whole(1, 400), d=whole(1, 400), p=power)
@cache
def random_spectrum(mechanism: str, n: int, d: int, p: float = 3) -> tuple[np.ndarray, int]:
    """Singular values of the map of n random tokens, over the largest, and its rank.

    >>> values, rank = random_spectrum("linear", n=49, d=16)
    >>> len(values), rank
    (49, 16)
    """
    q, k = random_queries(n, d, heads=1)
    map = attention_map(q, k, mechanism, p)[0, 0]
    values = singular_values(map).numpy()
    return values / values[0], int(numerical_rank(map))


@asks(n=whole(1, 196), d=whole(1, 400), p=power)
def cliff(n: int = 196, d: int = 64, p: float = 3) -> Card:
    """Singular values of softmax, linear and focused maps on a logarithmic axis, and the bound.

    Args:
        n: number of random tokens, at most 196.
        d: channels of queries and keys.
        p: focusing power of the focused map.
    """
    found = {m: random_spectrum(m, n, d, p) for m in MECHANISMS}
    bound = min(n, d)
    held = "the tokens are too few for a cliff" if n <= d else f"both kernels end at {bound}"
    card = Card(
        f"N = {n}, d = {d}: {held}",
        f"Singular values over the largest; maps of random q and k, one head, p = {p:g}, float64",
        height=3.8,
    )
    axes = card.place(0.75, 0.6, 5.0, 2.4)
    spectrum_axes(axes, bound, lowest=1e-6, step=2).set_gid("bound")
    for m, (values, rank) in found.items():
        style, width = LINES[m]
        index = np.arange(1, rank + 1)
        axes.plot(index, values[:rank], color=COLOURS[m], ls=style, lw=width, gid=m)
        axes.plot(rank, values[rank - 1], "o", color=COLOURS[m], mec="white", markersize=7)
    for y, (m, (_, rank)) in zip((2.7, 2.3, 1.9), found.items(), strict=True):
        card.write(6.0, y, f"{m}: rank {rank}", 11, weight="bold", color=SHADES[m])
    card.write(6.0, 1.3, f"black: min(N, d) = {bound}", 10.5, color=INK)
    words = ", ".join(f"{m} {rank}" for m, (_, rank) in found.items())
    card.alt = (
        f"Singular values of three maps of {n} random tokens with d = {d} channels on a "
        f"logarithmic axis, and a line at min(N, d) = {bound}. Ranks at p = {p:g}: {words}."
    )
    return card
