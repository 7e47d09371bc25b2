"""What folders of images and data sets by name promise: any kind of file, nothing silently lost."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest
import torch
from pictures_on_disk import BROKEN, write_pictures
from PIL import Image
from small_runs import equal, learned, same, without_time, words

from flatten_edu.__main__ import main
from flatten_edu.data import load_data
from flatten_edu.data.cutting import middle_box, random_box
from flatten_edu.data.parting import divided, stream_data
from flatten_edu.data.pictures import standard
from flatten_edu.data.reading import open_picture
from flatten_edu.data.streams import Stream
from flatten_edu.training import train
from flatten_edu.training.progress import Quiet

SMALL = {"patch_size": 8, "depth": 1, "width": 24, "size": 32, "device": "cpu", "batch_size": 16}


class Heard(Quiet):
    """Keeps the lines that a run says."""

    def __init__(self):
        self.notes = []

    def note(self, line):
        self.notes.append(line)


SAID = f"3 of 200 images cannot be read and are skipped: {', '.join(BROKEN)}"


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """What `datasets` remembers of the folder stays in the test's own place; no network."""
    datasets = pytest.importorskip("datasets")
    patch = pytest.MonkeyPatch()
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    patch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("pictures"))


def test_a_folder_trains_and_its_broken_files_are_named(folder):
    heard = Heard()
    result = train("deit_nano", str(folder), epochs=2, crop=0.5, flip=0.5, progress=heard, **SMALL)
    assert result.skipped == BROKEN
    assert heard.notes == [SAID, SAID]  # as soon as it is known, and at the end
    assert result.rows[-1]["train_loss"] < result.rows[0]["train_loss"]
    assert result.test_accuracy > 0.9


def test_the_parts_of_a_folder_are_stratified_and_hold_each_readable_file_once(folder):
    data = load_data(str(folder), 16)
    parts = data.train, data.validation, data.test
    rows = torch.cat([part.rows for part in parts])
    assert len(rows) == 197 == len(rows.unique()) and data.classes == ("cats", "dogs")
    assert [len(part) for part in parts] == [157, 20, 20]
    assert all(part.labels.bincount().diff().abs() <= 1 for part in parts)
    again = load_data(str(folder), 16)
    assert again.train.rows.equal(data.train.rows)


