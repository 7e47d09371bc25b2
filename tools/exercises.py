"""Make the students' copies and the teacher's key from the solved exercises.

    python tools/exercises.py            write notebooks/exercises/ and notebooks/key/
    python tools/exercises.py --check    name the files that are out of step and exit with 1

The source is notebooks/solutions/*.py, one solved file a chapter (its parts: see
flatten_edu/coursework/source.py). A copy holds no line of a solution: of each function it gets the
signature and the docstring. The same sources give the same files, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from flatten_edu.coursework.checks import exercises
from flatten_edu.coursework.exercise import POINTS
from flatten_edu.coursework.own import computed, solved
from flatten_edu.coursework.source import Part, example_calls, function_of, read_source, stub

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "notebooks" / "solutions"
COPIES = ROOT / "notebooks" / "exercises"
KEYS = ROOT / "notebooks" / "key"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}

HOW = """**How it works.** Write the body of each function in the place of its last line. Run the
cell, and the check below it. The check tries hidden examples of many shapes. It says what is wrong,
and shows it on the smallest one. Stuck? Ask for hints, three steps:
`fe.coursework.check.{name}.hint(1)`, `(2)`, `(3)`. The minutes are a guess, not a limit."""


class Notebook:
    """A notebook that is being put together, with cells that are named after their place."""

    def __init__(self, **about: Any):
        self.cells: list[dict] = []
        self.about = about

    def add(self, kind: str, text: str) -> None:
        """One more cell; an empty one is left out."""
        if text.strip():
            cell = {"cell_type": kind, "id": f"cell-{len(self.cells) + 1}", "metadata": {}}
            cell |= {"source": text.strip("\n").splitlines(keepends=True)}
            if kind == "code":
                cell |= {"execution_count": None, "outputs": []}
            self.cells.append(cell)

    def text(self) -> str:
        """The file."""
        metadata = {"flatten_edu": self.about, "kernelspec": KERNEL}
        metadata |= {"language_info": {"name": "python"}}
        notebook = {"cells": self.cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
        return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def names_of(parts: list[Part]) -> list[str]:
    """The exercises of a source, in their order."""
    return [part.name for part in parts if part.kind == "exercise"]


def made_from(path: Path) -> dict[Path, str]:
    """The files that a source stands for, with their text."""
    parts = read_source(path)
    check_parts(path, parts)
    name = path.with_suffix(".ipynb").name
    return {
        COPIES / name: notebook_of(path, parts, solutions=False).text(),
        KEYS / name: notebook_of(path, parts, solutions=True).text(),
    }


def check_parts(path: Path, parts: list[Part]) -> None:
    """Raise in one line where an exercise lacks its solution or its check."""
    for name in names_of(parts):
        kinds = [part.kind for part in parts if part.name == name]
        if kinds.count("solution") != 1:
            raise ValueError(f"{path.name}: exercise {name} needs one '# %% solution'")
        if name not in exercises() and "examples" not in kinds:
            raise ValueError(f"{path.name}: there is no check.{name}; give it '# %% examples'")
        known = exercises()[name].parameters if name in exercises() else None
        function = function_of(next(p for p in parts if p.name == name and p.kind == "solution"))
        if known is not None and known != [argument.arg for argument in function.args.args]:
            raise ValueError(f"{path.name}: {name} should take ({', '.join(known)})")


def notebook_of(path: Path, parts: list[Part], solutions: bool) -> Notebook:
    """The key, or without solutions the students' copy."""
    notebook = Notebook(exercises=names_of(parts))
    title, chapter = True, int(path.name[:2])
    for part in parts:
        if part.kind == "markdown":
            notebook.add("markdown", part.text + (overview(parts, solutions) if title else ""))
            title = False
        elif part.kind == "code":
            notebook.add("code", part.text)
        elif part.kind == "exercise":
            place = names_of(parts).index(part.name) + 1
            notebook.add("markdown", f"{heading(part.name, chapter, place)}\n\n{part.text}")
        elif part.kind == "solution":
            notebook.add("code", part.text if solutions else stub(part))
            if part.name in exercises():
                notebook.add("code", f"fe.coursework.check.{part.name}({part.name})")
        elif part.kind == "examples":
            notebook.add("code", examples_check(part, parts))
        elif part.kind == "after":
            notebook.add("code", after(part, parts))
        elif part.kind == "teacher" and solutions:
            notebook.add("markdown", teachers_page(part))
    return notebook


def overview(parts: list[Part], solutions: bool) -> str:
    """What stands below the title: the time, and how it works."""
    names = names_of(parts)
    known = [exercises()[name] for name in names if name in exercises()]
    minutes, points = sum(e.minutes for e in known), sum(e.points for e in known)
    time = f"\n\n**Time:** about {minutes} minutes. **Points:** {points}."
    if solutions:
        return f"{time}\n\n**This is the teacher's key.** It is made from `notebooks/solutions/`."
    return f"{time}\n\n{HOW.format(name=names[0])}"


def heading(name: str, chapter: int, place: int) -> str:
    """The heading of an exercise."""
    if name not in exercises():
        return f"## {chapter}.{place} · {name}"
    exercise = exercises()[name]
    points = f"{POINTS[exercise.level]} point{'s' * (exercise.points > 1)}"
    level = exercise.level.capitalize()
    return f"## {chapter}.{place} · {name}\n\n*{level}, {exercise.minutes} minutes, {points}.*"


def examples_check(part: Part, parts: list[Part]) -> str:
    """The check of an exercise that is given by examples: calls and results, as code."""
    pairs = zip(example_calls(part), computed(part, solved(parts)), strict=True)
    lines = [f"        ({arguments}, {literal(result)})," for (_, arguments), (_, result) in pairs]
    body = "\n".join(lines)
    return f"fe.coursework.check.examples(\n    {part.name},\n    [\n{body}\n    ],\n)"


def literal(value: Any) -> str:
    """A result as code: numbers, words, and lists of them; a tensor becomes a list."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(literal, value))}]"
    return repr(round(value, 6)) if isinstance(value, float) else repr(value)


def after(part: Part, parts: list[Part]) -> str:
    """Code that waits until its function passes, so that a copy runs from top to bottom."""
    if part.name not in exercises():
        return part.text
    body = "\n".join(f"    {line}" if line else "" for line in part.text.splitlines())
    return f"if fe.coursework.check.{part.name}({part.name}):\n{body}"


def teachers_page(part: Part) -> str:
    """The teacher's remarks, with the hints and the mistakes that the check knows."""
    lines = [f"**For the teacher.** {part.text}"]
    if part.name in exercises():
        exercise = exercises()[part.name]
        lines += ["", "**Hints that students can ask for:**", ""]
        lines += [f"{step}. {hint}" for step, hint in enumerate(exercise.hints, 1)]
        if exercise.table:
            mistakes = "; ".join(exercise.mistakes)
            lines += ["", f"**Mistakes that the check knows by name:** {mistakes}."]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Write the files, or with --check compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say what is out of step")
    arguments = parser.parse_args(argv)
    wanted = {p: t for path in sorted(SOURCES.glob("*.py")) for p, t in made_from(path).items()}
    there = {path for folder in (COPIES, KEYS) for path in folder.glob("*.ipynb")}
    stale = [p for p, t in wanted.items() if p not in there or p.read_text("utf-8") != t]
    extra = sorted(there - set(wanted))
    for path in [*stale, *extra]:
        sys.stdout.write(f"{'out of step' if arguments.check else 'written'}: {path.name}\n")
    if arguments.check:
        return 1 if stale or extra else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8", newline="\n")
    for path in extra:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
