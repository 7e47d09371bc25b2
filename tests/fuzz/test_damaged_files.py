"""Damaged and hostile files get one line with their name; no code in them runs.

What was found by these tests, and has a test of its own below: a key of a checkpoint with a line
break broke the line; a description in a file of weights that is no JSON object ended in a
traceback; so did a run.json or a state.pt that says something else than `train` writes.
"""

import io
import json
import os
import pickle
import random
import zipfile

import pytest
import torch
from safetensors.torch import save_file
from strange import damaged, judge

import flatten_edu as fe
from flatten_edu.__main__ import main
from flatten_edu.files import read_about, save_weights
from flatten_edu.training import load_trained, train

FILES = 2_000
MODEL = fe.create_model("deit_nano", depth=1, width=24, heads=2, patch_size=7)


class Hostile:
    """What makes a pickle run a command when it is read."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"echo ran > '{self.marker}'",)


def pt_bytes(content) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def safetensors_bytes(folder, about=None) -> bytes:
    save_weights(folder / "plain.safetensors", MODEL.state_dict(), about or {"model": "deit_nano"})
    return (folder / "plain.safetensors").read_bytes()


def header(entries, data=b"\0" * 16) -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + data


def hostile_files(folder) -> dict[str, bytes]:
    """Files made to do harm, by name."""
    evil = pickle.dumps(Hostile(folder / "marker"))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("../../escaped", b"out")
        archive.writestr("archive/data.pkl", evil)
        archive.writestr("archive/version", b"3")
    offsets = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 2**62]}
    return {
        "pickle.pt": evil,
        "pickle.pth": evil,
        "zip.pt": zipped.getvalue(),
        "in_a_dict.pt": pt_bytes({"model": MODEL.state_dict(), "x": Hostile(folder / "marker")}),
        "module.pt": pt_bytes(torch.nn.Linear(2, 2)),
        "list.pt": pt_bytes([1, 2]),
        "huge_header.safetensors": (2**60).to_bytes(8, "little") + b"{}",
        "far_offsets.safetensors": header({"head.bias": offsets}),
        "negative.safetensors": header(
            {"head.bias": {"dtype": "F32", "shape": [-2, 2], "data_offsets": [0, 16]}}
        ),
        "enormous.safetensors": header(
            {"head.bias": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 16]}}
        ),
        "strange_type.safetensors": header(
            {"head.bias": {"dtype": "X9", "shape": [4], "data_offsets": [0, 16]}}
        ),
        "pickle.safetensors": evil,
        "empty.safetensors": b"",
        "empty.pt": b"",
        "text.pt": b"a letter\n",
        "nested.safetensors": b'{"a":' * 5000,
        "no_end.pt": b"PK\x03\x04" + b"\0" * 64,
        "about.safetensors": header({"__metadata__": {"flatten_edu": "[1, 2"}}, b""),
        "about_list.safetensors": header({"__metadata__": {"flatten_edu": "[1, 2]"}}, b""),
    }


def read(path):
    """Everything that reads a file of weights, one after the other."""
    stem = path.name
    before = {name: value.clone() for name, value in MODEL.state_dict().items()}
    names = (stem, *stem.split("."), "checkpoint", "weights", "file")
    loaded = judge(lambda: fe.load_checkpoint(MODEL, path), names)
    if loaded is None:  # all or nothing
        assert all(torch.equal(before[n], value) for n, value in MODEL.state_dict().items())
    if path.suffix == ".safetensors":
        judge(lambda: read_about(path), names)
        judge(lambda: load_trained(path), names)
    MODEL.load_state_dict(before)


def read_damaged(folder, count):
    contents = {
        "weights.safetensors": safetensors_bytes(folder),
        "weights.pt": pt_bytes(MODEL.state_dict()),
        "wrapped.pth": pt_bytes({"model": MODEL.state_dict(), "epoch": 3}),
    }
    for number in range(count):
        name = list(contents)[number % len(contents)]
        (folder / name).write_bytes(damaged(contents[name], random.Random(number)))
        read(folder / name)
    assert {path.name for path in folder.iterdir()} <= {*contents, "plain.safetensors"}


def test_hostile_files_get_one_line_and_run_nothing(tmp_path):
    for name, content in hostile_files(tmp_path).items():
        (tmp_path / name).write_bytes(content)
        read(tmp_path / name)
        assert not (tmp_path / "marker").exists(), name
    assert not (tmp_path.parent / "escaped").exists()


def test_damaged_weights_get_one_line(tmp_path):
    read_damaged(tmp_path, 45)


@pytest.mark.long
def test_2000_damaged_weights_get_one_line(tmp_path):
    read_damaged(tmp_path, FILES)


def test_a_key_with_a_line_break_stays_in_one_line():
    with pytest.raises(ValueError) as caught:
        fe.load_checkpoint(MODEL, {"a\nb": 1, "head.bias": torch.zeros(10)})
    assert "\n" not in str(caught.value) and r"'a\nb'" in str(caught.value)


@pytest.mark.parametrize("about", ["[1]", "{", "null", '{"model": 3}', '{"model": "deit_nano"}'])
def test_a_description_that_is_none_is_told(about, tmp_path, capsys):
    save_file(MODEL.state_dict(), tmp_path / "w.safetensors", metadata={"flatten_edu": about})
    assert main(["evaluate", str(tmp_path / "w.safetensors")]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and "w.safetensors" in told.err


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    size = {"patch_size": 4, "depth": 1, "width": 24}
    train("deit_nano", "digits", epochs=1, batch_size=256, output=folder, **size)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


RESUME = {
    "run.json": [b"", b"[]", b"{}", b"{", b"\xff\xfe", b"null", b'{"recipe": 3}', b'"x"'],
    "state.pt": [b"", b"x", pt_bytes([1]), pt_bytes({"rows": "["}), pt_bytes({"rows": "[]"})],
}


@pytest.mark.parametrize(
    ("name", "content"), [(name, content) for name in RESUME for content in RESUME[name]]
)
def test_a_damaged_run_is_told_and_left_as_it_is(name, content, finished, tmp_path, capsys):
    for file, whole in (finished | {name: content}).items():
        (tmp_path / file).write_bytes(whole)
    assert main(["train", "--resume", "--output", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and name in told.err, told.err
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after == finished | {name: content}
