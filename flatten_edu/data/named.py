"""Pictures by the name of a data set, or in a folder, through Hugging Face's `datasets`.

cifar10, imagenet, OWNER/NAME       from the hub or from its cache on this machine
a folder of class folders           itself, or below train, val and test
what save_to_disk wrote             without any network
stream:...                          the same, read as it comes
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..extras import need
from .parting import still_data, stream_data
from .samples import Data
from .streams import STREAM

# name -> (name on the hub, pixels)
HUB = {"cifar10": ("uoft-cs/cifar10", 32), "imagenet": ("ILSVRC/imagenet-1k", 224)}
SIZE = 224


def is_pictures(name: str) -> bool:
    """Whether a name of data is meant for this file.

    >>> [is_pictures(name) for name in ("cifar10", "./cats", "owner/birds", "mnist5k")]
    [True, True, True, False]
    """
    plain = name.removeprefix(STREAM)
    return plain in HUB or plain != name or bool(re.search(r"[/\\]", name)) or Path(name).is_dir()


def load_pictures(name: str, size: int = 0) -> Data:
    """Pictures in train, validation and test.

    Without a test part, 10 % of each class of the training images become one; likewise for
    validation. Only where there is a validation part and no test part (as in ImageNet, whose test
    labels are secret) one part is both: then `last` is a fair result, and `best` is not.

    Args:
        name: see above.
        size: height and width; 0 is 32 for cifar10 and 224 for all others.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if there are no images, no labels, or one class alone.
        ConnectionError: if it must be fetched and there is no network.
    """
    plain = name.removeprefix(STREAM)
    size = size or HUB.get(plain, ("", SIZE))[1]
    parts = read_parts(plain, stream=plain != name)
    first = parts["train"]
    column, label = columns_of(first, name)
    kept = need("datasets").Image(decode=False)
    parts = {part: source.cast_column(column, kept) for part, source in parts.items()}
    parts, classes = with_classes(parts, label, name)
    check_classes(classes, name)
    if plain != name:
        return stream_data(name, parts, (column, label), classes, size)
    return still_data(name, parts, (column, label), classes, size, checked=plain not in HUB)


def read_parts(plain: str, stream: bool) -> dict[str, Any]:
    """The parts of a data set under the names train, validation and test."""
    library, path = need("datasets"), Path(plain)
    saved = [path / file for file in ("dataset_dict.json", "state.json")]
    if any(file.exists() for file in saved):
        try:
            found = library.load_from_disk(str(path))
        except Exception as error:
            reason = str(error).split("\n")[0].rstrip(".")
            raise ValueError(
                f"data {plain!r} is damaged, or not what save_to_disk writes ({reason})"
            ) from error
        found = found if isinstance(found, dict) else {"train": found}
        return sorted_parts({k: v.to_iterable_dataset() if stream else v for k, v in found.items()})
    if not path.is_dir() and (plain not in HUB and not re.fullmatch(r"\w[\w.-]*/[\w.-]+", plain)):
        raise FileNotFoundError(f"data {plain!r} is no folder and no name of a data set")
    if path.is_dir() and path.resolve() in (Path.home(), Path(path.resolve().anchor)):
        raise ValueError(
            f"data {plain!r} is a whole disk or home, which takes for ever to search; name the "
            f"folder of class folders in it, such as {path / 'pictures'}"
        )
    try:
        with bars_in_a_terminal(library):
            if path.is_dir():
                name, where = "imagefolder", {"data_dir": str(path)}
            else:
                name, where = HUB.get(plain, (plain,))[0], {}
            place = cache_folder(library)
            found = library.load_dataset(name, streaming=stream, cache_dir=place, **where)
    except Exception as error:
        raise clear(error, plain, path.is_dir()) from error
    return sorted_parts(dict(found))


def cache_folder(library: Any) -> str | None:
    """Where `datasets` keeps what it has read: None is its own place, if that can be written to.

    Else it is a temporary folder, until the program ends.
    """
    own = Path(library.config.HF_DATASETS_CACHE)
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError:
        return spare_folder().name
    return None if os.access(own, os.W_OK) else spare_folder().name


@cache
def spare_folder() -> TemporaryDirectory:
    """One for the whole program, which takes it away at its end."""
    return TemporaryDirectory(prefix="flatten-edu-", ignore_cleanup_errors=True)


@contextmanager
def bars_in_a_terminal(library: Any) -> Iterator[None]:
    """In the block, progress bars stay away from logs and pipes."""
    silent = library.is_progress_bar_enabled() and not sys.stderr.isatty()
    if silent:
        library.disable_progress_bars()
    try:
        yield
    finally:
        if silent:
            library.enable_progress_bars()


def clear(error: Exception, name: str, local: bool) -> Exception:
    """What went wrong in one line, whatever class of the library's many it came as."""
    reason = str(error).split("\n")[0].rstrip(".")
    if local:
        return ValueError(
            f"data {name!r} holds no images in class folders, such as {name}/cats/1.jpg ({reason})"
        )
    return ConnectionError(
        f"data {name!r} is neither a folder here nor in the cache, and could not be fetched "
        f"({reason}); fetch it once with a network, or name a folder of class folders"
    )


def sorted_parts(found: dict[str, Any]) -> dict[str, Any]:
    """The parts by our names; one that is alone is for training."""
    names = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
    parts = {names[part]: source for part, source in found.items() if part in names}
    if "train" not in parts:
        if len(found) != 1:
            raise ValueError(f"data needs a part named train, but has {', '.join(found)}")
        parts = {"train": next(iter(found.values()))}
    return parts


def columns_of(source: Any, name: str) -> tuple[str, str]:
    """The names of the images and of the labels."""
    library, features = need("datasets"), source.features or {}
    images = [key for key, kind in features.items() if isinstance(kind, library.Image)]
    labels = [key for key, kind in features.items() if isinstance(kind, library.ClassLabel)]
    labels += [key for key in ("label", "labels", "class", "fine_label") if key in features]
    if not images or not labels:
        raise ValueError(
            f"data {name!r} must hold images and labels (a folder: one folder a class, two "
            f"classes at least), but its columns are {', '.join(features) or 'none'}"
        )
    return images[0], labels[0]


def with_classes(
    parts: dict[str, Any], label: str, name: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The parts with labels as numbers of classes, and the classes' names."""
    kind = need("datasets").ClassLabel
    if not isinstance(parts["train"].features[label], kind):
        if hasattr(parts["train"], "shuffle") and not hasattr(parts["train"], "select"):
            raise ValueError(f"data {name!r} cannot be streamed: its labels are no ClassLabel")
        words = sorted({str(value) for value in parts["train"][label]})
        named = kind(names=words)
        parts = {
            part: source.cast_column(label, need("datasets").Value("string")).cast_column(
                label, named
            )
            for part, source in parts.items()
        }
    classes = tuple(parts["train"].features[label].names)
    for part, source in parts.items():
        if tuple(source.features[label].names) != classes:
            raise ValueError(f"data {name!r} must have the same classes in train and {part}")
    return parts, classes


def check_classes(classes: tuple[str, ...], name: str) -> None:
    """Raise in one line unless there are two classes."""
    if len(classes) < 2:
        raise ValueError(
            f"data {name!r} must have at least two classes, but has {', '.join(classes)} alone"
        )
