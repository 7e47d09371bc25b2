"""Who notices how long a query is? Row entropy against a factor on the queries."""

import math
from collections.abc import Callable
from functools import cache

import torch.nn.functional as F
from matplotlib.axes import Axes
from torch import Tensor

from ..analysis import row_entropy
from ..gallery import CARDS, shown
from .mechanisms import QUIET, checked, colour, key, random_map, shade
from .style import GREY, GRID_LINE, Card, percent

LENGTHS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)
# Where less than this share of a row's weight moves, a map does not react.
REACTS = 0.01


@cache
def _entropies(mechanism: str | Callable, p: float) -> tuple[float, ...]:
    maps = (random_map(mechanism, p, length) for length in LENGTHS)
    return tuple(float(row_entropy(map.abs()).mean()) for map in maps)


def entropies(mechanism: str, p: float = 3) -> tuple[float, ...]:
    """Mean row entropy over log N for each of `LENGTHS`; of signed maps, that of the sizes.

    >>> first, *_, last = entropies("focused")
    >>> round(abs(last - first), 3)
    0.0
    """
    return _entropies(key(mechanism), p)


@cache
def _moved(mechanism: str | Callable, p: float) -> float:
    def shares(length: float) -> Tensor:
        return F.normalize(random_map(mechanism, p, length).abs(), p=1, dim=-1)

    return max(float((shares(c) - shares(1)).abs().sum(-1).mean() / 2) for c in LENGTHS)


def moved(mechanism: str, p: float = 3) -> float:
    """The share of a row's weight that another length of the query puts on other keys.

    From length 1 to that of `LENGTHS` which moves most, mean over rows, sizes of weights alone.

    >>> round(moved("focused"), 3), round(moved("nalaformer"), 1)
    (0.0, 0.2)
    """
    return _moved(key(mechanism), p)


def reacts(mechanism: str, p: float = 3) -> bool:
    """Whether more than 1 % of the weight moves.

    >>> reacts("softmax"), reacts("focused"), reacts("agent")
    (True, False, True)
    """
    return moved(mechanism, p) > REACTS


def query_norm(mechanism: str = "softmax", p: float = 3) -> Card:
    """Curves of all mechanisms in grey, one of them in colour, and who reacts.

    Args:
        mechanism: a name of `gallery.shown()`.
        p: focusing power, for "focused" alone.
    """
    names, found = shown(), entropies(checked(mechanism), p)
    groups = {which: [n for n in names if reacts(n, p) == which] for which in (True, False)}
    share = percent(moved(mechanism, p)) if reacts(mechanism, p) else "nothing"
    card = Card(
        f"The length of a query moves {share} of {mechanism.replace('_', ' ')}'s weights",
        "Random q and k, N = 196, d = 64; entropy of the sizes where weights are signed; "
        f"focused with p = {p:g}",
        4.6,
    )
    axes = card.place(0.75, 0.95, 4.3, 2.85)
    _frame(axes)
    for name in names:
        if name != mechanism:
            axes.plot(_places(), entropies(name, p), color=QUIET, linewidth=1.1, gid=name)
    axes.plot(
        _places(), found, "o-", color=colour(mechanism), linewidth=3, markersize=5,
        clip_on=False, zorder=5, gid=mechanism,
    )  # fmt: skip
    for x, which, head in ((5.35, True, "react"), (6.8, False, "do not")):
        card.write(x, 3.78, head, size=11, weight="bold")
        for line, name in enumerate(groups[which]):
            chosen = name == mechanism
            words = f"{name} {percent(moved(name, p))}" if which else name
            card.write(
                x, 3.5 - 0.215 * line, words.replace("_", " "), size=10.5,
                weight="bold" if chosen else "normal",
                color=shade(name) if chosen else GREY,
            )  # fmt: skip
    known = CARDS.get(mechanism)
    words = f"{known.venue}: {known.idea}" if known else "a mechanism of your own"
    card.write(0.2, 0.2, words, size=10, color=shade(mechanism))
    card.alt = (
        f"Row entropy of {mechanism} for queries of 1/32 to 8 times the length: "
        + ", ".join(f"{value:.3f}" for value in found)
        + f". These react: {', '.join(groups[True])}. These do not: {', '.join(groups[False])}."
    )
    return card


def _places() -> list[float]:
    return [math.log2(length) for length in LENGTHS]


def _frame(axes: Axes) -> None:
    axes.set(xlim=(-5, 3), ylim=(0, 1.02), yticks=(0, 0.5, 1))
    axes.set_xticks(
        [-5, -3, -1, 0, 1, 3], ["1/32", "1/8", "1/2", "1", "2", "8"],
    )  # fmt: skip
    axes.set_xlabel("factor on the queries", color=GREY)
    axes.set_ylabel("mean row entropy / log N", color=GREY)
    axes.grid(axis="y", color=GRID_LINE, linewidth=0.8)
