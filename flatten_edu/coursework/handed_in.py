"""A notebook that was handed in: its cells, and which exercises it should hold."""

import ast
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGEST = 20 * 2**20


@dataclass
class HandedIn:
    """What is known of a submission before anything of it runs.

    Args:
        path: the file.
        cells: source of each code cell.
        names: exercise -> names under which its function may be found.
        problem: why there are no cells, in words.
    """

    path: Path
    cells: list[str] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    problem: str = ""


def read(path: Path, known: Collection[str]) -> HandedIn:
    """Read a notebook that may be anything.

    Args:
        path: of the file.
        known: names of all exercises, in their order.
    """
    found = HandedIn(path)
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"larger than {LARGEST // 2**20} MB")
        notebook = json.loads(path.read_text(encoding="utf-8-sig"))
        found.cells = [source(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        words = " ".join(f"no readable notebook ({type(error).__name__}: {error})".split())
        found.problem = words[:200]
        return found
    found.names = {name: [name] for name in expected(notebook, found.cells, known)}
    for cell in found.cells:
        for name, other in given_to_checks(cell):
            if name in known:
                names = found.names.setdefault(name, [name])
                names.extend({other} - {*names, ""})
    if not found.names:
        found.problem = "it holds no exercise: no function has an exercise's name"
    return found


def source(cell: dict) -> str:
    """The text of a cell, which may be one string or a list of lines."""
    text = cell["source"]
    return text if isinstance(text, str) else "".join(map(str, text))


def expected(notebook: dict, cells: list[str], known: Collection[str]) -> list[str]:
    """The exercises of the chapter that the copy belongs to, and those that cells define."""
    listed: Any = notebook
    for key in ("metadata", "flatten_edu", "exercises"):
        listed = listed.get(key) if isinstance(listed, dict) else None
    listed = listed if isinstance(listed, list) else []
    names = [name for name in listed if isinstance(name, str) and name in known]
    for cell in cells:
        lines = cell.splitlines()
        for name in known:
            starts = (f"def {name}(", f"{name} =", f"{name}=")
            if name not in names and any(line.startswith(starts) for line in lines):
                names.append(name)
    return sorted(names, key=list(known).index)


def given_to_checks(cell: str) -> list[tuple[str, str]]:
    """(exercise, name) of each `check.exercise(name)` in a cell; what has no name gives "".

    >>> given_to_checks("fe.coursework.check.focus(my_focus)")
    [('focus', 'my_focus')]
    """
    try:
        tree = ast.parse(cell)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [
        (call.func.attr, call.args[0].id if isinstance(call.args[0], ast.Name) else "")
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and len(call.args) == 1
        and "check" in ast.unparse(call.func.value)
    ]
