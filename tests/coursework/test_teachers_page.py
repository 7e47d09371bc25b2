"""What the teacher's page says is so: names, files, numbers of the exam's answers."""

import re
from pathlib import Path

import pytest
import torch

import flatten_edu as fe
from flatten_edu.coursework.checks import exercises

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "teachers.md").read_text(encoding="utf-8")


def test_files_that_it_names_exist():
    for path in re.findall(r"`((?:notebooks|tests|flatten_edu|tools)/[\w./]*)`", PAGE):
        of_package = path.startswith("flatten_edu")
        root = Path(fe.__file__).parents[1] if of_package else ROOT
        assert (root / path).exists(), path


def test_every_chapter_has_goals_and_misconceptions():
    table = PAGE.partition("## What students get wrong")[2].partition("## Exam")[0]
    assert {int(n) for n in re.findall(r"^\| (\d+) \|", table, re.M)} == set(range(1, 11))
    goals = PAGE.partition("## Learning goals")[2].partition("## What students need")[0]
    assert all(str(chapter) in goals for chapter in range(1, 11))


def test_exercises_are_called_by_their_numbers():
    numbers = {f"{e.chapter}.{n % 3 + 1}" for n, e in enumerate(exercises().values())}
    weeks = PAGE.partition("A course of 4 weeks")[2].partition("## What students get wrong")[0]
    assert set(re.findall(r"\b\d\.\d\b", weeks)) <= numbers


def test_the_answers_of_the_exam():
    n, d = 56 * 56, 64
    assert f"{2 * n * n * d:.3g}" == "1.26e+09" and f"{2 * n * d * d:.3g}" == "2.57e+07"
    assert n / d == 49
    turned = fe.attention.focus(torch.tensor([3.0, 4.0]), 2)
    assert turned.tolist() == pytest.approx([2.45, 4.36], abs=0.005)
    x, y = torch.tensor([[1.0, 0.98], [1.0, 0.8]], dtype=torch.float64)
    assert float(x @ y) == pytest.approx(1.784)
    after = fe.attention.focus(x, 3) @ fe.attention.focus(y, 3)
    assert float(after) == pytest.approx(1.722, abs=5e-4)
    assert float(x.norm() * y.norm()) == pytest.approx(1.793, abs=5e-4)
    matrix = fe.attention.depthwise_matrix(torch.ones(5, 5), (14, 14))
    assert int((matrix != 0).sum()) == 4096 and matrix.numel() == 38416
    error, unpaired = 1 / 3**0.5, ((7 + 9) / 3) ** 0.5
    assert round(error, 2) == 0.58 and round(unpaired, 1) == 2.3 and round(2 / error, 1) == 3.5
    module = fe.attention.SelfAttention(192, 3, grid=(14, 14), kernel_size=5)
    assert sum(p.numel() for p in module.parameters()) == 187712
    assert 196 * 192 == 37632
    assert float(torch.tensor(1e-6).half() ** 3) == 0
