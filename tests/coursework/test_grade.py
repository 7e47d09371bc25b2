"""Marks for a folder of notebooks: whatever a notebook does, it costs its own rows only."""

import csv
import ctypes
import json
import sys
import time

import pytest

from flatten_edu import coursework
from flatten_edu.__main__ import main
from flatten_edu.coursework.grade import Row, as_csv, as_table

RIGHT = """
def focus(x, p):
    sharp = x ** p
    return sharp * x.norm(dim=-1, keepdim=True) / sharp.norm(dim=-1, keepdim=True)
"""
CHECK = "import flatten_edu as fe\nfe.coursework.check.focus(focus)"
BIG = "import torch\nbig = torch.ones(5 * 2**30)"
DELETES = """
import ctypes, os, pathlib, shutil
for path in list(pathlib.Path(".").iterdir()):
    path.unlink()
if {landlock!r}:  # past Python, to the kernel
    ctypes.CDLL(None).unlink(os.path.join({folder!r}, "02_wrong.ipynb").encode())
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
SPIES = """
import os, pathlib, socket, subprocess
seen, looked = [], 0
for look in (
    lambda: pathlib.Path({checks!r}).with_name("plain.py").read_text(),
    lambda: pathlib.Path({folder!r}, "01_right.ipynb").read_text(),
    lambda: subprocess.run(["cat", {checks!r}], check=True),
    lambda: os.kill(os.getppid(), 0),
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: os.environ["TEACHERS_TOKEN"],
    lambda: os.fork(),
):
    looked += 1
    try:
        look()
        seen.append(look)
    except (PermissionError, KeyError):
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
    "14_spies": [SPIES, "def focus(x, p):\n    raise ValueError(f'saw {len(seen)} of {looked}')"],
    "12_own_name": [RIGHT.replace("focus", "mine"), "fe = 1\ncheck = 2\ncheck.focus(mine)"],
}


def landlock_is_there():
    if sys.platform != "linux":
        return False
    return ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) > 0


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
    known = {"folder": str(folder), "landlock": landlock_is_there(), "checks": coursework.__file__}
    for name, cells in SUBMISSIONS.items():
        for word, value in known.items():
            cells = [cell.replace("{" + word + "!r}", repr(value)) for cell in cells]
        (folder / f"{name}.ipynb").write_text(notebook(cells))
    (folder / "13_broken.ipynb").write_bytes(b"\x00\xff not a notebook")
    return folder


@pytest.fixture(scope="module")
def table(folder, tmp_path_factory):
    """The table that the command writes, with every submission as it was."""
    output = tmp_path_factory.mktemp("marks") / "grades.csv"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    start = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEACHERS_TOKEN", "secret")
        limits = ("--seconds", "60", "--cell-seconds", "2", "--function-seconds", "2")
        assert main(["grade", str(folder), *limits, "--output", str(output)]) == 0
    assert time.monotonic() - start < 280
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    return output


@pytest.fixture(scope="module")
def rows(table):
    with open(table, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {(line["submission"].split("_")[0], line["exercise"]): line for line in lines}


def test_the_table_is_complete(rows, table):
    assert sorted({name for name, _ in rows}) == [f"{number:02}" for number in range(1, 15)]
    columns = {"submission", "exercise", "passed", "mistake", "points", "of", "note"}
    assert set(rows["01", "focus"]) == columns
    text = table.with_suffix(".txt").read_text(encoding="utf-8")
    assert "01_right.ipynb: 1 of 1 points" in text and "is not restored" in text


def test_right_solutions_get_their_points_whatever_else_the_notebook_does(rows):
    for name in ("01", "05", "07", "08", "09", "10", "12"):
        row = rows[name, "focus"]
        assert (row["passed"], row["points"], row["of"]) == ("yes", "1", "1"), row


def test_wrong_ones_get_none_and_their_mistake(rows):
    row = rows["02", "focus"]
    assert (row["passed"], row["points"]) == ("no", "0")
    assert row["mistake"] == "the norm is taken after the power, so it is not restored"
    assert rows["03", "focus"]["note"].startswith("not started yet")
    assert rows["06", "focus"]["mistake"] == "it takes too long"
    assert "SyntaxError" in rows["04", "focus"]["note"]
    assert rows["04", "row_entropy"]["mistake"] and rows["04", "row_entropy"]["passed"] == "no"
    assert rows["07", "row_entropy"]["passed"] == "no"
    assert rows["13", "(none)"]["note"].startswith("no readable notebook")


def test_nobody_marks_himself(rows):
    row = rows["11", "focus"]
    assert row["passed"] == "no" and "PermissionError" in row["note"]


def test_formulas_are_quoted():
    row = Row("=HYPERLINK(1).ipynb", "focus", True, "", 1, 1, "")
    assert "'=HYPERLINK" in as_csv([row]) and "=HYPERLINK" in as_table([row])


def test_a_notebook_sees_neither_solutions_nor_secrets_nor_others(rows):
    assert "saw 0 of 7" in rows["14", "focus"]["note"], rows["14", "focus"]


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
    monkeypatch.chdir(tmp_path)
    assert main(["grade", *words]) == 2
    captured = capsys.readouterr()
    assert said in captured.err and captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
