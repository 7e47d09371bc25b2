"""Damaged pictures are left out by name, and what passes the first look can be read to its end.

A folder of any kind gives data or one line, and stays as it is.
"""

import io
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from strange import damaged, judge

from flatten_edu.data import load_data
from flatten_edu.data.reading import is_readable, open_picture
from flatten_edu.training import train

FILES = 2_000
SIDES = (13, 9)


def picture(mode="RGB", kind="PNG", sides=SIDES, **options) -> bytes:
    """A small picture of noise as a file."""
    numbers = np.random.default_rng(0).integers(0, 256, (*sides[::-1], 4), dtype=np.uint8)
    image = Image.fromarray(numbers, "RGBA")
    image = (
        image.convert("RGB").convert(mode) if mode not in ("RGBA", "LA") else image.convert(mode)
    )
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def with_orientation() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a picture"
    return picture(kind="JPEG", exif=exif)


def deep() -> bytes:
    """16 bits a pixel."""
    stream = io.BytesIO()
    Image.fromarray(np.arange(117, dtype=np.uint16).reshape(9, 13) * 500).save(stream, "PNG")
    return stream.getvalue()


KINDS = {
    "a.jpg": picture(kind="JPEG"),
    "exif.jpg": with_orientation(),
    "cmyk.jpg": picture("CMYK", "JPEG"),
    "a.png": picture(),
    "alpha.png": picture("RGBA"),
    "grey.png": picture("LA"),
    "palette.png": picture("P", transparency=3),
    "bits.png": picture("1"),
    "deep.png": deep(),
    "a.gif": picture("P", "GIF"),
    "a.bmp": picture(kind="BMP"),
    "a.tif": picture(kind="TIFF"),
    "packed.tif": picture(kind="TIFF", compression="tiff_lzw"),
    "a.webp": picture(kind="WEBP"),
    "a.ppm": picture(kind="PPM"),
}


def look_at(content: bytes) -> bool:
    """What passes the first look is read to its end; nothing else may happen."""
    entry = {"path": "x/a.png", "bytes": content}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not is_readable(entry):
            return False
        found = open_picture(entry)
    assert found.mode == "RGB" and min(found.size) > 0
    return True


def look_at_damaged(count: int) -> float:
    kept = 0
    for number in range(count):
        name = list(KINDS)[number % len(KINDS)]
        try:
            kept += look_at(damaged(KINDS[name], random.Random(number)))
        except Exception as error:
            raise AssertionError(f"{name}, damage {number}: {error!r}") from error
    return kept / count


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_picture_is_read(name):
    assert look_at(KINDS[name])


def test_a_damaged_picture_is_found_at_the_first_look_or_can_be_read():
    assert 0.1 < look_at_damaged(300) < 0.9


@pytest.mark.long
def test_2000_damaged_pictures_are_found_at_the_first_look_or_can_be_read():
    assert 0.1 < look_at_damaged(FILES) < 0.9


def bomb() -> bytes:
    """A file of a few bytes that says it holds 10^10 pixels."""
    content = bytearray(picture(kind="BMP"))
    content[18:26] = (100_000).to_bytes(4, "little") * 2
    return bytes(content)


def test_a_picture_that_claims_ten_billion_pixels_is_left_out():
    assert not look_at(bomb())


