"""Results of a comparison on disk: a line for each run that is finished, from which it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..attention.checks import shown
from ..files import append_line, check_folder, checked, parts_left, read_json, write_text

Row = dict[str, Any]


class Results:
    """Rows of finished runs, in memory and in a folder.

        comparison.json   tasks with their options and recipes; of each start its command, its date,
                          the versions and the device
        results.jsonl     a line a run: task, arm, seed, test_accuracy, ...

    Args:
        folder: where they are kept; None keeps them in memory alone.
        about: what stands in comparison.json; "tasks" holds each task's options and recipe.
        kinds: of the entries that each row must have besides task, arm, seed and test_accuracy.

    Raises:
        FileExistsError: if the folder holds something else.
        ValueError: if it holds a comparison on other tasks, with other settings, or a damaged file.
    """

    def __init__(self, folder: str | Path | None, about: dict[str, Any], **kinds: Any):
        self.folder = None if folder is None else Path(folder)
        self.about = json.loads(json.dumps(about))
        self.rows: list[Row] = []
        self.kinds = kinds
        if self.folder is not None:
            check_folder(self.folder)
            if self.folder.exists():
                self.rows = self.read(self.folder)

    def read(self, folder: Path) -> list[Row]:
        """The rows that are there, after a look at what they belong to."""
        if not (folder / "comparison.json").exists():
            if set(folder.iterdir()) - set(parts_left(folder)):
                raise FileExistsError(
                    f"output {folder} already holds other files: choose another folder"
                )
            return []
        there = about_of(folder)
        check_same(there["tasks"], self.about["tasks"], folder)
        self.about["starts"] = there["starts"]
        return rows_of(folder / "results.jsonl", **self.kinds)

    def begin(self, start: dict[str, Any] | None = None) -> None:
        """Write down what this is; a line that was cut off when a run was killed goes.

        Args:
            start: command, date, versions and device of this start, put behind those before.
        """
        if start is not None:
            self.about.setdefault("starts", []).append(start)
        if self.folder is not None:
            with self.writing():
                self.folder.mkdir(parents=True, exist_ok=True)
                for part in parts_left(self.folder):
                    part.unlink(missing_ok=True)
                write_text(self.folder / "comparison.json", json.dumps(self.about, indent=2) + "\n")
                lines = "".join(json.dumps(row) + "\n" for row in self.rows)
                write_text(self.folder / "results.jsonl", lines)

    def add(self, row: Row) -> None:
        """One more finished run."""
        self.rows.append(row)
        if self.folder is not None:
            with self.writing():
                append_line(self.folder / "results.jsonl", json.dumps(row))

    def has(self, task: str, arm: str, seed: int) -> bool:
        """Whether this run is finished."""
        return any((row["task"], row["arm"], row["seed"]) == (task, arm, seed) for row in self.rows)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say in one line what could not be written, and how to go on."""
        try:
            yield
        except OSError as error:
            raise OSError(
                f"cannot write to {self.folder}: {error.strerror or error}; the runs that are "
                "finished are whole, and the same command goes on from there"
            ) from error


def about_of(folder: Path) -> dict[str, Any]:
    """What comparison.json says."""
    path = folder / "comparison.json"
    said = {"starts": []} | checked(read_json(path), path, tasks=dict)
    return checked(said, path, starts=list)


def rows_of(path: Path, **kinds: Any) -> list[Row]:
    """The rows of a results.jsonl, without a last line that was cut off."""
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number < len(lines):
                raise ValueError(f"{path}, line {number} is damaged ({error})") from error
        else:
            rows.append(checked_row(row, Path(f"{path}, line {number}"), kinds))
    return rows


def checked_row(row: Any, where: Path, kinds: dict[str, Any]) -> Row:
    """A row, if it says which run it is of, and all else in it are numbers or nothing."""
    words = {"task": str, "arm": str}
    needed = checked(row, where, seed=int, test_accuracy=(int, float), **words, **kinds)
    rest = {name: (int, float, type(None)) for name in needed if name not in words}
    return checked(row, where, **rest)


def check_same(there: dict[str, Any], asked: dict[str, Any], folder: Path) -> None:
    """Raise in one line if a folder's comparison is not the one that is asked for.

    More tasks may be asked for than are there; none that is there may be left out.
    """
    if set(there) - set(asked):
        raise ValueError(
            f"output {folder} holds a comparison on {', '.join(there)}, but {', '.join(asked)} was "
            "asked for; choose another folder, or name those tasks too"
        )
    for name, kept in there.items():
        if kept != asked[name]:
            raise ValueError(
                f"output {folder} holds runs of {name} with {difference(kept, asked[name])}; "
                "choose another folder, or the same settings to go on"
            )


def difference(kept: dict, asked: dict) -> str:
    """What differs between two settings, in words: the first entry that does.

    >>> difference({"recipe": {"epochs": 3}}, {"recipe": {"epochs": 5}})
    'epochs=3, but epochs=5 was asked for'
    """
    if not isinstance(kept, dict):
        return shown(kept)
    for name in kept | asked:
        left, right = kept.get(name), asked.get(name)
        if left != right:
            if isinstance(left, dict) and isinstance(right, dict):
                return difference(left, right)
            return f"{name}={left!r}, but {name}={right!r} was asked for"
    return "other settings"
