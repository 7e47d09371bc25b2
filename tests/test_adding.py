"""The page on adding things, tried from its own text: what it shows runs as it stands there."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import flatten_edu as fe
from flatten_edu.backbones.registry import _MODELS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
BLOCKS = {
    name: re.findall(r"^```python\n(.*?)^```", text, re.M | re.S) for name, text in SECTIONS.items()
}
COMMANDS = re.findall(r"^    flatten-edu (.+)$", SECTIONS["A mechanism"], re.M)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a newcomer's own files are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine.py").write_text(BLOCKS["A mechanism"][0])
    yield tmp_path
    sys.modules.pop("mine", None)


def test_the_page_shows_what_these_tests_try():
    assert {name: len(found) for name, found in BLOCKS.items()} == {
        "A mechanism": 2, "A backbone": 1, "A chapter": 0, "An exercise": 1, "A command": 0,
    }  # fmt: skip
    assert [words.split()[0] for words in COMMANDS] == ["bench", "compare", "probe", "train"]


def test_the_mechanism_is_what_its_docstring_says(folder):
    squared = importlib.import_module("mine").squared
    q, k = torch.randn(2, 1, 2, 9, 4, dtype=torch.float64).unbind(0)
    map = fe.analysis.attention_map(q, k, squared)
    weights = (q.relu() ** 2 + 1e-6) @ (k.relu() ** 2 + 1e-6).mT
    assert torch.allclose(map, weights / weights.sum(-1, keepdim=True))


@pytest.mark.slow
def test_the_notebook_part_shows_five_families_a_map_and_a_slider(folder, capsys, monkeypatch):
    monkeypatch.delenv("FLATTEN_EDU_FRAMES", raising=False)  # the start frame is enough
    try:
        exec(BLOCKS["A mechanism"][1], {"__name__": "notebook"})
        shown = capsys.readouterr().out
        assert shown.count("torch.Size([1, 1000])") == 5 and "tensor([" in shown
        assert "squared" in fe.gallery.shown()
    finally:
        fe.gallery.remove("squared")


@pytest.mark.long
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words.split()[0])
def test_the_commands_run_in_the_folder_of_the_one_file(words, folder):
    call = [sys.executable, "-m", "flatten_edu", *words.split()]
    path = os.pathsep.join([str(Path(fe.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    without = os.environ | {"PYTHONPATH": path.strip(os.pathsep)}
    done = subprocess.run(call, capture_output=True, text=True, env=without)
    assert done.returncode == 0, done.stderr
    assert "squared" in done.stdout or "accuracy" in done.stdout
    assert {path.name for path in folder.iterdir()} <= {"mine.py", "runs", "__pycache__"}


def test_the_backbone_takes_every_mechanism_and_learns():
    try:
        exec(BLOCKS["A backbone"][0], {"__name__": "page"})
        images = torch.rand(2, 1, 28, 28)
        for attention in ("softmax", "linear", "focused", "agent"):
            model = fe.create_model("plain_nano", attention=attention)
            with fe.analysis.record(model) as maps:
                assert model(images).shape == (2, 10)
            assert len(maps) == 2 and model.feature_maps(images)[0].shape == (2, 48, 7, 7)
        assert model(torch.rand(2, 1, 36, 20)).shape == (2, 10)
        small = {"patch_size": 4, "width": 24, "depth": 1, "batch_size": 120}
        first, second = fe.training.train("plain_nano", "digits", epochs=2, **small).rows
        assert second["train_loss"] < first["train_loss"]
    finally:
        _MODELS.pop("plain_nano", None)


def test_the_size_of_a_family_is_one_line():
    (line,) = re.findall(r"`(register\(.*?\))`", SECTIONS["A backbone"])
    try:
        exec(line, {"register": fe.backbones.registry.register, "DeiT": fe.backbones.DeiT})
        assert fe.create_model("deit_mini", img_size=32)(torch.rand(1, 3, 32, 32)).shape == (
            1,
            1000,
        )
    finally:
        _MODELS.pop("deit_mini", None)


def test_the_exercise_at_the_end_of_a_file_gets_its_copy_key_and_marks(tmp_path):
    from flatten_edu.coursework.own import own_exercises
    from tools import exercises

    path = tmp_path / "03_focus_ability.py"
    shutil.copy(ROOT / "notebooks" / "solutions" / path.name, path)
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" + BLOCKS["An exercise"][0])
    copy, key = (text for _, text in sorted(exercises.made_from(path).items()))
    assert "def window_sum(x)" in copy and "padded" not in copy
    assert "padded" in key and "one neighbour only" in key
    mine = own_exercises(path)["window_sum"]
    assert mine(lambda x: x + x.roll(1) + x.roll(-1)).passed is False
    right = torch.nn.functional.avg_pool1d
    assert mine(lambda x: 3 * right(x[None, None], 3, 1, 1)[0, 0]).passed
