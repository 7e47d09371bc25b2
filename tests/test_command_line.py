"""What the commands promise: results on disk and on the screen, one line for a wrong call."""

import importlib
import io
import json
import os
import re
import subprocess
import sys

import pytest

import flatten_edu
from flatten_edu.__main__ import COMMANDS, main
from flatten_edu.commands.train import EXAMPLE, call_of
from flatten_edu.training.progress import Bar, make_progress

TINY = "--option patch_size=2 --option depth=1 --option width=24 --batch-size 64 --epochs 2"
TRAIN = f"train --model deit_nano --data digits {TINY}"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main([*TRAIN.split(), "--attention", "linear", "--output", str(folder)]) == 0
    return folder


def test_the_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"flatten-edu {flatten_edu.__version__}\n"


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    assert main([command, "--help"]) == 0
    assert f"usage: flatten-edu {command}" in capsys.readouterr().out


def test_the_module_runs_as_the_command_does():
    call = [sys.executable, "-m", "flatten_edu", "--version"]
    done = subprocess.run(call, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"flatten-edu {flatten_edu.__version__}\n")


def test_train_says_what_came_of_it_and_where_it_is(capsys, empty_folder):
    assert main([*TRAIN.split(), "--attention", "softmax"]) == 0
    text = capsys.readouterr().out
    folder = empty_folder / "runs" / "deit_nano-digits-softmax-seed0"
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 2 and len(re.findall("^epoch ", text, re.MULTILINE)) == 2
    last = 100 * rows[-1]["test_accuracy"]
    assert f"test accuracy {last:.1f} % with last.safetensors, epoch 2" in text
    best = max(rows, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))
    assert f"with best.safetensors, epoch {best['epoch']}" in text
    assert "everything is in runs/deit_nano-digits-softmax-seed0" in text


def test_a_second_run_by_the_same_name_gets_a_folder_of_its_own(empty_folder):
    for _ in range(2):
        assert main([*TRAIN.split(), "--epochs", "1"]) == 0
    names = sorted(path.name for path in (empty_folder / "runs").iterdir())
    assert names == ["deit_nano-digits-focused-seed0", "deit_nano-digits-focused-seed0-2"]


def test_a_function_of_the_folder_trains_and_is_evaluated(capsys, empty_folder):
    (empty_folder / "mine_to_train.py").write_text(
        "def average(q, k, v):\n    return v.mean(2, keepdim=True).expand_as(v)\n"
    )
    call = [sys.executable, "-m", "flatten_edu"]
    name = ["--attention", "mine_to_train:average"]
    trained = subprocess.run(
        [*call, *TRAIN.split(), *name, "--output", "run"], capture_output=True, text=True
    )
    assert trained.returncode == 0, trained.stderr
    evaluated = subprocess.run(
        [*call, "evaluate", "run/last.safetensors", *name], capture_output=True, text=True
    )
    assert evaluated.returncode == 0, evaluated.stderr
    found = re.search(r"accuracy (\S+) %", evaluated.stdout)
    assert found and f"test accuracy {found[1]} % with last.safetensors" in trained.stdout


def test_evaluate_counts_right_answers(finished, capsys):
    assert main(["evaluate", str(finished / "last.safetensors")]) == 0
    text = capsys.readouterr().out
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert f"accuracy {100 * rows[-1]['test_accuracy']:.1f} %" in text
    classes = re.findall(r"^  (\d): (\d+) of (\d+)$", text, re.MULTILINE)
    assert [name for name, _, _ in classes] == list("0123456789")
    right, count = (sum(int(line[i]) for line in classes) for i in (1, 2))
    assert count == 359 and right / count == pytest.approx(rows[-1]["test_accuracy"])


def test_evaluate_can_look_at_another_part(finished, capsys):
    call = ["evaluate", str(finished / "best.safetensors"), "--part", "validation"]
    assert main(call) == 0
    assert "179 validation images of digits" in capsys.readouterr().out


WRONG = {
    "": "the following arguments are required: COMMAND",
    "trian": "unknown command 'trian'; did you mean 'train'?",
    "train": "train needs --model, such as flatten-edu train --model deit_nano",
    "train --model deit_nano": "train needs --data",
    "train --modle deit_nano": "unknown argument --modle; did you mean --model?",
    "train --model deit_nan --data digits": "unknown model 'deit_nan'; did you mean 'deit_nano'?",
    "train --model deit_nano --data digit": "unknown data 'digit'; did you mean 'digits'?",
    f"{TRAIN} --attention focussed": "unknown attention 'focussed'; did you mean 'focused'?",
    f"{TRAIN} --attention nowhere:f": "there is no module 'nowhere' on Python's path",
    f"{TRAIN} --p 0.5": "p must be finite and at least 1, but is 0.5",
    f"{TRAIN} --p inf": "p must be finite and at least 1, but is inf",
    f"{TRAIN} --kernel-size 4": "kernel_size must be odd",
    f"{TRAIN} --epochs many": "argument --epochs: invalid int value: 'many'",
    f"{TRAIN} --epochs 0": "epochs must be a whole number of at least 1, but is 0",
    f"{TRAIN} --lr -1": "lr must be a number at least 0, but is -1",
    f"{TRAIN} --option patch_size": "--option must be NAME=VALUE",
    f"{TRAIN} --option patchsize=2": "unknown setting 'patchsize'; did you mean 'patch_size'?",
    f"{TRAIN} --option heads=5": "width=24 and heads=5; the nearest that fits is heads=",
    f"{TRAIN} --option patch_size=9": "img_size must be",
    f"{TRAIN} --precision fp16 --device cpu": "precision 'fp16' needs a GPU",
    "train --resume": "--resume needs --output",
    "train --resume --output nowhere": "output nowhere holds no run to go on with",
    "evaluate": "the following arguments are required: WEIGHTS",
    "evaluate nothing.safetensors": "there is no file nothing.safetensors",
    "evaluate .": ". is a folder",
}


