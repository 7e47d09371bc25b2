"""What several processes promise: the numbers of one, written once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import SMALL, words

WORDS = f"train --model deit_nano --data digits {words(SMALL | {'batch_size': 24})} --epochs 2"
PROGRAM = Path(__file__).with_name("losses_by_step.py")


def run(call: list[str], folder) -> subprocess.CompletedProcess:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *call], capture_output=True, text=True, cwd=folder, env=environment,
        timeout=600,
    )  # fmt: skip


def torchrun(call: list[str], folder) -> subprocess.CompletedProcess:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return run([*launch, *call], folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "within"),
    [pytest.param("float32", 1e-4, marks=pytest.mark.long), ("float64", 1e-10)],
)
def test_two_processes_have_the_losses_of_one_at_each_of_50_steps(dtype, within, tmp_path):
    # Some labels count nowhere, and the processes' shares hold different numbers of them. In
    # float64 only the order of sums differs: what is shared out, averaged and clipped is the same.
    # In float32 AdamW makes much of that little, later on.
    found = []
    for start in (run, torchrun):
        done = start([str(PROGRAM), dtype, "found.json"], tmp_path)
        assert done.returncode == 0, done.stderr
        found.append(json.loads((tmp_path / "found.json").read_text()))
    one, two = ([*part["losses"]] for part in found)
    assert len(one) == len(two) == 52
    assert max(abs(a - b) for a, b in zip(one[:50], two[:50], strict=True)) < within
    for name in ("train_loss", "validation_loss", "test_loss"):
        assert abs(found[0]["row"][name] - found[1]["row"][name]) < 5 * within, name


@pytest.mark.slow
def test_two_processes_count_and_write_once(tmp_path):
    done = torchrun(["-m", "flatten_edu", *WORDS.split(), "--output", "two"], tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "two" / "metrics.jsonl").open()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert json.loads((tmp_path / "two" / "run.json").read_text())["processes"] == 2
    # Shares of whole images: 179 to choose with, 359 to test.
    for name, count in (("validation_accuracy", 179), ("test_accuracy", 359)):
        assert all(abs(row[name] * count - round(row[name] * count)) < 1e-6 for row in rows), name
    assert done.stdout.count("epoch 1/2") == 1 and done.stdout.count("everything is in") == 1


@pytest.mark.slow
def test_the_group_is_left_before_python_ends(tmp_path):
    """Else torch warns of what it had to leave behind."""
    (tmp_path / "program.py").write_text(
        "import atexit, os, torch\n"
        "from pathlib import Path\n"
        "from flatten_edu.__main__ import end\n"
        "from flatten_edu.training.device import open_device\n"
        "found = []\n"
        "def tell():\n"
        "    found.append(torch.distributed.is_initialized())\n"
        "    Path('rank' + os.environ['RANK']).write_text(str(found))\n"
        "atexit.register(tell)\n"  # what is registered first is called last
        "for _ in range(2):\n"
        "    place = open_device('cpu')\n"
        "place.wait()\n"
        "found.append(torch.distributed.is_initialized())\n"
        "end(0)\n"
    )
    done = torchrun(["program.py"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / f"rank{n}").read_text() for n in (0, 1)] == ["[True, False]"] * 2


@pytest.mark.slow
def test_processes_that_cannot_share_a_batch_say_so(tmp_path):
    wrong = WORDS.replace("--batch-size 24", "--batch-size 25").split()
    done = torchrun(["-m", "flatten_edu", *wrong], tmp_path)
    assert done.returncode != 0
    line = "flatten-edu: batch_size must be a multiple of the 2 processes, but is 25"
    assert f"{line}; the nearest is 24" in done.stderr
    assert list(tmp_path.iterdir()) == []
