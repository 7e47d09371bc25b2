"""Pictures that are read when they are needed: from files or from a data set on disk, cut to size.

Training may see a random cut of each picture, drawn from the epoch's seed and the picture's number
alone: how many processes read, and where a run was stopped, changes nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from .cutting import middle_box, pixels_of, random_box
from .reading import open_picture
from .samples import Samples

# ImageNet's mean and standard deviation of red, green and blue, by which pictures are scaled.
CENTRE, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Pictures(Samples):
    """Pictures and labels of which some part of a data set consists.

    Args:
        source: a `datasets.Dataset` whose images are not decoded.
        column: the name of its images.
        labels: b, int64, the class of each row of the source.
        rows: numbers of the rows that belong to this part.
        size: height and width that each picture is cut and scaled to.
        scaled: whether CENTRE and SPREAD are applied, which training does after its changes.
    """

    def __init__(
        self, source: Any, column: str, labels: Tensor, rows: Tensor, size: int, scaled: bool
    ):
        self.source, self.column, self.size, self.scaled = source, column, size, scaled
        self.rows, self.labels = rows, labels[rows]
        self.seed, self.crop = 0, 1.0

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One picture c y x and its label."""
        images, labels = self.__getitems__([index])
        return images[0], labels[0]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """A batch at once: images b c y x and labels b."""
        images = [self.tensor(self.entry(index), index) for index in indices]
        return torch.stack(images), self.labels[torch.as_tensor(indices)]

    def entry(self, index: int) -> dict:
        """The picture's path or bytes."""
        return self.source[int(self.rows[index])][self.column]

    def tensor(self, entry: dict, index: int) -> Tensor:
        """The picture, cut: c y x in float32, between 0 and 1 unless it is scaled."""
        picture = open_picture(entry)
        if self.crop < 1:
            numbers = torch.Generator().manual_seed((self.seed + index * 2654435761) % 2**63)
            box = random_box(picture.size, self.crop, numbers)
        else:
            box = middle_box(picture.size, self.size)
        image = pixels_of(picture, box, self.size)
        return standard(image) if self.scaled else image

    def drawn(self, seed: int, crop: float = 1.0) -> Pictures:
        """The same pictures, each cut at random; see `random_box`."""
        other = copy.copy(self)
        other.seed, other.crop = seed, crop
        return other


def standard(image: Tensor) -> Tensor:
    """(image - CENTRE) / SPREAD, c y x."""
    middle, width = (image.new_tensor(row)[:, None, None] for row in (CENTRE, SPREAD))
    return (image - middle) / width


def numbers_of(rows: Iterable[int]) -> Tensor:
    """Row numbers as a tensor, also of none."""
    return torch.tensor(list(rows), dtype=torch.int64)
