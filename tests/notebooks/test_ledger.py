"""The ledger of claims: no claim of the paper without its cell, its assert and its number."""

import json
import os

import nbformat
import pytest
from nbformat import v4

from tools import ledger
from tools.ledger import END, README, START, complaints, placed, table
from tools.mutants import run, survivors
from tools.notebooks import read

PAPER = [*(f"eq{n}" for n in range(1, 13)), "prop1", "fig3", "fig4", "fig5", "fig7", "table1",
         "coco", "ade20k", *(f"table{n}" for n in range(3, 8))]  # fmt: skip


def makes_claims(path):
    """Whether a cell of this chapter is tagged as a claim, of the paper or of its own."""
    tags = (tag for cell in read(path).cells for tag in cell.metadata.get("tags", []))
    return any(tag.startswith("claim") for tag in tags)


CHAPTERS = sorted(filter(makes_claims, ledger.FOLDER.glob("*.ipynb")))


def test_every_claim_of_the_paper_has_its_cell_its_assert_and_its_number():
    assert set(PAPER) <= {claim.id for claim in ledger.claims()}
    assert list(complaints()) == []


def test_every_chapter_but_the_first_page_makes_claims():
    first, *others = sorted(ledger.FOLDER.glob("*.ipynb"))
    assert first not in CHAPTERS and others == CHAPTERS


def test_the_readme_shows_the_ledger():
    page = README.read_text(encoding="utf-8")
    assert page == placed(page, table()), "run: make ledger"


@pytest.fixture
def course(tmp_path):
    """A course of one chapter with one claim."""
    claim = {"id": "eq1", "where": "equation 1", "says": "one and one", "paper": "2",
             "finds": r"found (\d+)", "ours": "{1}", "verdict": "reproduced"}  # fmt: skip

    def make(source="x = 2\nassert x == 2", tags=("claim:eq1",), text="found 2", **changes):
        (tmp_path / "claims.json").write_text(json.dumps([claim | changes]))
        output = v4.new_output("stream", text=text)
        cell = v4.new_code_cell(source, outputs=[output], metadata={"tags": list(tags)})
        nbformat.write(v4.new_notebook(cells=[cell]), tmp_path / "01_sums.ipynb")
        return tmp_path

    return make


def test_a_ledger_in_order_has_nothing_to_complain_about(course):
    folder = course()
    assert list(complaints(folder)) == []
    assert table(folder).splitlines()[2] == (
        "| equation 1 | one and one | [1](notebooks/01_sums.ipynb) | 2 | 2 | reproduced |"
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"tags": ()}, "claim eq1 has lost its cell"),
        ({"source": "x = 2"}, "01_sums.ipynb, cell 1: takes on eq1 and asserts nothing"),
        ({"text": "lost"}, r"claim eq1: no cell prints 'found (\\d+)'"),
        ({"tags": ("claim:eq1", "claim:eq99")}, "01_sums.ipynb, cell 1: no claim eq99 is listed"),
        ({"verdict": "perhaps"}, "claim eq1: no verdict is called 'perhaps'"),
    ],
)
def test_what_is_lost_is_named(course, change, complaint):
    assert complaint in list(complaints(course(**change)))


def test_the_ledger_stands_between_its_marks_and_nothing_else_changes():
    page = f"before\n{START}\nold\n{END}\nafter"
    assert placed(page, "new") == f"before\n{START}\n\nnew\n\n{END}\nafter"
    with pytest.raises(ValueError, match="must hold the lines"):
        placed("no marks", "new")


@pytest.mark.parametrize(
    ("source", "alive"),
    [
        ("assert x == 3", 0),
        ("assert [x, 4] == [3, 4]", 0),
        ("assert abs(x - 3) < 0.1", 0),
        ("assert x > 2", 0),
        ("table = {1: 3}\nfor value in table.values():\n    assert value == x", 0),
        ("assert torch.allclose(torch.ones(2) * x, torch.tensor([3.0, 3.0]))", 0),
        ("assert sorted(words) == words", 0),
        ("assert x == 3 or True", 1),
        ("assert True", 1),
        ("assert x > 2 or words", 1),
        ("for y in []:\n    assert y == 3", 1),
        ("assert x == 3\nassert x < 4 or True", 1),
        ("assert round(x / 3, 0) == 1 or x == 5", 1),
    ],
)
def test_an_assert_that_cannot_fail_is_found(source, alive):
    import torch

    names = {"x": 3, "words": ["a", "b"], "torch": torch}
    assert len(survivors(source, names, "cell")) == alive


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_assert_of_a_claim_fails_when_its_number_is_changed(path, monkeypatch):
    """The chapter runs in this process; at each claim its cell runs again, changed."""
    monkeypatch.chdir(path.parent)
    monkeypatch.setitem(os.environ, "FLATTEN_EDU_FAST", "1")
    names = {"__name__": "__main__"}
    checked = 0
    for number, cell in enumerate(read(path).cells, 1):
        if cell.cell_type != "code":
            continue
        place = f"{path.name}, cell {number}"
        if any(tag.startswith("claim") for tag in cell.metadata.get("tags", [])):
            assert survivors(cell.source, names, place) == [], place
            checked += 1
        run(cell.source, names, place)
    assert checked
