"""What a stopped run promises: nothing is lost, and it ends with the bits of one that was not."""

import dataclasses
import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

import pytest
from small_runs import ALL, SMALL, equal, learned, words

from flatten_edu.__main__ import main
from flatten_edu.files import append_line, parts_left, write_text, written_whole
from flatten_edu.training import Quiet, evaluate, load_trained, train
from flatten_edu.training.folder import RunFolder

# Ten steps an epoch, thirty in all.
RUN = SMALL | {"epochs": 3, "drop_path": 0.3}
WORDS = words(SMALL | {"batch_size": 120, "drop_path": 0.3})
FULL = words(ALL | {"accumulate": 3})


class Died(BaseException):
    """The process is gone: nothing after it runs, as with SIGKILL."""


@pytest.fixture(scope="module")
def whole(few, tmp_path_factory):
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train("deit_nano", few, output=folder, **RUN)
    return folder


@pytest.mark.parametrize("after", [1, 7, 10, 11, 29])
def test_a_run_stopped_after_any_step_goes_on_to_the_same_bits(whole, few, after, tmp_path):
    steps = iter(range(1, 100))
    call = RUN | {"output": tmp_path / "run"}
    first = train("deit_nano", few, stop=lambda: next(steps) == after, **call)
    assert not first.finished and len(first.rows) == after // 10
    second = train("deit_nano", few, resume=True, **call)
    assert second.finished and equal(learned(tmp_path / "run"), learned(whole))


def test_a_run_may_be_stopped_again_and_again(whole, few, tmp_path):
    call = RUN | {"output": tmp_path / "run", "stop": lambda: True}
    result = train("deit_nano", few, **call)
    for _ in range(40):
        if result.finished:
            break
        result = train("deit_nano", few, resume=True, **call)
    assert result.finished and equal(learned(tmp_path / "run"), learned(whole))


@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize(
    ("method", "when"),
    [("add", "before"), ("add", "after"), ("save_weights", "before"), ("save_weights", "after"),
     ("save_state", "before"), ("save_state", "after")],
)  # fmt: skip
def test_a_run_that_died_between_two_files_goes_on_to_the_same_bits(
    whole, few, epoch, method, when, tmp_path, monkeypatch
):
    original, calls = getattr(RunFolder, method), []

    def dying(self, *arguments):
        calls.append(None)
        due = len([path for path in (tmp_path / "run").glob("metrics.jsonl")])
        rows = (tmp_path / "run" / "metrics.jsonl").read_text().count("\n") if due else 0
        now = rows == (epoch - 1 if method == "add" else epoch)
        if now and when == "before":
            raise Died
        original(self, *arguments)
        if now:
            raise Died

    call = RUN | {"output": tmp_path / "run"}
    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(RunFolder, method, dying)
        train("deit_nano", few, **call)
    train("deit_nano", few, resume=True, **call)
    assert equal(learned(tmp_path / "run"), learned(whole))


def test_half_a_line_and_half_a_file_are_cleared_away(whole, few, tmp_path):
    steps = iter(range(1, 100))
    folder = tmp_path / "run"
    call = RUN | {"output": folder}
    train("deit_nano", few, stop=lambda: next(steps) == 15, **call)
    with open(folder / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 2, "train_lo')
    (folder / ".state.pt.123.part").write_bytes(b"half")
    train("deit_nano", few, resume=True, **call)
    assert equal(learned(folder), learned(whole)) and parts_left(folder) == []


def test_a_finished_run_stays_as_it_is(whole, few):
    before = {path.name: path.read_bytes() for path in whole.iterdir()}
    result = train("deit_nano", few, output=whole, resume=True, **RUN)
    assert result.finished and len(result.rows) == 3
    assert evaluate(result.model, few.test).accuracy == result.test_accuracy
    assert {path.name: path.read_bytes() for path in whole.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 2}, "holds a run with depth=1, but depth=2 was asked for; go on with depth=1"),
        ({"attention": "softmax"}, "with attention=None, but attention='softmax' was asked for"),
        ({"lr": 0.1}, "holds a run with lr=0.003, but lr=0.1 was asked for"),
        ({"seed": 5}, "holds a run with seed=0, but seed=5 was asked for"),
        ({"data": "other"}, "holds a run with data='digits', but data='other' was asked for"),
    ],
)
def test_a_run_does_not_go_on_as_another(whole, few, change, message):
    before = {path.name: path.read_bytes() for path in whole.iterdir()}
    change = dict(change)
    data = dataclasses.replace(few, name=change.pop("data", few.name))
    call = RUN | {"output": whole, "resume": True} | change
    with pytest.raises(ValueError, match=message) as caught:
        train("deit_nano", data, **call)
    assert "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in whole.iterdir()} == before


