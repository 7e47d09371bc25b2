"""What is promised of files: whole or not there, a full disk is told, and two runs do not mix."""

import errno
import json
import os
import subprocess
import sys

import pytest

from flatten_edu import files
from flatten_edu.files import hold, let_go, save_weights, write_text, written_whole
from flatten_edu.training import train

SIZE = {"patch_size": 4, "depth": 1, "width": 24, "batch_size": 256, "epochs": 1}


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_text(tmp_path / "note.txt", "old")
    monkeypatch.setattr(files.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_text(tmp_path / "note.txt", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
    assert (tmp_path / "note.txt").read_text() == "old"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
def test_a_writer_that_is_interrupted_leaves_nothing(error, tmp_path):
    with pytest.raises(error), written_whole(tmp_path / "note.txt") as part:
        part.write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_run_on_a_full_disk_says_so_in_one_line(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    first = files.os.fsync
    calls = iter([first])
    monkeypatch.setattr(files.os, "fsync", lambda file: next(calls, full_disk)(file))
    with pytest.raises(OSError) as caught:
        train("deit_nano", "digits", output=folder, **SIZE)
    line = str(caught.value)
    assert "No space left on device" in line and "--resume" in line and "\n" not in line
    assert json.loads((folder / "run.json").read_text())["model"] == "deit_nano"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no lock on a folder")
def test_a_folder_that_is_held_keeps_a_second_run_out(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    code = (
        "import sys; from flatten_edu.files import hold; hold(sys.argv[1]); "
        "print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout and other.stdout.readline() == "held\n"
        with pytest.raises(FileExistsError, match="being written by another run"):
            train("deit_nano", "digits", output=folder, **SIZE)
        assert list(folder.iterdir()) == []
    finally:
        other.kill()  # as a run that is killed: its folder is free again
        other.communicate()
    assert train("deit_nano", "digits", output=folder, **SIZE).finished
    let_go(hold(folder))  # a run that has ended holds nothing


def test_weights_are_whole_or_not_there(tmp_path, monkeypatch):
    import torch

    save_weights(tmp_path / "w.safetensors", {"a": torch.ones(2)}, {"n": 1})
    before = (tmp_path / "w.safetensors").read_bytes()
    monkeypatch.setattr(files.os, "replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_weights(tmp_path / "w.safetensors", {"a": torch.zeros(2)}, {"n": 2})
    assert (tmp_path / "w.safetensors").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
