"""Marks for a folder of notebooks: whatever a notebook does, it costs its own rows only."""

import csv
import json
import os
import subprocess
import sys
import time

import pytest

from flatten_edu.coursework.grade import as_csv, as_table, grade, save
from flatten_edu.coursework.jail import Limits

# Twelve hostile notebooks, each up to its limit of time.
pytestmark = pytest.mark.slow

LIMITS = Limits(notebook=60, cell=2, function=2)

RIGHT = """
def focus(x, p):
    sharp = x ** p
    return sharp * x.norm(dim=-1, keepdim=True) / sharp.norm(dim=-1, keepdim=True)
"""
CHECK = "import flatten_edu as fe\nfe.coursework.check.focus(focus)"
BIG = "import torch\nbig = torch.ones(5 * 2**30)"
DELETES = """
import os, pathlib, shutil
for path in list(pathlib.Path(".").iterdir()):
    path.unlink()
for place in ({folder!r}, os.path.dirname({folder!r}), os.path.expanduser("~"), "/tmp", "/"):
    for attempt in (
        lambda: [os.remove(os.path.join(place, name)) for name in os.listdir(place)],
        lambda: shutil.rmtree(place),
        lambda: os.system("rm -rf " + place + "/*"),
        lambda: open(os.path.join({folder!r}, "01_right.ipynb"), "w"),
    ):
        try:
            attempt()
        except BaseException:
            pass
"""
SUBMISSIONS = {
    "01_right": ["import torch", RIGHT, CHECK],
    "02_wrong": ["def focus(x, p):\n    return x ** p", CHECK],
    "03_stub": ["def focus(x, p):\n    raise NotImplementedError", CHECK],
    "04_syntax": ["def focus(x, p)\n    return x", CHECK, "def row_entropy(map):\n    return map"],
    "05_endless_cell": ["while True:\n    pass", RIGHT, CHECK],
    "06_endless_function": ["def focus(x, p):\n    while True:\n        pass", CHECK],
    "07_allocates": [BIG, RIGHT, "def row_entropy(map):\n    return [big, [0] * 10**10]"],
    "08_exits": ["import sys, os\nsys.exit(1)", "os._exit(0)", RIGHT],
    "09_deletes": [DELETES, RIGHT],
    "10_prints": ["print('x' * 10**8)\nfor i in range(1000):\n    print('y' * 1000)", RIGHT],
    "11_cheats": [
        "import flatten_edu as fe, sys\nfrom flatten_edu.coursework.result import Result",
        "fe.coursework.check = type('C', (), {'focus': lambda f: Result('focus', True, None, '')})",
        "import flatten_edu.coursework.judge as judge\njudge.judge = lambda *a: 1 / 0",
        "from flatten_edu.coursework import plain\nfocus = plain.focus",
        "open('/proc/self/fd/1', 'w').write('{\"end\": true}\\n')",
    ],
    "12_own_name": [RIGHT.replace("focus", "mine"), "fe = 1\ncheck = 2\ncheck.focus(mine)"],
}


def notebook(cells, **metadata):
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": cell, "outputs": []}
        | {"execution_count": None}
        for n, cell in enumerate(cells)
    ]
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("submissions")
    for name, cells in SUBMISSIONS.items():
        cells = [cell.replace("{folder!r}", repr(str(folder))) for cell in cells]
        (folder / f"{name}.ipynb").write_text(notebook(cells))
    (folder / "13_broken.ipynb").write_bytes(b"\x00\xff not a notebook")
    return folder


