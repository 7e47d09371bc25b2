"""Arrows point one way, and the page about the house names every room that is there."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from tools import rooms  # noqa: E402

# A room on the left may not be imported by one on the right.
ONE_WAY = [
    ("attention", "gallery", "analysis", "plots", "explore"),
    ("attention", "backbones", "checkpoints", "training", "comparison", "commands"),
]


def test_no_room_stands_on_itself():
    heights = rooms.floors(rooms.graph())
    assert heights["attention"] == 0 and heights["commands"] == max(heights.values())


def test_a_circle_would_be_found():
    with pytest.raises(ValueError, match="a <- b <- a"):
        rooms.floors({"a": {"b"}, "b": {"a"}})


@pytest.mark.parametrize("chain", ONE_WAY)
def test_arrows_point_one_way(chain):
    graph = rooms.graph()
    for number, lower in enumerate(chain):
        assert not graph[lower] & set(chain[number + 1 :]), lower


def test_attention_imports_torch_and_einops_alone():
    allowed = {"torch", "einops", *sys.stdlib_module_names}
    for path in (rooms.PACKAGE / "attention").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level < 2, f"{path.name} imports from outside its room"
                names = [] if node.level else [node.module or ""]
            assert {name.partition(".")[0] for name in names} <= allowed, path.name


def test_the_page_names_every_room():
    page = (ROOT / "docs" / "architecture.md").read_text()
    for room in rooms.graph():
        assert f"`{room}" in page or f"({room})" in page, room


def test_every_habit_has_a_target_with_a_line_of_help():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("lab", "check", "test", "test-long", "test-oldest", "test-odd", "doctor"):
        assert any(line.startswith(f"{target}:") and "##" in line for line in makefile.splitlines())
