"""Notebooks that are handed in damaged or strange cost their own rows, in one line each.

What was found by these tests is listed in docs/found.md.
"""

import contextlib
import csv
import json
import os
import random
from pathlib import Path

import pytest
from strange import damaged_json

from flatten_edu.__main__ import main
from flatten_edu.coursework.checks import exercises
from flatten_edu.coursework.handed_in import read

FILES = 2_000
KNOWN = exercises()
WHOLE = {
    "cells": [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Text\n"]},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {},
            "execution_count": 1,
            "outputs": [{"output_type": "stream", "name": "stdout", "text": ["1\n"]}],
            "source": ["def focus(x, p):\n", "    return x"],
        },
        {
            "cell_type": "code",
            "id": "c",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": "import flatten_edu as fe\nfe.coursework.check.focus(focus)",
        },
    ],
    "metadata": {
        "kernelspec": {"name": "python3"},
        "flatten_edu": {"exercises": ["focus", "row_entropy"]},
    },
    "nbformat": 4,
    "nbformat_minor": 5,
}


def look_at(path: Path) -> None:
    found = read(path, KNOWN)
    assert "\n" not in found.problem and len(found.problem) <= 200
    assert bool(found.problem) != bool(found.names)
    assert all(isinstance(cell, str) for cell in found.cells)
    assert set(found.names) <= set(KNOWN)
    assert json.loads(json.dumps(found.cells)) == found.cells


def look_at_damaged(folder: Path, count: int) -> int:
    path, good = folder / "a.ipynb", 0
    for number in range(count):
        path.write_bytes(damaged_json(WHOLE, random.Random(number)))
        try:
            look_at(path)
        except Exception as error:
            raise AssertionError(f"damage {number}: {error!r}") from error
        good += bool(read(path, KNOWN).names)
    return good


def test_a_damaged_notebook_is_read_or_told_in_one_line(tmp_path):
    assert 20 < look_at_damaged(tmp_path, 300) < 280


@pytest.mark.long
def test_2000_damaged_notebooks_are_read_or_told_in_one_line(tmp_path):
    assert 200 < look_at_damaged(tmp_path, FILES) < 1_900


STRANGE = {
    "01_nested": b'{"cells":' + b"[" * 100_000,
    "02_list": b"[]",
    "03_cells_null": b'{"cells": null}',
    "04_metadata_null": json.dumps(WHOLE | {"metadata": None}).encode(),
    "05_metadata_list": json.dumps(WHOLE | {"metadata": []}).encode(),
    "06_utf16": json.dumps(WHOLE).encode("utf-16"),
    "07_nan": b'{"cells": NaN}',
    "08_deep_code": json.dumps(
        WHOLE | {"cells": [{"cell_type": "code", "source": "(" * 50_000}]}
    ).encode(),
    "09_line\nbreak": b"{}",
    "10_surrogate": json.dumps(
        WHOLE | {"cells": [{"cell_type": "code", "source": "x = '\ud800'\ndef focus(x, p): 0"}]}
    ).encode(),
    "11_zero": json.dumps(
        WHOLE | {"cells": [{"cell_type": "code", "source": "def focus(x, p):\n  return x\0"}]}
    ).encode(),
    "12_huge_number": b'{"cells": ' + b"9" * 10_000 + b"}",
    "13_lines_of_numbers": json.dumps(
        WHOLE | {"cells": [{"cell_type": "code", "source": [1, None]}]}
    ).encode(),
    "14_says_what_no_file_can_hold": json.dumps(
        WHOLE
        | {"cells": [{"cell_type": "code", "source": r"def focus(x, p): raise OSError('\ud800')"}]}
    ).encode(),
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strange")
    for name, content in STRANGE.items():
        (folder / f"{name}.ipynb").write_bytes(content)
    with contextlib.suppress(OSError):  # some systems have no such names
        (folder / os.fsdecode(b"15_\xff.ipynb")).write_bytes(b"{}")
    (folder / "a_folder.ipynb").mkdir()
    (folder / "lost.ipynb").symlink_to(folder / "nowhere")
    output = tmp_path_factory.mktemp("marks") / "grades.csv"
    limits = ("--seconds", "40", "--cell-seconds", "2", "--function-seconds", "2")
    assert main(["grade", str(folder), *limits, "--output", str(output)]) == 0
    with open(output, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_every_strange_notebook_has_its_row_and_no_points(rows):
    names = {name.replace("\n", "\\n") for name in STRANGE}
    assert {row["submission"].partition(".")[0] for row in rows} >= names
    assert all(row["passed"] == "no" and row["note"] for row in rows)
    assert not [row for row in rows if "could not be marked" in row["note"]]


@pytest.mark.slow
def test_a_row_is_one_line(rows):
    assert not [row for row in rows for value in row.values() if "\n" in value]
