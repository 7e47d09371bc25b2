"""Data by name: `list_data()` says which there are, `load_data(name)` loads one."""

from collections.abc import Callable

from ..backbones.registry import nearest
from .digits import digits, mnist5k
from .samples import Data

_DATA: dict[str, Callable[[], Data]] = {"mnist5k": mnist5k, "digits": digits}


def list_data() -> list[str]:
    """The names that `load_data` knows.

    >>> list_data()
    ['mnist5k', 'digits']
    """
    return list(_DATA)


def load_data(name: str) -> Data:
    """Data by name, divided into train, validation and test.

    Args:
        name: one of `list_data()`.

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
    if name not in _DATA:
        near = nearest(str(name), list(_DATA))
        raise ValueError(
            f"unknown data {name!r}; did you mean {near!r}? Known are {', '.join(_DATA)}"
        )
    return _DATA[name]()
