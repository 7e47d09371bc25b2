"""`check`: every exercise as an attribute, by the name of the function that it asks for."""

from __future__ import annotations

import difflib
import functools
import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .exercise import Exercise
    from .result import Result

CHAPTERS = range(1, 10)


@functools.cache
def exercises() -> dict[str, Exercise]:
    """All exercises by name, chapter by chapter."""
    modules = [importlib.import_module(f".chapter{n}", __package__) for n in CHAPTERS]
    return {exercise.name: exercise for module in modules for exercise in module.EXERCISES}


class Checks:
    """What `check.focus(my_focus)` is looked up in. `check` alone shows the list."""

    def __getattr__(self, name: str) -> Exercise:
        if name.startswith("_"):
            raise AttributeError(name)
        known = exercises()
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise AttributeError(f"there is no check {name!r}; did you mean check.{near}?")
        return known[name]

    def examples(self, function: Callable, examples: Sequence[tuple[tuple, Any]]) -> Result:
        """Check a function against ((arguments), result) pairs: for a teacher's own exercise."""
        from .own import by_examples

        return by_examples(getattr(function, "__name__", "function"), examples)(function)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *exercises()]

    def __repr__(self) -> str:
        lines = [
            f"  {e.chapter} {e.level:<8} {e.minutes:>3} min  check.{e.signature}"
            for e in exercises().values()
        ]
        return "\n".join(["Checks (chapter, level, minutes):", *lines])
