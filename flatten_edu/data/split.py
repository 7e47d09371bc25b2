"""The fixed, stratified split: which image is for training, which for choices, which for the test.

The order inside a class is that of the SHA-256 of "name index". It depends on no library's random
numbers, so it is the same on every machine and in every year.
"""

import hashlib

import torch
from torch import Tensor

from .samples import Data, Samples


def split_indices(
    name: str, labels: Tensor, validation: float, test: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of train, validation and test, each class divided in the same shares.

    Args:
        name: name of the data set; another name gives another split.
        labels: b, whole numbers.
        validation, test: shares of each class, between 0 and 1; rounded to whole images.

    Returns:
        Three int64 tensors in rising order that share no index and hold every index.

    >>> labels = torch.tensor([0, 1] * 10)
    >>> train, validation, test = split_indices("example", labels, 0.1, 0.2)
    >>> labels[test].bincount()
    tensor([2, 2])
    """
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for label in labels.unique().tolist():
        members = sorted(
            (labels == label).nonzero().flatten().tolist(),
            key=lambda index: hashlib.sha256(f"{name} {index}".encode()).digest(),
        )
        first = round(test * len(members))
        second = first + round(validation * len(members))
        for part, chosen in zip(
            parts, (members[second:], members[first:second], members[:first]), strict=True
        ):
            part.extend(chosen)
    train, middle, last = (torch.tensor(sorted(part), dtype=torch.int64) for part in parts)
    return train, middle, last


def split(
    name: str,
    images: Tensor,
    labels: Tensor,
    classes: tuple[str, ...],
    validation: float,
    test: float,
) -> Data:
    """`Data` of these images, divided by `split_indices`."""
    parts = split_indices(name, labels, validation, test)
    train, middle, last = (Samples(images[part], labels[part]) for part in parts)
    return Data(name, train, middle, last, classes)
