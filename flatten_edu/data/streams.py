"""Pictures that come one after the other, without a copy on this machine first.

A stream knows its length and is read forwards. A batch is asked for by rising numbers, as from
data that lies still; going back starts the stream again.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .pictures import Pictures
from .reading import name_of

# What stands before the name of data that is to be read as a stream.
STREAM = "stream:"
# Pictures among which the next is drawn: a stream cannot be shuffled as a whole.
BUFFER = 1000


class Stream(Pictures):
    """A part of a data set that is read forwards.

    Args:
        source: a `datasets.IterableDataset` whose images are not decoded.
        column, label: names of its images and of its labels.
        length: how many rows it has.
        size, scaled: as of `Pictures`.
        root: the folder that it comes from, below which pictures have their names.
    """

    def __init__(
        self,
        source: Any,
        column: str,
        label: str,
        length: int,
        size: int,
        scaled: bool,
        root: Path | None = None,
    ):
        self.source, self.column, self.label, self.length = source, column, label, length
        self.size, self.scaled, self.root = size, scaled, root
        self.seed, self.crop = 0, 1.0
        self.next, self.iterator = 0, None
        self.skipped: set[str] = set()

    def __len__(self) -> int:
        return self.length

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """A batch at once; a broken picture is black, and its label -1, which counts nowhere."""
        images, labels = [], []
        for index in indices:
            row = self.row(index)
            try:
                images.append(self.tensor(row[self.column], index))
                labels.append(int(row[self.label]))
            except (OSError, SyntaxError, ValueError):
                self.skipped.add(self.name(row[self.column]))
                images.append(torch.zeros(3, self.size, self.size))
                labels.append(-1)
        return torch.stack(images), torch.tensor(labels)

    def name(self, entry: dict) -> str:
        """What to call a picture in every order: by its path, or by what it holds."""
        content = hashlib.sha256(entry["bytes"] or b"").hexdigest()
        return name_of(entry, f"an image without a name ({content[:8]})", self.root)

    def row(self, index: int) -> dict:
        """The row with this number, after going forwards to it."""
        if self.iterator is None or index < self.next:
            self.iterator, self.next = self.rows_again(), 0
        while True:
            row = next(self.iterator, None)
            if row is None:
                raise ValueError(f"the stream ended after {self.next} of {self.length} images")
            self.next += 1
            if self.next > index:
                return row

    def rows_again(self) -> Iterator[dict]:
        """The stream from its start, in the order of the seed; 0 leaves it as it is."""
        if not self.seed:
            return iter(self.source)
        return iter(self.source.shuffle(seed=self.seed % 2**32, buffer_size=BUFFER))

    def drawn(self, seed: int, crop: float = 1.0) -> Stream:
        """The same pictures in the order of the seed, each cut at random."""
        other = copy.copy(self)
        other.seed, other.crop, other.iterator = seed, crop, None
        return other
