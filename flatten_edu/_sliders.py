"""The sliders of `explore`: the values of a picture's arguments, checked before it is drawn."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_EMPTY = inspect.Parameter.empty


@dataclass(frozen=True)
class Slider:
    """The values that one argument of the picture walks through, and where it starts."""

    name: str
    values: tuple[Any, ...]
    start: int

    @property
    def labels(self) -> list[str]:
        """The values in words: 5.5 rather than 5.500000000000001."""
        short = [f"{v:.6g}" if isinstance(v, float) else str(v) for v in self.values]
        return short if len(set(short)) == len(short) else [repr(v) for v in self.values]


def sliders_for(picture: Callable[..., Any], values: Mapping[str, Iterable[Any]]) -> list[Slider]:
    """One slider for each of the named values; an error says what the picture would take."""
    _check_named(picture)
    defaults, takes_any = _defaults(picture)
    for name in values:
        if name not in defaults and not takes_any:
            near = difflib.get_close_matches(name, defaults, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {list(defaults)}"
            raise TypeError(f"explore: {picture.__name__} has no parameter {name!r}; {hint}")
    for name, default in defaults.items():
        if default is _EMPTY and name not in values:
            raise TypeError(
                f"explore: {picture.__name__} needs {name!r}, which has no default; "
                f"give it values, {name}=[...]"
            )
    return [_slider(name, given, defaults.get(name, _EMPTY)) for name, given in values.items()]


def _defaults(picture: Callable[..., Any]) -> tuple[dict[str, Any], bool]:
    """The defaults of the parameters that a name can reach, and whether any other name will do."""
    try:
        parameters = inspect.signature(picture).parameters.values()
    except ValueError:
        told = f"explore: picture must be a function of Python, not {picture!r}"
        raise TypeError(told) from None
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return {p.name: p.default for p in named}, any(p.kind is p.VAR_KEYWORD for p in parameters)


def _check_named(picture: object) -> None:
    if not callable(picture):
        raise TypeError(
            f"explore: picture must be a function, got {type(picture).__name__}; "
            f"write explore(picture, p=[1, 2, 3]) without calling the picture"
        )
    name = getattr(picture, "__name__", None)
    if name is None or name == "<lambda>":
        raise TypeError(
            f"explore: picture must have a name, got {'a lambda' if name else repr(picture)}; "
            f"write it with def, so that tests can draw it too"
        )


def _slider(name: str, given: Any, default: Any) -> Slider:
    values = _checked(name, given)
    if default is _EMPTY:
        return Slider(name, values, 0)
    if default not in values:
        raise ValueError(
            f"explore: {name} starts at the picture's default {default!r}, which is not among "
            f"{list(values)}; add it to the values"
        )
    return Slider(name, values, values.index(default))


def _checked(name: str, given: Any) -> tuple[Any, ...]:
    """The values as a tuple: at least one, each of them once, and finite."""
    if hasattr(given, "tolist"):  # an array or a tensor
        given = given.tolist()
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise TypeError(
            f"explore: {name} must be a list of values, got {given!r}; write {name}=[...]"
        )
    values = tuple(given)
    if not values:
        raise ValueError(f"explore: {name} must have at least one value, got an empty list")
    for i, value in enumerate(values):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"explore: {name} must hold finite values, got {value}")
        if value in values[:i]:
            raise ValueError(f"explore: {name} must hold each value once, got {value!r} twice")
    return values