def test_broken_files_are_named_below_a_folder_that_is_named_from_here(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert load_data(folder.name, 16).broken == BROKEN


def test_parts_that_stand_there_are_kept(tmp_path):
    for part in ("train", "val", "test"):
        write_pictures(tmp_path / part, 10)
    data = load_data(str(tmp_path), 16)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [10, 10, 10]
    assert data.broken == () and data.size == (16, 16)


def rows_of(**counts):
    return {part: torch.arange(count) for part, count in counts.items()}


def test_a_missing_part_comes_from_the_training_images():
    labels = torch.tensor([0, 1] * 50)
    whole = divided(rows_of(train=100), labels)
    assert [len(rows) for _, rows in whole.values()] == [80, 10, 10]
    tested = divided(rows_of(train=100, test=30), labels)
    assert {part: (place, len(rows)) for part, (place, rows) in tested.items()} == {
        "train": ("train", 90), "test": ("test", 30), "validation": ("train", 10),
    }  # fmt: skip
    # ImageNet's way: nothing is taken away from the training images.
    as_published = divided(rows_of(train=100, validation=30, test=0), labels)
    assert {part: len(rows) for part, (_, rows) in as_published.items()} == {
        "train": 100, "validation": 30,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["saved", "words"])
def test_what_save_to_disk_wrote_trains_without_a_network(folder, tmp_path, kind, monkeypatch):
    import datasets

    def refuse(*args, **kwargs):
        raise AssertionError("a saved data set wanted the network")

    whole = datasets.load_dataset("imagefolder", data_dir=str(folder), split="train")
    whole = whole.cast_column("image", datasets.Image(decode=False))
    if kind == "words":
        names = whole.features["label"].names
        words = [names[number] for number in whole["label"]]
        whole = whole.remove_columns("label").add_column("label", words)
    whole.save_to_disk(str(tmp_path / "saved"))
    monkeypatch.setattr("socket.socket.connect", refuse)
    result = train("deit_nano", str(tmp_path / "saved"), epochs=1, **SMALL)
    assert len(result.skipped) == 3 and len(result.rows) == 1


def names_in(part) -> list[str]:
    """The files of a stream's part, in its order."""
    return [part.name(part.row(index)["image"]) for index in range(len(part))]


def test_a_stream_holds_what_the_folder_holds(folder):
    still, stream = load_data(str(folder), 16), load_data(f"stream:{folder}", 16)
    parts = stream.train, stream.validation, stream.test
    assert [len(part) for part in parts] == [160, 20, 20] and stream.classes == still.classes
    labels = [part.__getitems__(range(len(part)))[1] for part in parts]
    assert torch.cat(labels).add(1).bincount().tolist() == [3, 99, 98]
    assert set().union(*(part.skipped for part in parts)) == set(BROKEN)


def test_a_stream_is_read_in_the_order_of_its_seed_from_any_place(folder):
    train_part = load_data(f"stream:{folder}", 16).train
    whole, labels = train_part.drawn(7).__getitems__(range(40))
    later, _ = train_part.drawn(7).__getitems__(range(20, 40))
    assert later.equal(whole[20:])
    assert not train_part.drawn(8).__getitems__(range(40))[1].equal(labels)


def test_a_stream_of_several_files_keeps_its_parts_apart_in_every_order(folder):
    import datasets

    whole = datasets.load_dataset("imagefolder", data_dir=str(folder), split="train")
    whole = whole.cast_column("image", datasets.Image(decode=False))
    files = whole.to_iterable_dataset(num_shards=7)
    data = stream_data(f"stream:{folder}", {"train": files}, ("image", "label"), ("a", "b"), 16)
    judged = {*names_in(data.validation), *names_in(data.test)}
    orders = [names_in(data.train.drawn(seed)) for seed in range(4)]
    assert len(judged) == 40
    assert all(len(set(order)) == 160 and not judged & set(order) for order in orders)
    assert orders[1] != orders[2]


def test_a_picture_without_a_name_is_counted_once_in_every_order():
    part = Stream([], "image", "label", 3, 16, scaled=False)
    rows = [{"image": {"path": None, "bytes": content}, "label": 0} for content in (b"a", b"b")]
    for order in (rows, rows[::-1]):
        part.source, part.iterator = order, None
        assert part.__getitems__([0, 1])[1].tolist() == [-1, -1]
    assert len(part.skipped) == 2 and all("without a name" in name for name in part.skipped)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_trains_and_its_broken_files_are_named_at_the_end(folder, workers):
    heard, call = Heard(), SMALL | {"workers": workers, "accumulate": 16}
    result = train("deit_nano", f"stream:{folder}", epochs=1, mixup=0.8, cutmix=1.0,
                   progress=heard, **call)  # fmt: skip
    assert result.finished and result.test_accuracy > 0.5
    assert result.skipped == BROKEN and heard.notes == [SAID]


@pytest.mark.parametrize("kind", ["", "stream:"])
def test_evaluate_names_what_it_skips(folder, kind, tmp_path, capsys):
    train("deit_nano", f"{kind}{folder}", epochs=1, output=tmp_path / "run", **SMALL)
    assert main(["evaluate", str(tmp_path / "run" / "last.safetensors"), "--part", "train"]) == 0
    said = capsys.readouterr().out
    assert "images cannot be read and are skipped: " in said and "dogs/130.jpg" in said


def test_a_stream_that_was_stopped_still_names_what_it_skipped(folder, tmp_path):
    call = SMALL | {"epochs": 2, "output": tmp_path / "run"}
    steps = iter(range(1, 100))
    first = train("deit_nano", f"stream:{folder}", stop=lambda: next(steps) == 10, **call)
    again = train("deit_nano", f"stream:{folder}", resume=True, **call)
    assert not first.finished and again.finished
    assert first.skipped and again.skipped == BROKEN


def test_a_stream_that_is_shorter_than_it_says_is_said():
    part = Stream(
        [{"image": {"path": None, "bytes": b""}, "label": 0}], "image", "label", 3, 16, True
    )
    with pytest.raises(ValueError, match="the stream ended after 1 of 3 images"):
        part.__getitems__([0, 1, 2])


@pytest.fixture(scope="module")
def saved(folder, tmp_path_factory):
    """The folder as `save_to_disk` writes it."""
    import datasets

    path = tmp_path_factory.mktemp("saved") / "data"
    whole = datasets.load_dataset("imagefolder", data_dir=str(folder), split="train")
    whole.cast_column("image", datasets.Image(decode=False)).save_to_disk(str(path))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["{folder}", "stream:{folder}", "{saved}"])
def test_how_many_processes_read_changes_nothing(folder, saved, name):
    name = name.format(folder=folder, saved=saved)
    call = SMALL | {"epochs": 2, "crop": 0.3, "randaugment": 2, "mixup": 0.8}
    alone, helped = (train("deit_nano", name, workers=workers, **call) for workers in (0, 2))
    assert same(alone.model, helped.model)
    assert without_time(alone.rows) == without_time(helped.rows)


