"""What the gallery's pictures share: which mechanisms they show, their maps and their colours."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from ..analysis import attention_map
from ..gallery import shown
from ..gallery.own import _OWN
from .style import COLOURS, INK, SHADES

GRID = (14, 14)
QUIET = "#B0B0B0"
# A mechanism of the reader's own has the colour that no built-in one has.
_YOURS, _YOURS_SHADE = "#D55E00", "#B34A00"


def colour(name: str) -> str:
    """The mechanism's own colour; ink for those of the gallery, vermilion for the reader's."""
    return COLOURS.get(name, _YOURS if name in _OWN else INK)


def shade(name: str) -> str:
    """The same for words."""
    return SHADES.get(name, _YOURS_SHADE if name in _OWN else INK)


def key(name: str) -> str | Callable:
    """What `attention_map` is asked with: a function that was added may change under its name."""
    return _OWN.get(name, name)


def checked(name: str) -> str:
    """The name again.

    Raises:
        ValueError: if it is none of those that are shown; the line lists them.
    """
    if name not in shown():
        known = ", ".join(shown())
        raise ValueError(f"mechanism must be one of {known}, but is {name!r}")
    return name


def random_tokens(tokens: int = 196, d: int = 64, heads: int = 1, seed: int = 0) -> Tensor:
    """Random queries and keys, standard normal, stacked: 2 1 h n d in float64."""
    source = torch.Generator().manual_seed(seed)
    return torch.randn(2, 1, heads, tokens, d, generator=source, dtype=torch.float64)


@cache
def random_map(
    mechanism: str | Callable, p: float = 3, length: float = 1, tokens: int = 196, d: int = 64
) -> Tensor:
    """The map of random queries, `length` times as long, and keys: n n.

    Args:
        mechanism: a name, or a function; see `key`.
        p: focusing power, for "focused" alone.
        length: factor on the queries.
        tokens: a square number.
        d: channels, a multiple of 4.
    """
    q, k = random_tokens(tokens, d)
    side = round(tokens**0.5)
    return attention_map(length * q, k, mechanism, p, grid=(side, side))[0, 0]
