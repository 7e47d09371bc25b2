"""Data by name: `list_data()` says which there are, `load_data(name)` loads one."""

import dataclasses
import os
from collections.abc import Callable
from functools import partial

import torch.nn.functional as F

from ..backbones.registry import check_name
from .digits import digits, mnist5k
from .named import HUB, is_pictures, load_pictures
from .samples import Data, Samples

_DATA: dict[str, Callable[[], Data]] = {"mnist5k": mnist5k, "digits": digits}


def list_data() -> list[str]:
    """The names that `load_data` knows.

    >>> list_data()
    ['mnist5k', 'digits']
    """
    return list(_DATA)


def load_data(name: str, size: int = 0) -> Data:
    """Data by name, divided into train, validation and test.

    Args:
        name: one of `list_data()`; or a folder of class folders, "cifar10", "imagenet" or
            another name that `datasets` knows (see `flatten_edu.data.named`).
        size: height and width of the images; 0 leaves them as they are (folders: 224).

    Returns:
        `Data` with images b c y x in float32 between 0 and 1 (not shifted or scaled further),
        labels in int64 and names of the classes.

    Raises:
        ValueError: for an unknown name; the line has the nearest.
        ImportError: if the package that brings the images is missing; the line names the extra.

    >>> data = load_data("digits")
    >>> data.test.images.shape, data.classes[:3]
    (torch.Size([359, 1, 8, 8]), ('0', '1', '2'))
    """
    if isinstance(name, (str, os.PathLike)) and str(name) not in _DATA and is_pictures(str(name)):
        return load_pictures(str(name), size)
    check_name("data", name, [*_DATA, *HUB])
    return resized(_DATA[name](), size)


def resized(data: Data, size: int) -> Data:
    """The same images at another size; 0 leaves them as they are.

    >>> resized(load_data("digits"), 16).size
    (16, 16)
    """
    if not size or data.size == (size, size):
        return data
    parts = {name: getattr(data, name) for name in ("train", "validation", "test")}
    scale = partial(F.interpolate, size=size, mode="bilinear", antialias=True)
    new = {name: Samples(scale(part.images), part.labels) for name, part in parts.items()}
    return dataclasses.replace(data, **new)
