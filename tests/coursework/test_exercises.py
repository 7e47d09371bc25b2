"""Solved exercises, students' copies and the teacher's key: in step, passing, and without leaks."""

import ast
import doctest
import importlib.util
import json
from pathlib import Path

import nbformat
import pytest

from flatten_edu.coursework import check
from flatten_edu.coursework.checks import exercises
from flatten_edu.coursework.grade import grade
from flatten_edu.coursework.own import own_exercises, solved
from flatten_edu.coursework.source import function_of, read_source, stub

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "notebooks" / "solutions").glob("*.py"))
NAMES = [path.stem for path in SOURCES]
each = pytest.mark.parametrize("path", SOURCES, ids=NAMES)

specification = importlib.util.spec_from_file_location("tool", ROOT / "tools" / "exercises.py")
tool = importlib.util.module_from_spec(specification)
specification.loader.exec_module(tool)


def copy_of(path):
    return json.loads((tool.COPIES / f"{path.stem}.ipynb").read_text(encoding="utf-8"))


def code_of(notebook):
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]


def run(cells):
    space = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        exec(compile(cell, f"<cell {number}>", "exec"), space)
    return space


def test_there_is_one_source_a_chapter():
    assert [name[:2] for name in NAMES] == [f"{chapter:02}" for chapter in range(1, 10)]
    chapters = {name: exercise.chapter for name, exercise in exercises().items()}
    found = {n: int(path.stem[:2]) for path in SOURCES for n in tool.names_of(read_source(path))}
    assert found == chapters


@each
def test_files_are_in_step_and_the_same_twice(path):
    once, twice = tool.made_from(path), tool.made_from(path)
    assert once == twice
    for file, text in once.items():
        assert file.read_text(encoding="utf-8") == text, "run make exercises"


def test_no_file_is_left_over():
    for folder in (tool.COPIES, tool.KEYS):
        assert sorted(file.stem for file in folder.glob("*.ipynb")) == NAMES
    assert tool.main(["--check"]) == 0


@each
def test_notebooks_are_valid(path):
    for file in tool.made_from(path):
        nbformat.validate(nbformat.read(file, as_version=4))


@each
def test_solutions_pass_and_their_examples_are_right(path):
    parts = read_source(path)
    space = solved(parts)
    for name in tool.names_of(parts):
        result = getattr(check, name)(space[name])
        assert result.passed, result
        test = doctest.DocTestFinder(recurse=False).find(space[name], name, globs=dict(space))[0]
        flags = doctest.NORMALIZE_WHITESPACE
        outcome = doctest.DocTestRunner(optionflags=flags).run(test, out=lambda text: None)
        assert outcome.failed == 0 and (outcome.attempted or name == "own_attention"), name


@each
def test_copies_run_from_top_to_bottom_before_anything_is_solved(path):
    space = run(code_of(copy_of(path)))
    for name in tool.names_of(read_source(path)):
        assert getattr(check, name)(space[name]).message.startswith("not started yet")


@pytest.mark.notebook
@each
def test_the_key_runs_from_top_to_bottom(path):
    run(code_of(json.loads((tool.KEYS / f"{path.stem}.ipynb").read_text(encoding="utf-8"))))


@each
def test_a_copy_holds_no_line_of_a_solution(path):
    parts, notebook = read_source(path), copy_of(path)
    text = json.dumps(notebook, ensure_ascii=False)
    code = "\n".join(code_of(notebook))
    defined = {n.name: n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.FunctionDef)}
    for part in parts:
        if part.kind == "solution":
            body = function_of(part).body[1:]
            lines = [line.strip() for node in body for line in ast.unparse(node).splitlines()]
            written = [ln.strip() for ln in part.text.splitlines()[body[0].lineno - 1 :]]
            for line in {*lines, *written}:
                assert len(line) < 9 or json.dumps(line)[1:-1] not in text, line
            left = defined[part.name].body
            assert len(left) == 2 and isinstance(left[0], ast.Expr), "a docstring"
            assert isinstance(left[1], ast.Raise)
        if part.kind == "teacher":
            assert all(sentence not in text for sentence in part.text.split(". ")[:2])


