"""What several processes promise: the numbers of one, written once."""

import json
import os
import subprocess
import sys

import pytest

from flatten_edu.__main__ import main
from flatten_edu.training import load_trained

WORDS = ("train --model deit_nano --data digits --option patch_size=2 --option depth=1 "
         "--option width=24 --batch-size 24 --epochs 2 --device cpu")  # fmt: skip


def torchrun(words: str, folder, processes: int = 2) -> subprocess.CompletedProcess:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    call = [*launch, f"--nproc-per-node={processes}", "-m", "flatten_edu", *words.split()]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        call, capture_output=True, text=True, cwd=folder, env=environment, timeout=600
    )


@pytest.mark.long
def test_two_processes_give_the_losses_of_one_and_count_once(tmp_path):
    done = torchrun(f"{WORDS} --output two", tmp_path)
    assert done.returncode == 0, done.stderr
    assert main([*WORDS.split(), "--output", str(tmp_path / "one")]) == 0
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert [row["epoch"] for row in two] == [1, 2]
    assert json.loads((tmp_path / "two" / "run.json").read_text())["processes"] == 2
    for left, right in zip(one, two, strict=True):  # 52 steps an epoch
        for name in ("train_loss", "validation_loss", "test_loss"):
            assert abs(left[name] - right[name]) < 1e-4, name
        assert left["test_accuracy"] == pytest.approx(right["test_accuracy"], abs=1 / 359)
    weights = [dict(load_trained(tmp_path / name / "last.safetensors")[0].state_dict())
               for name in ("one", "two")]  # fmt: skip
    assert max((weights[0][n] - weights[1][n]).abs().max() for n in weights[0]) < 1e-3
    assert done.stdout.count("epoch 1/2") == 1 and done.stdout.count("everything is in") == 1


@pytest.mark.slow
def test_processes_that_cannot_share_a_batch_say_so(tmp_path):
    done = torchrun(WORDS.replace("--batch-size 24", "--batch-size 25"), tmp_path)
    assert done.returncode != 0
    line = "flatten-edu: batch_size must be a multiple of the 2 processes, but is 25"
    assert f"{line}; the nearest is 24" in done.stderr
    assert list(tmp_path.iterdir()) == []
