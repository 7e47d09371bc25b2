"""The course's notebooks, which nbmake executes: fresh outputs, short cells, no hidden error."""

import ast
import re
from pathlib import Path

import pytest

from tools.notebooks import is_stale, read, traces

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ANSWERS = (Path(__file__).parent / "test_exercises.py").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

# Errors inside of these never reach the notebook.
SILENT = {"interact", "interactive", "interactive_output", "Output"}


def code_cells(path):
    for number, cell in enumerate(read(path).cells, 1):
        if cell.cell_type == "code":
            yield number, cell


def test_chapters_are_numbered_without_a_gap():
    assert NOTEBOOKS
    numbers = [int(path.name.split("_")[0]) for path in NOTEBOOKS]
    assert numbers == list(range(len(NOTEBOOKS)))


@every_notebook
def test_every_part_of_a_chapter_is_there(path):
    assert missing(read(path), path) == []


def test_a_missing_part_is_named(tmp_path):
    path = NOTEBOOKS[2]
    notebook = read(path)
    notebook.cells = [cell for cell in notebook.cells if "exercise" not in tags(cell)]
    notebook.cells[0].source = "# 2 · Other"
    assert missing(notebook, Path("99_other.ipynb")) == [
        "**Claim.** in the text", "the number in its title", "cells with the tag exercise: 3",
        "its line in the README", "its entry in ANSWERS of test_exercises.py",
    ]  # fmt: skip


def tags(cell):
    return cell.metadata.get("tags", [])


def missing(notebook, path):
    """The parts that a chapter lacks; the first page has one exercise and no claim of its own."""
    first = path.stem.startswith("00_")
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    claims = [cell for cell in code if any(tag.startswith("claim") for tag in tags(cell))]
    exercises = sum("exercise" in tags(cell) for cell in code)
    parts = {
        "**Claim.** in the text": "**Claim" in text,
        "the number in its title": text.startswith(f"# {int(path.stem[:2])} · "),
        "**Predict** in the text": "**Predict" in text,
        "a picture with a slider, by fe.explore": any(
            "fe.explore(" in cell.source for cell in code
        ),
        "an assert in a cell with the tag claim": first
        or any("assert " in c.source for c in claims),
        f"cells with the tag exercise: {1 if first else 3}": exercises == (1 if first else 3),
        "## Summary": "## Summary" in text,
        "its line in the README": f"(notebooks/{path.name})" in README,
        "its entry in ANSWERS of test_exercises.py": f'"{path.stem}": [' in ANSWERS,
    }
    return [part for part, there in parts.items() if not there]


@every_notebook
def test_its_outputs_are_those_of_its_code(path):
    assert not is_stale(read(path)), "run: make notebooks"


@every_notebook
def test_its_outputs_know_nothing_of_the_machine(path):
    assert list(traces(read(path))) == []


@every_notebook
def test_its_cells_are_short(path):
    for number, cell in code_cells(path):
        lines = cell.source.splitlines()
        assert 0 < len(lines) <= 12, f"cell {number} has {len(lines)} lines"
        assert max(map(len, lines)) < 80, f"cell {number} has a line of 80 columns or more"


@every_notebook
def test_no_error_can_hide_in_it(path):
    for number, cell in code_cells(path):
        for node in ast.walk(ast.parse(cell.source)):
            name = getattr(node, "attr", getattr(node, "id", getattr(node, "name", None)))
            assert name not in SILENT, f"cell {number} uses {name}: use fe.explore"
            handler = isinstance(node, ast.ExceptHandler) and node.type is None
            assert not handler, f"cell {number} hides every error"


@every_notebook
def test_its_pictures_are_told_in_words(path):
    for number, cell in code_cells(path):
        for output in cell.outputs:
            html = output.get("data", {}).get("text/html", "")
            if "image/png" in output.get("data", {}):
                assert html, f"cell {number} shows a picture without words: use fe.explore"
            for tag in re.findall(r"<img [^>]*>", html):
                words = re.search(r'alt="([^"]*)"', tag)
                assert words and len(words[1]) > 20, f"cell {number}: a picture without words"


@every_notebook
def test_it_is_small_and_its_sliders_move_without_a_kernel(path):
    assert path.stat().st_size < 900_000
    for number, cell in code_cells(path):
        for output in cell.outputs:
            live = [kind for kind in output.get("data", {}) if "widget-view" in kind]
            assert not live, f"cell {number} was saved with a live widget: run make notebooks"