@each
def test_a_copy_has_no_outputs_and_no_metadata_that_tells(path):
    notebook = copy_of(path)
    assert set(notebook["metadata"]) == {"flatten_edu", "kernelspec", "language_info"}
    assert notebook["metadata"]["flatten_edu"] == {"exercises": tool.names_of(read_source(path))}
    for cell in notebook["cells"]:
        assert cell["metadata"] == {} and not cell.get("outputs")
        assert "attachments" not in cell and cell.get("execution_count") is None


@each
def test_texts_say_what_is_given_and_returned(path):
    for part in read_source(path):
        if part.kind == "exercise":
            assert "**Given:**" in part.text and "**Return:**" in part.text
        assert max(map(len, part.text.splitlines())) <= 100


@each
def test_keys_have_hints_and_mistakes(path):
    text = (tool.KEYS / f"{path.stem}.ipynb").read_text(encoding="utf-8")
    assert text.count("**Hints that students can ask for:**") == 3
    assert "raise NotImplementedError" not in text


OWN = '''
# %% [markdown]
# # Mine
# %%
import torch
import flatten_edu as fe
# %% exercise twice
# **Given:** `x`. **Return:** the double.
# %% solution
def twice(x):
    """Twice as much."""
    return 2 * x
# %% examples
twice(3)
twice(torch.tensor([1.0, 2.5]))
# %% hidden
twice(-41)
# %% teacher
# Simple.
'''


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "03_mine.py"
    path.write_text(OWN)
    return path


def test_an_exercise_of_ones_own_is_one_file(own):
    texts = list(tool.made_from(own).values())
    copy, key = json.loads(texts[0]), json.loads(texts[1])
    assert "2 * x" not in texts[0] and "2 * x" in texts[1] and "-41" not in texts[0]
    cells = code_of(copy)
    assert "((torch.tensor([1.0, 2.5]),), [2.0, 5.0])" in cells[-1]
    run(cells)
    space = run(code_of(key)[:-1])
    asked = [((3,), 6), ((-41,), -82)]
    assert space["fe"].coursework.check.examples(space["twice"], asked).passed
    result = check.examples(lambda x: x**2, asked)
    assert not result.passed and "yours      = 9" in result.message


def test_an_exercise_of_ones_own_is_marked_with_hidden_examples(own, tmp_path):
    assert len(own_exercises(own)["twice"].drawn()) == 3
    handed_in = tmp_path / "handed in"
    handed_in.mkdir()
    copy = json.loads(next(iter(tool.made_from(own).values())))
    for name, body in (("right", "x + x"), ("learned_by_heart", "x * 2 % 100")):
        cells = [c | {"source": f"def twice(x):\n    return {body}"} for c in copy["cells"][-2:-1]]
        text = json.dumps(copy | {"cells": [*copy["cells"][:-2], *cells, copy["cells"][-1]]})
        (handed_in / f"{name}.ipynb").write_text(text)
    rows = {row.submission: row for row in grade(handed_in, own=own)}
    assert rows["right.ipynb"].passed and rows["right.ipynb"].points == 2
    assert not rows["learned_by_heart.ipynb"].passed


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("# %% solutoin\n", "no kind of part"),
        ("# %% exercise\n", "needs the name"),
        ("# %% solution\ndef f(): pass\n", "no '# %% exercise NAME' before"),
        ("# %% exercise focus\n# text\n", "needs one '# %% solution'"),
        (
            "# %% exercise focus\n# %% solution\ndef g(x): pass\n",
            "defines no function of this name",
        ),
        ("# %% exercise focus\n# %% solution\ndef focus(x): pass\n", "should take \\(x, p\\)"),
        ("# %% exercise g\n# %% solution\ndef g(x): pass\n", "give it '# %% examples'"),
    ],
)
def test_a_wrong_source_gets_one_line(wrong, said, tmp_path):
    path = tmp_path / "01_wrong.py"
    path.write_text(wrong)
    with pytest.raises(ValueError, match=said):
        tool.made_from(path)


def test_the_stub_keeps_signature_and_docstring_alone():
    part = next(p for p in read_source(SOURCES[2]) if p.kind == "solution")
    text = stub(part)
    assert text.startswith('def focus(x, p):\n    """Turn each vector') and "x**p" not in text
    assert text.endswith('    raise NotImplementedError("not started yet")')