@pytest.mark.slow
def test_a_signal_to_all_processes_stops_a_run_with_its_readers_between_two_steps(folder, tmp_path):
    how = words(SMALL | {"workers": 2, "epochs": 6})
    call = f"--model deit_nano --data {folder} {how} --output run".split()
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    start = partial(subprocess.Popen, cwd=tmp_path, env=environment, text=True,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    program = [sys.executable, "-u", "-m", "flatten_edu", "train"]
    process = start([*program, *call], start_new_session=True)
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch 1/6"):
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGTERM)
    errors = process.communicate(timeout=120)[1]
    assert process.returncode == 128 + signal.SIGTERM, errors
    resumed = start([*program, "--resume", "--output", "run"])
    assert resumed.communicate(timeout=120) and resumed.returncode == 0
    assert main(["train", *call[:-1], str(tmp_path / "whole")]) == 0
    assert equal(learned(tmp_path / "run"), learned(tmp_path / "whole"))


def test_every_kind_of_file_becomes_red_green_and_blue(tmp_path):
    clear = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    deep = Image.new("I;16", (2, 2), 32768)
    kinds = {
        "grey.png": (Image.new("L", (2, 2), 100), (100, 100, 100)),
        "clear.png": (clear, (255, 255, 255)),
        "deep.png": (deep, (128, 128, 128)),
        "inks.tif": (Image.new("CMYK", (2, 2), (0, 255, 255, 0)), (255, 0, 0)),
        "palette.png": (Image.new("RGB", (2, 2), (0, 200, 0)).convert("P"), (0, 200, 0)),
    }
    for name, (picture, expected) in kinds.items():
        picture.save(tmp_path / name)
        opened = open_picture({"path": str(tmp_path / name), "bytes": None})
        near = [abs(a - b) for a, b in zip(opened.getpixel((0, 0)), expected, strict=True)]
        assert opened.mode == "RGB" and max(near) <= 6, name


def test_a_random_cut_lies_inside_and_has_its_share_of_the_area():
    numbers = torch.Generator().manual_seed(0)
    areas = []
    for _ in range(300):
        left, upper, right, lower = random_box((60, 40), 0.2, numbers)
        assert 0 <= left < right <= 60 and 0 <= upper < lower <= 40
        assert 0.74 < (right - left) / (lower - upper) < 1.34
        areas.append((right - left) * (lower - upper) / 2400)
    assert 0.2 - 1e-6 < min(areas) < 0.25 and max(areas) > 0.8
    assert random_box((1000, 2), 0.5, numbers) == (499, 0, 501, 2)


def test_the_middle_is_cut_as_the_papers_do():
    assert middle_box((256, 256), 224) == (16, 16, 240, 240)
    assert middle_box((32, 32), 32) == (0, 0, 32, 32)


def test_pictures_are_scaled_once_for_those_who_judge_and_after_changes_for_those_who_learn(folder):
    data = load_data(str(folder), 16)
    assert data.train[0][0].min() >= 0 and data.train[0][0].max() <= 1
    own = data.validation
    own.scaled = False
    plain = own[0][0]
    own.scaled = True
    assert (own[0][0].allclose(standard(plain)) and own[0][0].min() < 0) or own[0][0].max() > 1


def test_cuts_depend_on_the_seed_and_the_picture_alone(folder):
    train_part = load_data(str(folder), 16).train
    one = train_part.drawn(3, 0.3).__getitems__([4, 5, 6])[0]
    assert one[2].equal(train_part.drawn(3, 0.3).__getitems__([6])[0][0])


def one_class(root):
    write_pictures(root, 8)
    for path in (root / "dogs").iterdir():
        path.unlink()
    (root / "dogs").rmdir()


def two_pictures(root):
    for name in ("cats", "dogs"):
        (root / name).mkdir()
        Image.new("RGB", (9, 5)).save(root / name / "1.png")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, "holds no images in class folders, such as .*cats/1.jpg"),
        (lambda root: (root / "notes.txt").write_text("no image"), "holds no images"),
        (two_pictures, "no images for validation .*: a tenth of each class goes there, of five"),
        (one_class, "must hold images and labels .*two classes at least"),
    ],
    ids=["empty", "text", "two pictures", "one class"],
)
def test_a_folder_that_cannot_be_learned_from_is_said_in_one_line(make, message, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    make(tmp_path / "data")
    words = f"train --model deit_nano --data {tmp_path / 'data'} --output {tmp_path / 'run'}"
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    import re

    assert re.search(message, error), error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["./nowhere/at/all", "./nowhere", "../nowhere"])
def test_a_folder_that_is_not_there_is_said_in_one_line(name, capsys):
    assert main(["train", "--model", "deit_nano", "--data", name]) == 2
    error = capsys.readouterr().err
    assert error == f"flatten-edu: data {name!r} is no folder and no name of a data set\n"


@pytest.mark.slow
def test_without_network_and_cache_a_name_is_said_in_one_line(tmp_path):
    words = "train --model deit_nano --data cifar10 --output run"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "flatten_edu", *words.split()],
        capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "'cifar10' is neither a folder here nor in the cache" in done.stderr
    assert not (tmp_path / "run").exists()
