"""The course's notebooks, which nbmake executes: fresh outputs, short cells, no hidden error."""

import ast
import re
from pathlib import Path

import pytest

from tools.notebooks import is_stale, read, traces

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
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
