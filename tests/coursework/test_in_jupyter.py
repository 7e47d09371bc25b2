"""The checks in a real kernel: shown as cards, with the student's lines, and never hanging."""

import time

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.notebook

CELLS = [
    "import torch\nimport flatten_edu.coursework\nimport flatten_edu as fe\n"
    "torch.randn(400, 400).mm(torch.randn(400, 400)).sum()  # starts torch's threads",
    "def focus(x, p):\n    raise NotImplementedError",
    "fe.coursework.check.focus(focus)",
    "def focus(x, p):\n    sharp = x ** p\n    return sharp * missing",
    "fe.coursework.check.focus(focus)",
    "def focus(x, p):\n    print('seen')\n    return x ** p",
    "fe.coursework.check.focus(focus)",
    "def focus(x, p):\n    while True:\n        pass",
    "fe.coursework.check.focus(focus)",
    "def focus(x, p):\n    return input('how?')",
    "fe.coursework.check.focus(focus)",
    "def effective_rank(map):\n    s = torch.linalg.svdvals(map)\n    a = s / s.sum()\n"
    "    return torch.exp(-(a * a.log()).sum())",
    "fe.coursework.check.effective_rank(effective_rank)",
    "fe.coursework.check.focus.hint(1)",
]


@pytest.fixture(scope="module")
def shown():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    start = time.monotonic()
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    assert time.monotonic() - start < 60
    return [
        "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)
        for cell in notebook.cells
    ]


def test_a_stub_is_gentle(shown):
    assert "focus: not started yet" in shown[2]


def test_an_error_shows_the_students_line(shown):
    assert "NameError" in shown[4] and "line 3 of focus: return sharp * missing" in shown[4]
    assert "site-packages" not in shown[4] and "coursework/" not in shown[4]


def test_a_mistake_is_named_and_prints_are_kept(shown):
    assert "is not restored" in shown[6] and "seen" in shown[6]


def test_an_endless_loop_ends(shown):
    assert "it takes too long" in shown[8]


def test_nobody_waits_for_an_answer(shown):
    assert "EOFError" in shown[10]


def test_a_right_solution_passes_and_hints_are_shown(shown):
    assert "effective_rank: passed" in shown[12] and "Hint 1 of 3" in shown[13]
