"""A mechanism of your own in the gallery: a function gets a name that everything else knows."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..attention.mechanism import Function, name_of
from ..attention.registry import _ARMS, register
from .cards import CARDS

_OWN: dict[str, Callable[..., Tensor]] = {}


def add(function: Callable[[Tensor, Tensor, Tensor], Tensor], name: str | None = None) -> str:
    """Make a function (q, k, v) -> b h n e known by a name, as `attention=` and in every picture.

    Under the same name a second function takes the place of the first.

    Args:
        function: of q b h n d, k b h m d and v b h m e, for any width e of the values, and linear
            in them: else there is no map to look at.
        name: what it is called; None takes the function's own name.

    Returns:
        The name.

    Raises:
        ValueError: for the name of a published mechanism, for a wrong shape, for a function that
            is not linear in v, or one whose result is not finite.

    >>> def average(q, k, v):
    ...     return v.mean(dim=2, keepdim=True).expand(-1, -1, q.shape[2], -1)
    >>> fe.gallery.add(average)
    'average'
    >>> fe.attention.SelfAttention(8, heads=2, attention="average")(torch.randn(1, 3, 5, 8)).shape
    torch.Size([1, 3, 5, 8])
    >>> fe.gallery.remove("average")
    """
    name = name or name_of(function)
    if name in CARDS:
        raise ValueError(f"name must be another than {name!r}, which is a published mechanism's")
    check_linear(function, name)
    register(name, lambda **_: Function(function))
    _OWN[name] = function
    return name


def remove(name: str) -> None:
    """Forget a function that was added.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in _OWN:
        known = ", ".join(map(repr, _OWN)) or "nothing"
        raise ValueError(f"name must be that of an added function ({known}), but is {name!r}")
    del _OWN[name], _ARMS[name]


def shown() -> list[str]:
    """Names of all mechanisms that have a map between tokens: the published ones, then yours.

    >>> len(fe.gallery.shown()), "xca" in fe.gallery.shown()
    (17, False)
    """
    return [*(name for name in CARDS if name != "xca"), *_OWN]


def check_linear(function: Callable[..., Tensor], name: str) -> None:
    """Raise a ValueError in one line unless f(q, k, 2 v + w) is 2 f(q, k, v) + f(q, k, w)."""
    source = torch.Generator().manual_seed(0)
    q, k, v, w = (
        torch.randn(1, 2, n, d, generator=source, dtype=torch.float64)
        for n, d in ((9, 4), (9, 4), (9, 5), (9, 5))
    )
    mechanism = Function(function)
    parts = [mechanism(q, k, values, (3, 3)) for values in (v, w, 2 * v + w)]
    if not all(part.isfinite().all() for part in parts):
        raise ValueError(f"{name} must give finite numbers, but on random tokens some are not")
    far = (2 * parts[0] + parts[1] - parts[2]).abs().max() / parts[2].abs().max().clamp_min(1e-30)
    if far > 1e-6:
        raise ValueError(
            f"{name} must be linear in v, f(q, k, 2 v + w) = 2 f(q, k, v) + f(q, k, w), "
            f"but is off by {float(far):.1g}: without that it has no map"
        )
