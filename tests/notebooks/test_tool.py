"""The command that executes notebooks for committing."""

import json

import pytest
from nbformat import v4, write

from tools.notebooks import code_hash, execute, is_stale, main, read, traces

PICTURE = """
import flatten_edu as fe
from matplotlib.figure import Figure
def square(p=2):
    return Figure(figsize=(1, 1), facecolor=(p / 10, 0, 0))
print("first")
fe.explore(square, p=[1, 2, 3])
print("second")
"""


@pytest.fixture
def notebook(tmp_path):
    def make(*sources):
        cells = [v4.new_markdown_cell("# A title", id="title")]
        cells += [v4.new_code_cell(s, id=f"c{i}") for i, s in enumerate(sources)]
        path = tmp_path / "chapter.ipynb"
        write(v4.new_notebook(cells=cells, metadata={"widgets": {"state": {}}}), path)
        return path

    return make


@pytest.mark.notebook
def test_a_second_run_changes_no_byte(notebook, capsys):
    path = notebook(PICTURE, "1 + 1")
    assert main([str(path)]) == 0
    first, written = path.read_bytes(), path.stat().st_mtime_ns
    assert main([str(path)]) == 0
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (first, written)
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == [
        "written",
        "unchanged",
    ]
    content = json.loads(first)
    assert [cell["id"] for cell in content["cells"]] == ["title", "c0", "c1"]
    assert [cell.get("execution_count") for cell in content["cells"]] == [None, 1, 2]
    assert content["metadata"]["flatten_edu"] == {"code_hash": code_hash(read(path))}
    assert content["metadata"]["language_info"] == {"name": "python"}
    assert "widgets" not in content["metadata"]
    assert all(cell["metadata"] == {} for cell in content["cells"])
    html = "".join(content["cells"][1]["outputs"][1]["data"]["text/html"])
    assert "showSaved(" in html


def test_a_notebook_is_stale_until_it_is_executed_and_when_its_code_changes(notebook, capsys):
    path = notebook("1 + 1")
    assert main(["--check", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"{path}: stale")
    content = read(path)
    content.metadata["flatten_edu"] = {"code_hash": code_hash(content)}
    write(content, path)
    assert main(["--check", str(path)]) == 0
    content.cells[0].source = "# Another title"
    assert not is_stale(content)
    content.cells[1].source = "1 + 2"
    assert is_stale(content)


@pytest.mark.notebook
def test_a_failing_cell_is_told_and_nothing_is_written(notebook, capsys):
    path = notebook("assert 1 + 1 == 3, 'not quite'")
    before = path.read_bytes()
    assert main([str(path)]) == 1
    assert "chapter.ipynb: not written" in (complaint := capsys.readouterr().err)
    assert "not quite" in complaint
    assert path.read_bytes() == before


@pytest.mark.notebook
@pytest.mark.parametrize(
    ("source", "shows"),
    [
        ("import os, sys; print(sys.prefix)", "shows"),
        ("import os; os.path.expanduser('~') + '/x'", "shows"),
        ("object()", "'at 0x"),
        ("import warnings; warnings.warn('careful')", "ipykernel_"),
    ],
)
def test_a_trace_of_the_machine_names_its_cell_and_nothing_is_written(
    notebook, capsys, source, shows
):
    path = notebook("1", source)
    before = path.read_bytes()
    assert main([str(path)]) == 1
    complaint = capsys.readouterr().err
    assert "chapter.ipynb: not written, cell 3 (c1) shows" in complaint
    assert shows in complaint
    assert path.read_bytes() == before


def test_ordinary_outputs_are_no_trace(notebook):
    content = read(notebook("1"))
    words = "a / b, 0x10, </root>, 3/4, data:image/png;base64,AAA/root/xyz"
    content.cells[1].outputs = [
        v4.new_output("stream", text=words),
        v4.new_output("display_data", {"text/html": f"<p>{words}</p>", "image/png": "/root/"}),
    ]
    assert list(traces(content)) == []


@pytest.mark.notebook
def test_cells_see_the_environment_and_their_own_folder(notebook):
    path = notebook(
        "import os; os.environ['FLATTEN_EDU_FRAMES'] + os.environ['FLATTEN_EDU_FAST']",
        "import pathlib; pathlib.Path('chapter.ipynb').exists()",
    )
    cells = execute(path, FLATTEN_EDU_FAST="1").cells[1:]
    assert [cell.outputs[0].data["text/plain"] for cell in cells] == ["'11'", "True"]


def test_cells_without_ids_get_the_same_ones_each_time(notebook):
    path = notebook("1", "2")
    content = json.loads(path.read_text())
    for cell in content["cells"]:
        del cell["id"]
    content["nbformat_minor"] = 4
    path.write_text(json.dumps(content))
    assert [cell.id for cell in read(path).cells] == ["cell-1", "cell-2", "cell-3"]
