"""What a training run learns from: samples in three parts, and the names of the classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.data import Dataset

Augment = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


class Samples(Dataset):
    """Inputs and labels that are held in memory, one beside the other.

    Args:
        images: b c y x, float32 between 0 and 1.
        labels: b, int64, numbers of classes.

    Raises:
        ValueError: if there are not as many labels as images.

    >>> few = Samples(torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 1]))
    >>> len(few), few[2][1]
    (3, tensor(1))
    """

    # Names of what could not be read so far, found while it was read; see `Stream`.
    skipped: Set[str] = frozenset()

    def __init__(self, images: Tensor, labels: Tensor):
        if len(images) != len(labels):
            raise ValueError(
                f"images and labels must be as many, but are {len(images)} and {len(labels)}"
            )
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One image c y x and its label."""
        return self.images[index], self.labels[index]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """A batch at once: images b c y x and labels b."""
        chosen = torch.as_tensor(indices)
        return self.images[chosen], self.labels[chosen]

    def drawn(self, seed: int, crop: float = 1.0) -> Samples:
        """These samples as an epoch sees them: what is cut while reading depends on the seed."""
        return self


@dataclass(frozen=True)
class Data:
    """Samples to train on, to choose with, and to judge by; no image is in two of them.

    Args:
        name: what the data is called in results.
        train: what a model learns from.
        validation: what choices are made on (the recipe, the best epoch).
        test: what the result is measured on, once everything is chosen.
        classes: names of the classes; their number is the number of outputs.
        augment: a change of a training batch, (images, labels, generator) -> images, labels, or
            None. It draws from the generator alone, so that a run can be repeated.
        centre, spread: mean and standard deviation of each channel, by which images are scaled
            when a model sees them; None where they are left between 0 and 1.
        broken: images that cannot be read and are in none of the parts. Those of a stream are
            found as it is read; its parts' `skipped` names them.
    """

    name: str
    train: Samples
    validation: Samples
    test: Samples
    classes: tuple[str, ...]
    augment: Augment | None = field(default=None, compare=False)
    centre: tuple[float, ...] | None = None
    spread: tuple[float, ...] | None = None
    broken: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many images there are, the broken ones included."""
        parts = {id(part): part for part in (self.train, self.validation, self.test)}
        return sum(len(part) for part in parts.values()) + len(self.broken)

    @property
    def channels(self) -> int:
        """Channels c of an image."""
        return self.train[0][0].shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of an image."""
        height, width = self.train[0][0].shape[-2:]
        return height, width
