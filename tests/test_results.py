"""What the committed results promise: they say where they come from, and the README agrees."""

import json
import re
import statistics
from pathlib import Path

import pytest

from flatten_edu.arms import ARMS
from flatten_edu.comparison.results import rows_of
from flatten_edu.comparison.table import across, markdown, summarise
from tools import results

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WORDS = " ".join(README.split())
FOLDERS = [ROOT / "results" / name for name in (*results.FOLDERS, *results.CAPACITY, "payoff")]
FOLDERS = [folder for folder in FOLDERS if folder.exists()]
COMPARISONS = [folder for folder in FOLDERS if folder.name != "payoff"]
ROWS = results.rows_of_comparisons()


def mean(task: str, arm: str, name: str = "test_accuracy") -> float:
    return statistics.mean(row[name] for row in ROWS if (row["task"], row["arm"]) == (task, arm))


def per_cent(task: str, arm: str) -> str:
    return f"{100 * mean(task, arm):.1f} %"


def points(task: str, arm: str, plain: str) -> float:
    return round(100 * (mean(task, arm) - mean(task, plain)), 1)


@pytest.mark.parametrize("folder", COMPARISONS, ids=lambda f: f.name)
def test_every_result_says_where_it_comes_from(folder):
    about = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    for start in about["starts"]:
        assert start["command"].startswith("flatten-edu ")
        assert f"--output results/{folder.name}" in start["command"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", start["date"])
        assert start["versions"]["torch"] and start["python"] and start["device"]
    assert about["starts"] and all(path.stat().st_size < 200_000 for path in folder.iterdir())


@pytest.mark.parametrize("folder", COMPARISONS, ids=lambda folder: folder.name)
def test_every_arm_has_three_seeds_on_every_task_by_one_recipe(folder):
    rows = rows_of(folder / "results.jsonl")
    tasks = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))["tasks"]
    for task in tasks:
        found = sorted((row["arm"], row["seed"]) for row in rows if row["task"] == task)
        assert found == sorted((arm, seed) for arm in ARMS for seed in range(3))
        table = markdown(summarise(rows, task, ARMS))
        assert f"## {task}\n\n{table}\n" in (folder / "table.md").read_text(encoding="utf-8")


def test_the_tables_of_the_readme_are_made_from_the_rows():
    assert across(ROWS) in README and results.written(README) == README


def test_only_softmax_recalls_as_much_of_more_tokens():
    table = results.capacity()
    assert table in README
    assert table.startswith("| recall | N = 16 | N = 64 | N = 196 |\n")
    shares = {
        line.split(" | ")[0][2:]: [float(share) for share in re.findall(r"([\d.]+) ±", line)]
        for line in table.splitlines()[2:]
    }
    assert list(shares) == list(ARMS) and all(len(found) == 3 for found in shares.values())
    assert min(shares["softmax"]) > 99
    for arm in ("linear", "focused", "linear+dwc", "focused+dwc"):
        assert shares[arm] == sorted(shares[arm], reverse=True) and shares[arm][-1] < 35


def test_what_is_said_of_the_payoff_is_made_from_its_rows():
    rows = [
        {"task": "textures", "arm": arm, "seed": 0, "size": size, "tokens": (size // 4) ** 2,
         "batch": 2, "step_seconds": 2 * seconds, "memory": 2 * memory, "steps": 5,
         "test_accuracy": 0.5, "mean_iou": 0.25, "chance": 0.35}
        for arm, found, memory in (("softmax", (1, 16), 30), ("focused+dwc", (2, 8), 45))
        for size, seconds in zip((64, 128), found, strict=True)
    ]  # fmt: skip
    text = " ".join(results.about_payoff(rows).split())
    assert "cheaper than one with softmax from about 512 tokens on, and 2 times cheaper" in text
    rows[2]["step_seconds"] = 1
    text_then = " ".join(results.about_payoff(rows).split())
    assert "softmax at every size that was tried, 256 tokens and more, and 2 times" in text_then
    assert "softmax takes 30 MiB a mosaic there and focused 45." in text
    assert "| 128 | 1,024 | focused+dwc | 8,000 | 45 | 10 | 50.0 % | 25.0 % |" in text


def test_what_the_readme_says_in_words_follows_from_the_rows():
    gains = [points("textures", f"{arm}+dwc", arm) for arm in ("linear", "focused", "softmax")]
    for claim in (
        "adds {} points to linear attention, {} to focused and {} to softmax".format(*gains),
        f"alone it reaches {per_cent('textures', 'dwc')}",
        f"inside its kernel at {per_cent('copy_near', 'dwc')}, from outside at "
        f"{per_cent('copy_far', 'dwc')}",
        f"softmax is right in {per_cent('recall', 'softmax')}, linear attention in "
        f"{per_cent('recall', 'linear')}, focused in {per_cent('recall', 'focused')}",
        f"adds {points('textures', 'focused', 'linear')} points on textures and "
        f"{points('copy_wrapped', 'focused', 'linear')} on the wrapped copy, and takes "
        f"{-points('recall', 'focused', 'linear')} on recall",
    ):
        assert claim in WORDS
    for control in ("focused+permuted", "focused+1x1"):
        assert mean("textures", control, "equivalent_rank") == pytest.approx(144, abs=0.5)
        assert points("textures", control, "focused") < 0
    best = max(mean("textures", arm) for arm in ARMS)
    assert best - mean("textures", "dwc") < 0.01
