"""Puts the library back as it was when a student's function has replaced parts of it."""

import builtins
import contextlib
import math
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import einops
import torch

OF_TORCH = ("torch", "torch.nn", "torch.nn.functional", "torch.linalg", "torch.special")


def _places() -> dict[str, Any]:
    """What is watched, by name: modules, and the class of tensors."""
    names = [name for name in sys.modules if name.split(".")[0] == "flatten_edu"]
    modules = {name: sys.modules[name] for name in (*OF_TORCH, *names) if name in sys.modules}
    others = {"einops": einops, "builtins": builtins, "math": math, "torch.Tensor": torch.Tensor}
    return modules | others


@contextlib.contextmanager
def library_restored() -> Iterator[list[str]]:
    """Restore torch, einops and this package after the block, and settings of the process.

    Yields:
        A list that names, after the block, what had been replaced.

    >>> with library_restored() as replaced:
    ...     torch.softmax = None
    >>> replaced, torch.softmax is None
    (['torch.softmax'], False)
    """
    before = {name: (place, dict(vars(place))) for name, place in _places().items()}
    dtype, random = torch.get_default_dtype(), torch.get_rng_state()
    folder, environment, modules = os.getcwd(), dict(os.environ), dict(sys.modules)
    replaced: list[str] = []
    try:
        yield replaced
    finally:
        for name, (place, old) in before.items():
            replaced.extend(f"{name}.{key}" for key in _restore(place, old))
        sys.modules.update(modules)
        if os.getcwd() != folder:
            os.chdir(folder)
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
        torch.set_default_dtype(dtype)
        torch.set_rng_state(random)


def is_special(key: str, place: Any, old: dict[str, Any]) -> bool:
    """Whether a name such as __add__ belongs to what is watched."""
    special = key.startswith("__") and key.endswith("__")
    return special and (isinstance(place, type) or key in old)


def _restore(place: Any, old: dict[str, Any]) -> list[str]:
    """Put back what was replaced or removed; what was imported meanwhile may stay."""
    now = dict(vars(place))
    public = {key for key in (*old, *now) if not key.startswith("_") or is_special(key, place, old)}
    changed = [key for key in public if now.get(key, place) is not old.get(key, place)]
    changed = [key for key in changed if key in old or not isinstance(now[key], ModuleType)]
    for key in changed:
        if key in old:
            setattr(place, key, old[key])
        else:  # it would hide an inherited or a built-in name
            delattr(place, key)
    return sorted(changed)
