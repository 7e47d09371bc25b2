"""The switch: what a name or a function given as `attention=` becomes.

Three names belong to the paper and stand here. Other mechanisms bring theirs with `register`, so
this folder needs to know none of them. Where they live is imported when another name, or the list
of all, is first asked for.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .checks import shown
from .focused import Focused
from .mechanism import Function, Grid, Mechanism
from .softmax import Softmax


class Arm(NamedTuple):
    """What stands behind a name."""

    make: Callable[..., Mechanism]
    branch: bool = False
    linear: bool = True


_ARMS: dict[str, Arm] = {}


class _Names(Sequence[str]):
    """All known names, those of the paper first: a view that grows with `register`."""

    def __getitem__(self, index):
        return tuple(_all())[index]

    def __len__(self) -> int:
        return len(_all())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in _ARMS or name in _all())

    def __repr__(self) -> str:
        return repr(tuple(_all()))


def _all() -> dict[str, Arm]:
    """Every arm, those included that other rooms register when they are imported."""
    for room in _ROOMS:
        importlib.import_module(room, __package__)
    return _ARMS


_ROOMS = ("..gallery",)


NAMES = _Names()


def register(
    name: str, make: Callable[..., Mechanism], branch: bool = False, linear: bool = True
) -> None:
    """Make a mechanism known under a name, here and in every backbone.

    Args:
        name: what `attention=` will be.
        make: called with the keywords width (channels c of a token), heads, grid (that of the
            keys, as given) and p; returns a `Mechanism`.
        branch: whether the published module adds a depthwise convolution of the values, so that
            `depthwise=None` means a branch.
        linear: whether its cost grows with n, so that it can afford every key.

    Raises:
        ValueError: if the name is one of the paper's, which keep their meaning.

    >>> register("mean", lambda **_: Function(lambda q, k, v: v.mean(2, True).expand_as(v)))
    >>> make_mechanism("mean", width=8, grid=7)
    Function(<lambda>)
    >>> del _ARMS["mean"]
    """
    if name in _PAPER:
        raise ValueError(f"name must be another than {name!r}, which keeps the paper's meaning")
    _ARMS[name] = Arm(make, branch, linear)


_PAPER = {
    "softmax": Arm(lambda **_: Softmax(), linear=False),
    "linear": Arm(lambda width, grid, **_: Focused(width, grid, p=1)),
    "focused": Arm(lambda width, grid, p, **_: Focused(width, grid, p), branch=True),
}
_ARMS.update(_PAPER)


def make_mechanism(
    attention: str | Callable | Mechanism,
    width: int,
    grid: int | Grid | None,
    p: float = 3,
    heads: int = 1,
) -> Mechanism:
    """The mechanism of that name, or around that function.

    Args:
        attention: one of NAMES, a function (q, k, v) -> b h n d, or a Mechanism as it is.
        width: channels c of a token.
        grid: (rows, columns) of the keys; "linear", "focused" and others with tables need it.
        p: focusing power of "focused".
        heads: number of heads h; c = h d.

    Raises:
        ValueError: for an unknown name; the line lists the known ones.

    >>> make_mechanism("linear", width=8, grid=7)
    Focused(grid=(7, 7), p=1)
    """
    if isinstance(attention, Mechanism):
        return attention
    if attention in NAMES:
        return _ARMS[str(attention)].make(width=width, heads=heads, grid=grid, p=p)
    if callable(attention):
        return Function(attention)
    raise ValueError(
        f"attention must be {', '.join(map(repr, NAMES))} or a function (q, k, v) -> b h n d, "
        f"but is {shown(attention)}"
    )


def has_branch(attention: str | Callable | Mechanism) -> bool:
    """Whether the depthwise branch belongs to the mechanism as published.

    >>> has_branch("focused"), has_branch("linear")
    (True, False)
    """
    return isinstance(attention, str) and attention in NAMES and _ARMS[attention].branch


def is_linear(attention: str | Callable | Mechanism) -> bool:
    """Whether the cost is known to grow with n only: that of all names but "softmax".

    A backbone gives such a mechanism the place that the paper gives "focused": its stages, every
    key, the widest window.

    >>> is_linear("linear"), is_linear("softmax"), is_linear(lambda q, k, v: v)
    (True, False, False)
    """
    return isinstance(attention, str) and attention in NAMES and _ARMS[attention].linear
