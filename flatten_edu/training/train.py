"""One call that trains: a model and data by name, one recipe, results written as they come.

result = train("deit_nano", "mnist5k", attention="focused", epochs=12, output="runs/focused")
result.test_accuracy
"""

from __future__ import annotations

import dataclasses
import datetime
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..checkpoints import load_checkpoint
from ..data import Data, load_data
from ..data.pictures import Pictures
from ..data.reading import report
from .build import Plan, plan_for, sort_settings
from .device import Device, open_device, threads_for
from .folder import RunFolder
from .learner import parameters_of, shapes_of
from .loop import Loop
from .progress import Quiet, make_progress
from .recipe import Recipe


@dataclass(frozen=True)
class Result:
    """What came of a run.

    Args:
        model: the trained model, with its last weights, in evaluation mode.
        rows: metrics of each epoch, as in metrics.jsonl.
        best: the row with the highest validation accuracy.
        parameters: how many numbers the model learns.
        output: the folder that holds everything, or None.
        finished: False if the run was stopped before its end.
        first: whether this process is the one that writes; of several, one.
        skipped: images that could not be read.
    """

    model: nn.Module
    rows: list[dict[str, float]]
    best: dict[str, float] | None
    parameters: int
    output: Path | None
    finished: bool
    first: bool = True
    skipped: tuple[str, ...] = ()

    @property
    def test_accuracy(self) -> float:
        """Of the last weights, between 0 and 1."""
        return self.rows[-1]["test_accuracy"]


def train(
    model: str | nn.Module,
    data: str | Data,
    *,
    seed: int = 0,
    output: str | Path | None = None,
    resume: bool = False,
    device: str = "auto",
    progress: bool | Quiet = False,
    stop: Callable[[], bool] = lambda: False,
    recipe: Recipe | None = None,
    workers: int | None = None,
    weights: str | Path | None = None,
    arm: str | None = None,
    **settings: Any,
) -> Result:
    """Train a model on data by the recipe.

    The same seed gives the same weights and metrics, bit for bit on a CPU with the same versions
    (and, for models of a million parameters and more, the same number of threads). Random numbers
    outside are left alone.

    Args:
        model: a name of `list_models()`, or a module images b c y x -> outputs b k.
        data: a name of `list_data()`, a folder of class folders, another name that `load_data`
            knows, or `Data`.
        seed: of the first weights, the order of the data, and everything else that is drawn.
        output: a new folder for run.json, metrics.jsonl, best.safetensors, last.safetensors and
            state.pt; None writes nothing.
        resume: whether to go on with the run that `output` holds.
        device: "auto" takes a GPU if there is one; "cpu" or "cuda".
        progress: True shows a bar in a terminal, and lines elsewhere.
        stop: asked after each step; where it says True the run ends, ready to be resumed.
        recipe: how to train; None is the default recipe.
        workers: processes that read images; None is none on a CPU, and up to 8 beside a GPU.
        weights: a file of weights to start from, as `load_checkpoint` takes it.
        arm: name of an arm (see `flatten_edu.arms`), in the place of attention and depthwise.
        settings: single numbers of the recipe (epochs, batch_size, lr, ...); all others are
            options of `create_model` (attention, p, depthwise, ...).

    Returns:
        `Result`, with the trained model and the metrics of every epoch.

    Raises:
        ValueError, TypeError: for an unknown name or a number that makes no sense.
        FileExistsError: if `output` holds another run.
        FloatingPointError: if the loss is not finite any more.

    >>> result = train("deit_nano", "digits", attention="linear", epochs=1, patch_size=2)
    >>> sorted(result.rows[0])[:4]
    ['epoch', 'learning_rate', 'seconds', 'test_accuracy']
    """
    changes, options = sort_settings(model, settings)
    recipe = dataclasses.replace(recipe or Recipe(), **changes)
    check_seed(seed)
    data = load_data(data, recipe.size) if isinstance(data, str) else data
    plan = plan_for(model, data, options, arm) if isinstance(model, str) else Plan(None)
    module = plan.build(seed) if isinstance(model, str) else model
    if weights is not None and not resume:
        load_checkpoint(module, weights)
    place = open_device(device, recipe.precision)
    check_batches(data, recipe, place.processes)
    check_size(data, recipe)
    check_outputs(module, data)
    about = describe(plan, module, data, recipe, seed, place)
    if weights is not None:
        about["weights"] = str(weights)
    folder = RunFolder(output, about, resume, writes=place.first)
    if not isinstance(progress, Quiet):
        progress = make_progress() if progress and place.first else Quiet()
    if data.broken:
        progress.note(report(data.broken, images_of(data)))
    helpers = readers(data, place) if workers is None else workers
    loop = Loop(module, data, recipe, seed, place, folder, progress, stop, helpers)
    with threads_for(module, place):
        finished = loop.run()
    rows = loop.position.rows
    best = loop.position.best if rows else None
    trained = loop.learner.release()
    return Result(
        trained,
        rows,
        best,
        parameters_of(module),
        folder.path,
        finished,
        place.first,
        data.broken,
    )


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


def images_of(data: Data) -> int:
    """How many images there are, the broken ones included."""
    parts = {id(part): part for part in (data.train, data.validation, data.test)}
    return sum(len(part) for part in parts.values()) + len(data.broken)


def readers(data: Data, place: Device) -> int:
    """How many processes read images: what is in memory, or goes to a CPU, needs none."""
    if place.device.type == "cpu" or not isinstance(data.train, Pictures):
        return 0
    return min(8, (os.cpu_count() or 1) // place.processes)


def check_size(data: Data, recipe: Recipe) -> None:
    """Raise in one line if `Data` that was given has another size than the recipe asks for."""
    if recipe.size and data.size != (recipe.size, recipe.size):
        raise ValueError(
            f"size must be that of the images of {data.name}, {data.size[0]} x {data.size[1]}, "
            f"but is {recipe.size}; leave it out"
        )


def check_seed(seed: int) -> None:
    """Raise in one line unless the seed is a whole number."""
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be a whole number, not {seed!r}")


def check_batches(data: Data, recipe: Recipe, processes: int) -> None:
    """Raise in one line unless a batch can be filled and shared out evenly."""
    if recipe.batch_size > len(data.train):
        raise ValueError(
            f"batch_size must be at most the {len(data.train)} training samples of {data.name}, "
            f"but is {recipe.batch_size}"
        )
    if recipe.batch_size % processes:
        near = max(recipe.batch_size // processes, 1) * processes
        raise ValueError(
            f"batch_size must be a multiple of the {processes} processes, "
            f"but is {recipe.batch_size}; the nearest is {near}"
        )


@torch.no_grad()
def check_outputs(module: nn.Module, data: Data) -> None:
    """Run one sample through, so that what does not fit is said before anything is written."""
    images, labels = data.validation.__getitems__([0])
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    training = module.training
    outputs = module.eval()(images.to(device))
    module.train(training)
    expected = (*labels.shape, len(data.classes))
    if not isinstance(outputs, Tensor) or tuple(outputs.shape) != expected:
        found = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(
            f"model must give outputs {expected} for one sample of {data.name} "
            f"(one a class), but gives {found}"
        )