def test_a_run_whose_code_has_changed_does_not_go_on(whole, few):
    about = json.loads((whole / "run.json").read_text())
    about["parameters"]["head.bias"] = [11]
    changed = whole.parent / "changed"
    changed.mkdir()
    (changed / "run.json").write_text(json.dumps(about))
    with pytest.raises(ValueError, match="whose model had other parameters than this one"):
        train("deit_nano", few, output=changed, resume=True, **RUN)


def test_a_damaged_state_is_named(whole, few, tmp_path):
    for name in ("run.json", "state.pt"):
        (tmp_path / name).write_bytes(
            (whole / name).read_bytes()[: 400 if name[0] == "s" else None]
        )
    with pytest.raises(ValueError, match=r"state.pt is damaged"):
        train("deit_nano", few, output=tmp_path, resume=True, **RUN)


def start(words: str, folder) -> subprocess.Popen:
    call = [sys.executable, "-u", "-m", "flatten_edu", *words.split()]
    pipe = subprocess.PIPE
    return subprocess.Popen(call, stdout=pipe, stderr=pipe, text=True, cwd=folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "extra", [pytest.param("", id="plain", marks=pytest.mark.long), pytest.param(FULL, id="full")]
)
def test_a_run_that_is_terminated_writes_its_state_and_goes_on(extra, tmp_path):
    call = f"train --model deit_nano --data digits {WORDS} {extra} --epochs 12"
    process = start(f"{call} --output run", tmp_path)
    assert process.stdout is not None and process.stdout.readline().startswith("epoch  1/12")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert errors == ("flatten-edu: stopped; go on with: flatten-edu train --resume --output run\n")
    resumed = start("train --resume --output run", tmp_path)
    _, errors = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, errors
    assert main([*call.split(), "--output", str(tmp_path / "whole")]) == 0
    assert equal(learned(tmp_path / "run"), learned(tmp_path / "whole"))


@pytest.mark.long
@pytest.mark.parametrize("extra", ["", FULL], ids=["plain", "full"])
def test_a_run_that_is_killed_five_times_goes_on_to_the_same_bits(extra, tmp_path):
    call = f"train --model deit_nano --data digits {WORDS} {extra} --epochs 25"
    chance, kills = random.Random(0), 0
    process = start(f"{call} --output run", tmp_path)
    for _ in range(5):
        while process.poll() is None and not (tmp_path / "run" / "state.pt").exists():
            time.sleep(0.05)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0, 1))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        process = start("train --resume --output run", tmp_path)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert kills >= 3
    assert main([*call.split(), "--output", str(tmp_path / "whole")]) == 0
    assert equal(learned(tmp_path / "run"), learned(tmp_path / "whole"))


def test_a_full_disk_is_said_in_one_line_and_nothing_is_lost(whole, few, tmp_path, capsys):
    class Fill(Quiet):
        """After the first epoch no file may grow beyond 20 kB, which the state does."""

        def epoch(self, row):
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))

    folder = tmp_path / "run"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(OSError, match=r"cannot write to .*: .*go on from there with --resume"):
            train("deit_nano", few, output=folder, progress=Fill(), **RUN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert load_trained(folder / "last.safetensors")[1]["epoch"] >= 1
    train("deit_nano", few, output=folder, resume=True, **RUN)
    assert equal(learned(folder), learned(whole))


def test_a_disk_that_is_full_from_the_start_is_no_run_to_go_on_with(few, tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("flatten_edu.training.folder.write_text", full)
    with pytest.raises(OSError, match=r"No space left on device; nothing was written, so start"):
        train("deit_nano", few, output=tmp_path / "run", **RUN)


def test_a_file_is_whole_or_not_there(tmp_path):
    write_text(tmp_path / "note.txt", "first")
    with pytest.raises(Died), written_whole(tmp_path / "note.txt") as part:
        part.write_text("sec")
        raise Died
    assert (tmp_path / "note.txt").read_text() == "first"
    assert os.listdir(tmp_path) == ["note.txt"]
    append_line(tmp_path / "note.txt", " and more")
    assert (tmp_path / "note.txt").read_text() == "first and more\n"
