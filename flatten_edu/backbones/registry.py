"""Models by name: `list_models()` says which there are, `create_model(name, ...)` makes one."""

import difflib
import inspect
from collections.abc import Iterable

from torch import nn

from ..attention.checks import shown

_MODELS: dict[str, tuple[type[nn.Module], dict]] = {}


def register(name: str, family: type[nn.Module], **settings) -> None:
    """Make a family with these settings known under a name."""
    _MODELS[name] = (family, settings)


def list_models(family: str = "") -> list[str]:
    """The names that `create_model` knows, those of one family if its name is given.

    >>> list_models("deit")
    ['deit_tiny', 'deit_small', 'deit_base', 'deit_nano']
    """
    if not isinstance(family, str):
        raise TypeError(f"family must be a word, such as 'swin', not {shown(family)}")
    return [name for name in _MODELS if family in ("", name.rpartition("_")[0])]


def create_model(name: str, **options) -> nn.Module:
    """A backbone by name, with fresh weights.

    Args:
        name: one of `list_models()`.
        options: what all families take: `attention` ("softmax", "linear", "focused", a function
            (q, k, v), a list with one entry a stage, or a list of lists with one entry a block),
            `num_classes`, `in_chans`, `img_size` (a number or (height, width)), `p`,
            `kernel_size`, `depthwise`, `drop_path`; and what the family takes besides (see its
            class).

    Returns:
        A module: images b c y x -> b classes.

    Raises:
        ValueError: for an unknown name; the line has the nearest.
        TypeError: for an option that the family does not have; likewise.
        MemoryError: if a network of this size does not fit into memory.

    >>> create_model("deit_nano", attention="softmax")(torch.randn(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """
    check_name("model", name, _MODELS)
    family, settings = _MODELS[name]
    known = options_of(family)
    for option in options:
        if option not in known:
            raise TypeError(
                f"{name} has no option {option!r}; did you mean {nearest(option, known)!r}? "
                f"It takes {', '.join(known)}"
            )
    try:
        return family(**(settings | options))
    except RuntimeError as error:
        if "allocate" not in str(error):
            raise
        raise MemoryError(f"{name} with these options does not fit into memory") from error


def options_of(family: type[nn.Module]) -> list[str]:
    """What a family takes by name, and what it hands on to the classes that it is made from."""
    options: list[str] = []
    for part in family.__mro__:
        if "__init__" in vars(part):
            parameters = inspect.signature(part.__init__).parameters.values()
            named = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
            options += [name for name in named if name not in ("self", *options)]
            if all(each.kind is not each.VAR_KEYWORD for each in parameters):
                break
    return options


def check_name(what: str, name: str, known: Iterable[str]) -> None:
    """Raise a ValueError in one line unless the name is known; the line has the nearest.

    >>> check_name("model", "deit_tinny", ["deit_tiny", "swin_tiny"])
    Traceback (most recent call last):
        ...
    ValueError: unknown model 'deit_tinny'; did you mean 'deit_tiny'? Known are deit_tiny, swin_tiny
    """
    names = list(known)
    if not isinstance(name, str) or name not in names:
        near = nearest(name if isinstance(name, str) else "", names)
        raise ValueError(
            f"unknown {what} {shown(name)}; did you mean {near!r}? Known are {', '.join(names)}"
        )


def nearest(word: str, known: list[str]) -> str:
    """The known word that looks most like this one.

    >>> nearest("deit_tinny", ["deit_tiny", "swin_tiny"])
    'deit_tiny'
    """
    return difflib.get_close_matches(word, known, n=1, cutoff=0.0)[0]