@pytest.mark.parametrize("call", WRONG)
def test_a_wrong_call_gets_one_line_and_writes_nothing(call, capsys, empty_folder):
    assert main(call.split()) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("flatten-edu: ") and WRONG[call] in streams.err
    assert streams.err.count("\n") == 1
    assert list(empty_folder.iterdir()) == []


def test_a_file_that_holds_no_weights_is_refused(capsys, empty_folder):
    (empty_folder / "letter.safetensors").write_text("not weights")
    assert main(["evaluate", "letter.safetensors"]) == 2
    assert "letter.safetensors is no safetensors file" in capsys.readouterr().err


def test_a_folder_of_a_run_is_answered_with_its_weights(finished, capsys):
    assert main(["evaluate", str(finished)]) == 2
    assert f"did you mean {finished / 'best.safetensors'}?" in capsys.readouterr().err


def test_an_output_that_holds_a_run_is_left_alone(finished, capsys):
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    assert main([*TRAIN.split(), "--output", str(finished)]) == 2
    assert "already holds a run: go on with it by --resume" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


def test_a_mistake_in_a_users_function_shows_where_it_is(empty_folder, monkeypatch):
    (empty_folder / "mine_with_a_mistake.py").write_text(
        "def attention(q, k, v):\n    raise TypeError('my own mistake')\n"
    )
    monkeypatch.syspath_prepend(empty_folder)
    with pytest.raises(TypeError, match="my own mistake"):
        main([*TRAIN.split(), "--attention", "mine_with_a_mistake:attention"])


def test_words_become_the_arguments_of_train():
    call = call_of(
        {"model": "pvt_tiny", "data": "digits", "attention": "focused,linear,softmax,softmax",
         "option": ["class_token=True", "positions=sincos"], "epochs": 3, "output": "here"}
    )  # fmt: skip
    assert call == {
        "model": "pvt_tiny", "data": "digits", "epochs": 3, "output": "here",
        "attention": ["focused", "linear", "softmax", "softmax"],
        "class_token": True, "positions": "sincos",
    }  # fmt: skip


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


ROW = {"epoch": 1, "train_loss": 1.0, "validation_accuracy": 0.5, "test_accuracy": 0.5,
       "seconds": 2.0}  # fmt: skip


def test_a_terminal_gets_a_bar_with_a_rate():
    stream = Terminal()
    bar = make_progress(stream)
    assert isinstance(bar, Bar)
    bar.begin(epochs=2, steps=3, batch_size=16, done=0)
    for step in range(3):
        bar.step(1, 1.5 if step == 0 else None)
    bar.bar.refresh()
    bar.epoch(ROW)
    bar.end()
    text = stream.getvalue()
    assert "epoch 1 loss 1.500" in text and "images/s" in text and "50%" in text
    assert "epoch 1/2  train loss 1.000  validation 50.0 %  test 50.0 %  2 s" in text


def test_a_pipe_gets_a_line_an_epoch():
    stream = io.StringIO()
    lines = make_progress(stream)
    lines.begin(epochs=2, steps=3, batch_size=16, done=0)
    lines.step(1, 1.5)
    lines.epoch(ROW)
    lines.end()
    said = "epoch 1/2  train loss 1.000  validation 50.0 %  test 50.0 %  2 s"
    line = re.fullmatch(rf"{re.escape(said)}  (\d+) images/s  (\d+) s left\n", stream.getvalue())
    assert line and int(line[1]) > 0


@pytest.mark.long
def test_the_first_command_learns_digits_in_three_minutes(capsys, empty_folder):
    assert main(EXAMPLE.split()[1:]) == 0
    text = capsys.readouterr().out
    found = re.search(r"test accuracy (\S+) % with last", text)
    assert found and float(found[1]) >= 96, text
    seconds = re.search(r"trained in (\d+) s", text)
    assert seconds and int(seconds[1]) <= 180, text


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error there")
def test_a_reader_who_has_seen_enough_ends_a_command_without_a_word():
    words = [sys.executable, "-m", "flatten_edu", "models", "deit"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout and process.stderr
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 141


def test_models_are_listed_beside_the_papers_figures(capsys):
    assert main(["models", "deit"]) == 0
    table = capsys.readouterr().out
    assert "| deit_tiny | softmax | 224 | 5.7 (5.7) |" in table
    assert main(["models", "resnet"]) == 2
    assert "no model begins with 'resnet'" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["models", "probe softmax", "bench --quick", "doctor"])
def test_ctrl_c_ends_a_command_in_one_line(words, monkeypatch, capsys):
    name = words.split()[0]

    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module(f"flatten_edu.commands.{name}"), "run", interrupted)
    assert main(words.split()) == 130
    assert capsys.readouterr().err == "flatten-edu: stopped\n"
