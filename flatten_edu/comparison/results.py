"""Results of a comparison on disk: a line for each run that is finished, from which it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..files import append_line, write_text

Row = dict[str, Any]


class Results:
    """Rows of finished runs, in memory and in a folder.

        comparison.json   tasks with their options and recipes; the versions; the device
        results.jsonl     a line a run: task, arm, seed, test_accuracy, ...

    Args:
        folder: where they are kept; None keeps them in memory alone.
        about: what stands in comparison.json.

    Raises:
        FileExistsError: if the folder holds something else.
        ValueError: if it holds a comparison of the same task with other settings.
    """

    def __init__(self, folder: str | Path | None, about: dict[str, Any]):
        self.folder = None if folder is None else Path(folder)
        self.about = json.loads(json.dumps(about))
        self.rows: list[Row] = []
        if self.folder is not None and self.folder.exists():
            self.rows = self.read(self.folder)

    def read(self, folder: Path) -> list[Row]:
        """The rows that are there, after a look at what they belong to."""
        if not folder.is_dir():
            raise FileExistsError(f"output must be a folder, but {folder} is a file")
        if not (folder / "comparison.json").exists():
            if any(folder.iterdir()):
                raise FileExistsError(
                    f"output {folder} already holds other files: choose another folder"
                )
            return []
        there = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
        for name, settings in self.about["tasks"].items():
            kept = there["tasks"].get(name, settings)
            if kept != settings:
                raise ValueError(
                    f"output {folder} holds runs of {name} with {difference(kept, settings)}; "
                    "choose another folder, or the same settings to go on"
                )
        self.about["tasks"] = there["tasks"] | self.about["tasks"]
        return rows_of(folder / "results.jsonl")

    def begin(self) -> None:
        """Write down what this is; a line that was cut off when a run was killed goes."""
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.folder / "comparison.json", json.dumps(self.about, indent=2) + "\n")
            lines = "".join(json.dumps(row) + "\n" for row in self.rows)
            write_text(self.folder / "results.jsonl", lines)

    def add(self, row: Row) -> None:
        """One more finished run."""
        self.rows.append(row)
        if self.folder is not None:
            append_line(self.folder / "results.jsonl", json.dumps(row))

    def has(self, task: str, arm: str, seed: int) -> bool:
        """Whether this run is finished."""
        return any((row["task"], row["arm"], row["seed"]) == (task, arm, seed) for row in self.rows)


def rows_of(path: Path) -> list[Row]:
    """The rows of a results.jsonl, without a last line that was cut off."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise ValueError(f"{path}, line {number} is damaged ({error})") from error
    return rows


def difference(kept: dict, asked: dict) -> str:
    """What differs between two settings, in words: the first entry that does.

    >>> difference({"recipe": {"epochs": 3}}, {"recipe": {"epochs": 5}})
    'epochs=3, but epochs=5 was asked for'
    """
    for name in kept | asked:
        left, right = kept.get(name), asked.get(name)
        if left != right:
            if isinstance(left, dict) and isinstance(right, dict):
                return difference(left, right)
            return f"{name}={left!r}, but {name}={right!r} was asked for"
    return "other settings"
