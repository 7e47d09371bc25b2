"""What the arguments of a picture must be, said above the function: a wrong one gets its line.

@asks(n=whole(1, 196), p=power, mechanism=one_of("softmax", "linear", "focused"))
def picture(n=196, p=3, mechanism="focused"): ...
"""

import inspect
import os
import sys
from collections.abc import Callable
from functools import wraps
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeVar

from ..attention import NAMES
from ..attention.checks import check_floats, check_power, shown

P = ParamSpec("P")
T = TypeVar("T")
# The largest factor that numbers may get.
MOST = 1e18
Rule = Callable[[str, Any], None]


def asks(**rules: Rule) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Look at arguments by name before the function sees them.

    >>> @asks(n=whole(1, 9))
    ... def picture(n=3):
    ...     return n
    >>> picture(0)
    Traceback (most recent call last):
        ...
    ValueError: n must be from 1 to 9, a whole number, but is 0
    """

    def around(function: Callable[P, T]) -> Callable[P, T]:
        signature = inspect.signature(function)

        @wraps(function)
        def asked(*args: P.args, **kwargs: P.kwargs) -> T:
            given = signature.bind(*args, **kwargs).arguments
            for name, rule in rules.items():
                if name in given:
                    rule(name, given[name])
            return function(*args, **kwargs)

        return asked

    return around


def power(name: str, value: Any) -> None:
    """A focusing power: a finite number of at least 1."""
    if not is_number(value) or not 1 <= value <= sys.float_info.max:
        check_power(value)


def whole(least: int, most: int | None = None, step: int = 1) -> Rule:
    """A whole number between these, or a multiple of the step."""
    range = f"from {least} to {most}" if most is not None else f"at least {least}"
    kind = "a whole number" if step == 1 else f"a multiple of {step}"

    def rule(name: str, value: Any) -> None:
        if not is_whole(value) or not least <= value <= (most or 2**31) or value % step:
            raise ValueError(f"{name} must be {range}, {kind}, but is {shown(value)}")

    return rule


def above(least: float) -> Rule:
    """A number above this one, and not beyond all bounds."""

    def rule(name: str, value: Any) -> None:
        if not is_number(value) or not least < value <= MOST:
            raise ValueError(
                f"{name} must be above {least:g}, a number up to {MOST:g}, but is {shown(value)}"
            )

    return rule


def within(least: float, most: float) -> Rule:
    """A number between these, or one of them."""

    def rule(name: str, value: Any) -> None:
        if not is_number(value) or not least <= value <= most:
            raise ValueError(
                f"{name} must be a number from {least:g} to {most:g}, but is {shown(value)}"
            )

    return rule


def is_whole(value: Any) -> bool:
    """Whether it is a whole number, of Python or of numpy."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether it is a real number; no comparison holds for NaN."""
    return isinstance(value, Real) and not isinstance(value, bool)


def one_of(*known: object) -> Rule:
    """One of these words or numbers."""

    def rule(name: str, value: Any) -> None:
        if isinstance(value, bool) or not any(type(value) is type(k) and value == k for k in known):
            words = ", ".join(map(str, known))
            raise ValueError(f"{name} must be one of {words}, but is {shown(value)}")

    return rule


def place(rows: int, columns: int) -> Rule:
    """(row, column) on a grid of patches."""

    def rule(name: str, value: Any) -> None:
        right = isinstance(value, (tuple, list)) and len(value) == 2
        whole = right and all(type(side) is int for side in value)
        if not whole or not (0 <= value[0] < rows and 0 <= value[1] < columns):
            raise ValueError(
                f"{name} must be (row, column), from (0, 0) to ({rows - 1}, {columns - 1}), "
                f"but is {shown(value)}"
            )

    return rule


def mechanism(name: str, value: Any) -> None:
    """The name of a mechanism, or a function (q, k, v) -> b h n d."""
    if not callable(value) and value not in NAMES:
        raise ValueError(
            f"{name} must be a function or one of {', '.join(NAMES)}, but is {shown(value)}"
        )


def sides(least: int, most: int) -> Rule:
    """(height, width) in pixels."""

    def rule(name: str, value: Any) -> None:
        right = isinstance(value, (tuple, list)) and len(value) == 2
        if not right or not all(type(side) is int and least <= side <= most for side in value):
            raise ValueError(
                f"{name} must be (height, width), both from {least} to {most}, "
                f"but is {shown(value)}"
            )

    return rule


def floats(axes: int) -> Rule:
    """A tensor of floating-point numbers with so many axes at least, none of them empty."""

    def rule(name: str, value: Any) -> None:
        check_floats(name, value)
        if value.ndim < axes or not value.numel():
            raise ValueError(f"{name} must have {axes} axes and a number, but is {shown(value)}")

    return rule


def folder(name: str, value: Any) -> None:
    """The path of a folder, or None for the usual one."""
    if value is not None and not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be the path of a folder, not {shown(value)}")


def made_by(kind: type, maker: str) -> Rule:
    """What a function of the package returned."""

    def rule(name: str, value: Any) -> None:
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be what {maker} returns, not {shown(value)}")

    return rule
