"""The switch: what a name or a function given as `attention=` becomes."""

from collections.abc import Callable

from .focused import Focused
from .mechanism import Function, Grid, Mechanism
from .softmax import Softmax

NAMES = ("softmax", "linear", "focused")


def make_mechanism(
    attention: str | Callable | Mechanism, width: int, grid: int | Grid | None, p: float = 3
) -> Mechanism:
    """The mechanism of that name, or around that function.

    Args:
        attention: one of NAMES, a function (q, k, v) -> b h n d, or a Mechanism as it is.
        width: channels c of a token.
        grid: (rows, columns) of the keys; "linear" and "focused" need it.
        p: focusing power of "focused".

    Raises:
        ValueError: for an unknown name; the line lists the known ones.

    >>> make_mechanism("linear", width=8, grid=7)
    Focused(grid=(7, 7), p=1)
    """
    if isinstance(attention, Mechanism):
        return attention
    if attention == "softmax":
        return Softmax()
    if attention == "linear":
        return Focused(width, grid, p=1)
    if attention == "focused":
        return Focused(width, grid, p)
    if callable(attention):
        return Function(attention)
    raise ValueError(
        f"attention must be {', '.join(map(repr, NAMES))} or a function (q, k, v) -> b h n d, "
        f"but is {attention!r}"
    )
