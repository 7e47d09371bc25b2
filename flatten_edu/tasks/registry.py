"""Tasks by name: `list_tasks()` says which there are, `load_task(name)` makes one."""

import inspect
from collections.abc import Callable

from ..backbones.registry import check_name, nearest
from .colours import colours
from .digits import mnist5k
from .task import Task
from .textures import textures
from .tokens import copy_far, copy_near, copy_wrapped, recall

_TASKS: dict[str, Callable[..., Task]] = {
    made.__name__: made
    for made in (mnist5k, textures, colours, recall, copy_near, copy_far, copy_wrapped)
}


def list_tasks() -> list[str]:
    """The names that `load_task` knows.

    >>> list_tasks()
    ['mnist5k', 'textures', 'colours', 'recall', 'copy_near', 'copy_far', 'copy_wrapped']
    """
    return list(_TASKS)


def load_task(name: str, **options) -> Task:
    """A task by name.

    Args:
        name: one of `list_tasks()`.
        options: what the task takes, such as tokens=16 for "recall".

    Raises:
        ValueError: for an unknown name; the line has the nearest.
        TypeError: for an option that the task does not have; likewise.

    >>> load_task("recall", tokens=16).data.test[0][0].shape
    torch.Size([16, 24])
    """
    check_name("task", name, _TASKS)
    known = list(inspect.signature(_TASKS[name]).parameters)
    for option in options:
        if option not in known:
            has = f"did you mean {nearest(option, known)!r}" if known else "it takes none"
            raise TypeError(f"task {name} has no option {option!r}; {has}")
    return _TASKS[name](**options)
