"""Exercises of a teacher's own: what is right is said by examples, or by a solved source file."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Generator

from .exercise import Case, Exercise
from .source import EXAMPLES, Part, example_calls, function_of, read_source

Examples = Sequence[tuple[tuple, Any]]
HINTS = (
    "Read the first example aloud: what goes in, and what comes out?",
    "Do the smallest example by hand, step by step, and write the steps down.",
    "Print what your function has after each step, and compare with the example.",
)


def by_examples(name: str, examples: Examples) -> Exercise:
    """An exercise whose check compares with given results, and knows no mistakes by name.

    Args:
        name: of the function.
        examples: ((arguments), result) of each call.
    """
    results = {repr(args): result for args, result in examples}

    def cases(generator: Generator) -> list[Case]:
        return [Case(tuple(args)) for args, _ in examples]

    parameters = ", ".join(f"argument_{n + 1}" for n in range(len(examples[0][0])))
    return Exercise(
        name=name,
        signature=f"{name}({parameters})",
        chapter=0,
        level="core",
        minutes=0,
        cases=cases,
        right=lambda *args: results[repr(args)],
        mistakes={},
        hints=HINTS,
        tolerance=1e-3,
    )


def own_exercises(path: Path) -> dict[str, Exercise]:
    """The exercises of a solved source file, or of a folder of them, that have examples.

    The examples that students see and the hidden ones count alike.

    The file is the teacher's own: its code is executed to learn the right results.
    """
    found: dict[str, Exercise] = {}
    for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
        parts = read_source(file)
        names = dict.fromkeys(part.name for part in parts if part.kind in EXAMPLES)
        space = solved(parts) if names else {}
        for name in names:
            mine = [part for part in parts if part.name == name and part.kind in EXAMPLES]
            found[name] = by_examples(
                name, [pair for part in mine for pair in computed(part, space)]
            )
    return found


def solved(parts: list[Part]) -> dict[str, Any]:
    """The names that the code and the solutions of a source define."""
    space: dict[str, Any] = {"__name__": "solutions"}
    for part in parts:
        if part.kind == "solution":
            function_of(part)  # says in one line if the name is missing
        if part.kind in ("code", "solution"):
            exec(compile(part.text, f"<{part.kind} {part.name}>", "exec"), space)
    return space


def computed(part: Part, space: dict[str, Callable]) -> Examples:
    """((arguments), result) of the examples of a part."""
    return [
        (eval(arguments, dict(space)), eval(call, dict(space)))
        for call, arguments in example_calls(part)
    ]
