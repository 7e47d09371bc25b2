"""Parts of a data set of pictures become `Data`, without the pictures that are broken.

Where a part is missing it is taken from the training images. Only ImageNet's way is kept as it is:
a validation part and no test part is both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .pictures import CENTRE, SPREAD, Pictures, numbers_of
from .reading import name_of, unreadable
from .samples import Data, Samples
from .split import split_indices
from .streams import STREAM, Stream

PARTS = ("train", "validation", "test")
# Shares of the training images that validation and test take where there are none of their own.
SHARES = {"validation": 0.1, "test": 0.1}


def missing_of(parts: Sequence[str]) -> list[str]:
    """The parts that are to be taken from the training images.

    >>> missing_of(["train"]), missing_of(["train", "test"]), missing_of(["train", "validation"])
    (['validation', 'test'], ['validation'], [])
    """
    return [] if "validation" in parts else [part for part in SHARES if part not in parts]


def still_data(
    name: str,
    parts: dict[str, Any],
    columns: tuple[str, str],
    classes: tuple[str, ...],
    size: int,
    checked: bool,
) -> Data:
    """`Data` of parts that lie still.

    Args:
        name: of the data.
        parts: train and others -> a `datasets.Dataset` whose images are not decoded.
        columns: names of images and labels.
        classes: their names.
        size: height and width of the images.
        checked: whether to look for broken images first.
    """
    column, label = columns
    labels = {part: torch.tensor(source[label][:]).long() for part, source in parts.items()}
    bad = {part: unreadable(parts[part], column) if checked else [] for part in parts}
    broken = [
        name_of(parts[part][row][column], f"{part} {row}", Path(name))
        for part in parts
        for row in bad[part]
    ]
    rows = {part: good_rows(labels[part], bad[part]) for part in parts}
    places = divided(rows, labels["train"])
    pictures = {}
    for part, (place, chosen) in places.items():
        if not len(chosen):
            why = "" if part in parts else ": a tenth of each class goes there, of five images on"
            raise ValueError(f"data {name!r} has no images for {part} that can be read{why}")
        pictures[part] = Pictures(
            parts[place], column, labels[place], chosen, size, scaled=part != "train"
        )
    return put_together(name, pictures, classes, tuple(broken))


def good_rows(labels: Tensor, bad: list[int]) -> Tensor:
    """Numbers of the rows that have a label (secret ones are -1) and are not broken."""
    left_out = set(bad)
    return numbers_of(row for row in range(len(labels)) if row not in left_out and labels[row] >= 0)


def divided(rows: dict[str, Tensor], labels: Tensor) -> dict[str, tuple[str, Tensor]]:
    """For each part, in which of the given parts its rows stand, and their numbers."""
    there = {part: chosen for part, chosen in rows.items() if len(chosen) or part == "train"}
    missing = missing_of(list(there))
    shares = (SHARES[part] if part in missing else 0.0 for part in ("validation", "test"))
    cut = split_indices("pictures", labels[there["train"]], *shares)
    found = {part: (part, chosen) for part, chosen in there.items()}
    found["train"] = ("train", there["train"][cut[0]])
    for part, mine in (("validation", cut[1]), ("test", cut[2])):
        if part in missing:
            found[part] = ("train", there["train"][mine])
    return found


def stream_data(
    name: str,
    parts: dict[str, Any],
    columns: tuple[str, str],
    classes: tuple[str, ...],
    size: int,
) -> Data:
    """`Data` of streams: of every ten training images one goes to each part that is missing."""
    if "validation" in parts:  # ImageNet's test labels are secret
        parts = {part: parts[part] for part in ("train", "validation")}
    digits = dict(zip(missing_of(list(parts)), (9, 8), strict=False))
    train, length = parts["train"], length_of(parts["train"])
    root, streams = Path(name.removeprefix(STREAM)), {}
    for part in PARTS:
        if part == "train" or part in digits:
            kept = {digits[part]} if part in digits else set(range(10)) - set(digits.values())
            source = tenths(train, length, kept)
            count = sum(number % 10 in kept for number in range(length))
        elif part in parts:
            source, count = parts[part], length_of(parts[part])
        else:
            continue
        if not count:
            raise ValueError(
                f"data {name!r} has no images for {part}: of every ten images of a stream one goes "
                "there; it needs more images, or to be read without stream:"
            )
        streams[part] = Stream(source, *columns, count, size, part != "train", root)
    return put_together(name, streams, classes)


def tenths(source: Any, length: int, kept: set[int]) -> Any:
    """The rows of a stream whose number ends in one of these digits."""
    if len(kept) == 10:
        return source
    # `take` keeps the files of the stream in their order when it is shuffled. Else rows would have
    # other numbers in each epoch, and those of one part would come into another.
    return source.take(length).filter(partial(ends_in, kept), with_indices=True)


def ends_in(kept: set[int], row: dict, number: int) -> bool:
    """Whether the number of a row ends in one of these digits."""
    return number % 10 in kept


def length_of(source: Any) -> int:
    """How many rows a stream has: what it says of itself, or counted once."""
    said = (source.info.splits or {}).get(str(source.split))
    return said.num_examples if said is not None else sum(1 for _ in source)


def put_together(
    name: str, parts: dict[str, Samples], classes: tuple[str, ...], broken: tuple[str, ...] = ()
) -> Data:
    """The parts as `Data`; without a test part the validation part is both."""
    test = parts.get("test", parts["validation"])
    return Data(
        name,
        parts["train"],
        parts["validation"],
        test,
        classes,
        centre=CENTRE,
        spread=SPREAD,
        broken=broken,
    )