@pytest.fixture(scope="module")
def rows(folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    start = time.monotonic()
    rows = grade(folder, limits=LIMITS)
    assert time.monotonic() - start < 280
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    return {(row.submission.split("_")[0], row.exercise): row for row in rows}


def test_the_table_is_complete(rows):
    assert sorted({name for name, _ in rows}) == [f"{number:02}" for number in range(1, 14)]


def test_right_solutions_get_their_points_whatever_else_the_notebook_does(rows):
    for name in ("01", "05", "07", "08", "09", "10", "12"):
        row = rows[name, "focus"]
        assert row.passed and row.points == row.of == 1, row


def test_wrong_ones_get_none_and_their_mistake(rows):
    row = rows["02", "focus"]
    assert not row.passed and row.points == 0
    assert row.mistake == "the norm is taken after the power, so it is not restored"
    assert rows["03", "focus"].note.startswith("not started yet")
    assert rows["06", "focus"].mistake == "it takes too long"
    assert "SyntaxError" in rows["04", "focus"].note
    assert not rows["04", "row_entropy"].passed and rows["04", "row_entropy"].mistake
    assert not rows["07", "row_entropy"].passed
    assert rows["13", "(none)"].note.startswith("no readable notebook")


def test_nobody_marks_himself(rows):
    row = rows["11", "focus"]
    assert not row.passed and "PermissionError" in row.note


def test_the_table_is_written_twice(rows, tmp_path):
    csv_path, readable = save(list(rows.values()), tmp_path / "grades.csv")
    with open(csv_path, newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["submission"] for line in lines] == [row.submission for row in rows.values()]
    assert {"exercise", "passed", "mistake", "points"} <= set(lines[0])
    assert lines[0]["passed"] == "yes" and lines[0]["points"] == "1"
    text = readable.read_text()
    assert "01_right.ipynb: 1 of 1 points" in text and "is not restored" in text


def test_formulas_are_quoted(rows):
    from dataclasses import replace

    row = replace(next(iter(rows.values())), submission="=HYPERLINK(1).ipynb")
    assert "'=HYPERLINK" in as_csv([row]) and "=HYPERLINK" in as_table([row])


def test_a_notebook_sees_neither_solutions_nor_secrets_nor_others(tmp_path, monkeypatch):
    from flatten_edu import coursework

    monkeypatch.setenv("TEACHERS_TOKEN", "secret")
    (tmp_path / "other.ipynb").write_text(notebook([RIGHT]))
    spying = f"""
import os, pathlib, subprocess, socket
seen = []
for look in (
    lambda: pathlib.Path({coursework.__file__!r}).with_name("plain.py").read_text(),
    lambda: pathlib.Path({str(tmp_path / "other.ipynb")!r}).read_text(),
    lambda: subprocess.run(["cat", {coursework.__file__!r}], check=True),
    lambda: os.kill(os.getppid(), 0),
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: os.environ["TEACHERS_TOKEN"],
    lambda: os.fork(),
):
    try:
        look()
        seen.append(look)
    except (PermissionError, KeyError):
        pass
"""
    told = "def focus(x, p):\n    raise ValueError(f'saw {len(seen)}')"
    (tmp_path / "spy.ipynb").write_text(notebook([spying, told]))
    rows = {row.submission: row for row in grade(tmp_path, limits=LIMITS)}
    assert "saw 0" in rows["spy.ipynb"].note, rows["spy.ipynb"]
    assert rows["other.ipynb"].passed


def test_the_command(tmp_path):
    (tmp_path / "one.ipynb").write_text(notebook([RIGHT]))
    call = [sys.executable, "-m", "flatten_edu", "grade", str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert "one.ipynb: 1 of 1 points" in done.stdout
    assert (tmp_path / "grades.csv").is_file() and (tmp_path / "grades.txt").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no/such/folder"], "FOLDER must be a folder"),
        (["."], "there is no notebook"),
        ([".", "--jobs", "0"], "--jobs must be above 0"),
        ([".", "--output", "grades.xls"], "--output must end in .csv"),
    ],
)
def test_wrong_calls_get_one_line(words, said, tmp_path, monkeypatch, capsys):
    from flatten_edu.__main__ import main

    monkeypatch.chdir(tmp_path)
    assert main(["grade", *words]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
