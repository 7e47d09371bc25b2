"""What a run says about itself, in run.json and beside its weights."""

from __future__ import annotations

import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from torch import nn

from ..data import Data
from .build import Plan
from .device import Device
from .learner import shapes_of
from .recipe import Recipe


def describe(
    plan: Plan, module: nn.Module, data: Data, recipe: Recipe, seed: int, place: Device
) -> dict[str, Any]:
    """What run.json and the weights say about a run."""
    return plan.words() | {
        "data": data.name,
        "classes": list(data.classes),
        "recipe": recipe.words(),
        "seed": seed,
        "parameters": shapes_of(module),
        "versions": {name: installed(name) for name in ("flatten-edu", "torch", "accelerate")},
        "device": str(place.device),
        "processes": place.processes,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def installed(package: str) -> str:
    """The version of a package, or "unknown" where it runs from a folder that was not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