@pytest.fixture
def classes(tmp_path):
    """Two class folders with eight pictures each."""
    for name in ("cats", "dogs"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(8):
            (tmp_path / "data" / name / f"{number}.png").write_bytes(KINDS["a.png"])
    return tmp_path / "data"


def test_broken_pictures_of_every_kind_are_left_out_by_name_and_the_rest_trains(classes):
    for number, (name, content) in enumerate(KINDS.items()):
        (classes / "cats" / f"cut_{name}").write_bytes(content[: len(content) // 3])
        (classes / "dogs" / f"{number}_{name}").write_bytes(content)
    (classes / "cats" / "none.jpg").write_bytes(b"")
    (classes / "cats" / "bomb.bmp").write_bytes(bomb())
    data = load_data(str(classes), size=8)
    told = set(data.broken)
    assert {"cats/none.jpg", "cats/bomb.bmp", "cats/cut_a.jpg"} <= told
    assert not any(name.startswith("dogs") for name in told)
    every = [
        part[n][0] for part in (data.train, data.validation, data.test) for n in range(len(part))
    ]
    assert all(image.isfinite().all() and image.shape == (3, 8, 8) for image in every)
    assert len(every) + len(told) == 16 + 2 * len(KINDS) + 2
    size = {"patch_size": 4, "depth": 1, "width": 12, "heads": 1}
    assert train("deit_nano", data, epochs=1, batch_size=16, **size).rows[-1]["train_loss"] > 0


def a_file(folder: Path) -> None:
    folder.write_text("a file")


def nothing(folder: Path) -> None:
    folder.mkdir()


def one_class(folder: Path) -> None:
    put(folder / "cats" / "1.png")


def no_class(folder: Path) -> None:
    put(folder / "1.png")


def no_pictures(folder: Path) -> None:
    put(folder / "cats" / "1.txt", b"text")
    put(folder / "dogs" / "1.txt", b"text")


def all_broken(folder: Path) -> None:
    for name in ("cats", "dogs"):
        for number in range(8):
            put(folder / name / f"{number}.png", b"x")


def few(folder: Path) -> None:
    put(folder / "cats" / "1.png")
    put(folder / "dogs" / "1.png")


def a_folder_for_a_picture(folder: Path) -> None:
    few(folder)
    (folder / "cats" / "2.png").mkdir()


def round_and_round(folder: Path) -> None:
    few(folder)
    (folder / "cats" / "again").symlink_to(folder)
    (folder / "dogs" / "lost.png").symlink_to(folder / "nowhere")


def other_classes(folder: Path) -> None:
    for part, name in (("train", "cats"), ("train", "dogs"), ("test", "birds")):
        for number in range(8):
            put(folder / part / name / f"{number}.png")


def odd_names(folder: Path) -> None:
    for name in ("a b", "ä%20", "#", "[x]", "*", "'", "{y}"):
        for number in range(8):
            put(folder / name / f"{number}?*[a].png")


def saved_badly(folder: Path) -> None:
    put(folder / "dataset_dict.json", b"{")


def saved_otherwise(folder: Path) -> None:
    put(folder / "dataset_dict.json", b'{"splits": ["train"]}')


def state_of_nothing(folder: Path) -> None:
    put(folder / "state.json", b"[]")


def metadata(folder: Path) -> None:
    few(folder)
    put(folder / "metadata.csv", b"file_name,label\ncats/1.png,a\nnowhere.png,b\n")


def metadata_of_bytes(folder: Path) -> None:
    few(folder)
    put(folder / "metadata.jsonl", b"\xff\x00{")


def put(path: Path, content: bytes = KINDS["a.png"]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


STRANGE = [a_file, nothing, one_class, no_class, no_pictures, all_broken, few,
           a_folder_for_a_picture, round_and_round, other_classes, odd_names, saved_badly,
           saved_otherwise, state_of_nothing, metadata, metadata_of_bytes]  # fmt: skip


@pytest.mark.parametrize("make", STRANGE, ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    "prefix",
    [pytest.param("", id="still"), pytest.param("stream:", id="stream", marks=pytest.mark.slow)],
)
def test_a_strange_folder_gives_data_or_one_line(make, prefix, tmp_path):
    folder = tmp_path / "strange"
    make(folder)
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}

    def samples():
        data = load_data(f"{prefix}{folder}", size=8)
        return torch.stack([data.train[0][0], data.validation[0][0], data.test[0][0]])

    found = judge(samples, ("data", "folder"), seconds=60)
    assert found is None or found.isfinite().all()
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_pictures_are_read_where_no_cache_can_be_written(classes, tmp_path, monkeypatch):
    import datasets

    (tmp_path / "a_file").write_text("where a home should be")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "a_file" / "cache"))
    data = load_data(str(classes), size=8)
    assert len(data.train) + len(data.validation) + len(data.test) == 16


@pytest.mark.parametrize("place", ["/", "~"])
def test_a_whole_disk_or_home_is_not_searched_for_pictures(place, tmp_path, monkeypatch):
    """It once went through every file of the machine."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ValueError, match=r"a whole disk or home, .* name the folder of class"):
        load_data(str(Path(place).expanduser()))
