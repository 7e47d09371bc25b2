"""Marks for a folder of submitted notebooks: one row for each notebook and exercise."""

import csv
import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch

from ..files import write_text
from .checks import exercises
from .exercise import Exercise
from .handed_in import HandedIn, read
from .jail import Limits, Played, play
from .judge import judge
from .own import own_exercises

NONE = "(none)"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        submission: path below the folder.
        exercise: its name, or "(none)" for a file without one.
        passed: whether every hidden example came out right.
        mistake: the typical mistake it looks like, or nothing.
        points: 1, 2 or 3 by level if passed, else 0.
        of: points that could be had.
        note: what else is to be said, in one line.
    """

    submission: str
    exercise: str
    passed: bool
    mistake: str
    points: int
    of: int
    note: str


def grade(
    folder: str | Path,
    seed: int = 1,
    limits: Limits | None = None,
    jobs: int = 2,
    own: str | Path | None = None,
    told: Callable[[str], None] | None = None,
) -> list[Row]:
    """Run every notebook below a folder, each in its own process, and mark it.

    A notebook that is broken, hostile or endless costs its own rows only: it has a time limit, a
    memory limit, a folder of its own, and neither solutions nor other submissions can be read.

    Args:
        folder: where the notebooks are, in any depth.
        seed: draws the hidden examples; students' checks use another one.
        limits: seconds and bytes for each notebook.
        jobs: how many notebooks run at once.
        own: a solved source file, or a folder of them, with exercises of your own.
        told: called with a line for each notebook that is finished.

    Raises:
        ValueError: if there is no such folder, or no notebook in it.
    """
    folder = Path(folder)
    paths = notebooks_below(folder)
    known = exercises() | (own_exercises(Path(own)) if own else {})
    hidden = hidden_places(paths)

    def mark(path: Path) -> list[Row]:
        name = path.relative_to(folder).as_posix()
        try:
            rows = marked(read(path, known), name, known, seed, limits or Limits(), hidden)
        except Exception as error:  # nobody else's marks may depend on it
            rows = [Row(name, NONE, False, "", 0, 0, f"could not be marked: {error!r}"[:200])]
        rows = [in_one_line(row) for row in rows]
        if told is not None:
            told(f"{name}: {sum(row.points for row in rows)} of {sum(row.of for row in rows)}")
        return rows

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return [row for rows in pool.map(mark, paths) for row in rows]


def notebooks_below(folder: Path) -> list[Path]:
    """Every notebook below the folder, but no checkpoints and hidden files."""
    if not folder.is_dir():
        raise ValueError(f"FOLDER must be a folder of notebooks, but {folder} is none")
    paths = [
        path
        for path in sorted(folder.rglob("*.ipynb"))
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    ]
    if not paths:
        raise ValueError(f"there is no notebook (*.ipynb) in {folder}")
    return paths


def hidden_places(paths: Iterable[Path]) -> list[str]:
    """What a notebook may not read: solutions, the checks' own right forms, other submissions."""
    here = Path(__file__).parent
    root = here.parents[1]
    places = [here, root / "notebooks" / "solutions", root / "notebooks" / "key", root / "tests"]
    return [str(place.resolve()) for place in (*places, *paths)]


def marked(
    submission: HandedIn,
    name: str,
    known: dict[str, Exercise],
    seed: int,
    limits: Limits,
    hidden: list[str],
) -> list[Row]:
    """The rows of one notebook."""
    if submission.problem:
        return [Row(name, NONE, False, "", 0, 0, submission.problem)]
    played = play(submission, known, seed, limits, hidden)
    with torch.device("cpu"):
        return [row_of(name, known[asked], seed, played) for asked in submission.names]


def row_of(name: str, exercise: Exercise, seed: int, played: Played) -> Row:
    """One exercise's row."""
    asked = exercise.name
    around = "; ".join(played.problems[:2])
    outcome = played.outcomes.get(asked)
    if outcome is None or (outcome.absent and not outcome.records):
        why = "no function of this name" if outcome else "not reached"
        return Row(
            name, asked, False, "", 0, exercise.points, "; ".join(filter(None, (why, around)))
        )
    result = judge(exercise, exercise.drawn(seed), outcome)
    note = "" if result.passed else result.message.partition("\n")[0]
    points = exercise.points if result.passed else 0
    return Row(name, asked, result.passed, result.mistake or "", points, exercise.points, note)


def in_one_line(row: Row) -> Row:
    """The same row with line breaks and what no file of text can hold as numbers.

    >>> in_one_line(Row("a\\nb.ipynb", "focus", False, "", 0, 1, "")).submission
    'a\\\\nb.ipynb'
    """
    texts = {name: value for name, value in asdict(row).items() if isinstance(value, str)}
    return replace(row, **{name: "".join(letters(value)) for name, value in texts.items()})


def letters(text: str) -> Iterable[str]:
    """Each letter, or its number if it is none that can be shown."""
    return (letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def as_csv(rows: list[Row]) -> str:
    """The rows for a spreadsheet; text that one would take for a formula is quoted."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: harmless(value) for name, value in asdict(row).items()})
    return text.getvalue()


def harmless(value: object) -> object:
    """A value that no spreadsheet executes.

    >>> harmless("=1+1"), harmless("focus"), harmless(True)
    ("'=1+1", 'focus', 'yes')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    dangerous = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if dangerous else value


def as_table(rows: list[Row]) -> str:
    """The rows for reading, with a sum for each notebook."""
    head = ("submission", "exercise", "passed", "points", "mistake or note")
    body = [
        (
            row.submission,
            row.exercise,
            "yes" if row.passed else "no",
            f"{row.points}/{row.of}",
            row.note if row.mistake.startswith("it stops with") else row.mistake or row.note,
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (head, *body)) for column in range(4)]
    lines = [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[4]]
        )
        for line in (head, tuple("-" * width for width in (*widths, 15)), *body)
    ]
    totals = [
        f"{name}: {sum(r.points for r in rows if r.submission == name)} of "
        f"{sum(r.of for r in rows if r.submission == name)} points"
        for name in dict.fromkeys(row.submission for row in rows)
    ]
    return "\n".join([*(line.rstrip() for line in lines), "", *totals, ""])


def save(rows: list[Row], path: str | Path) -> tuple[Path, Path]:
    """Write the CSV, and the readable table beside it."""
    path = Path(path)
    readable = path.with_suffix(".txt")
    write_text(path, as_csv(rows))
    write_text(readable, as_table(rows))
    return path, readable
