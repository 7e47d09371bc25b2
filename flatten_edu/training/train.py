"""One call that trains: a model and data by name, one recipe, results written as they come.

result = train("deit_nano", "mnist5k", attention="focused", epochs=12, output="runs/focused")
result.test_accuracy
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ..checkpoints import load_checkpoint
from ..data import Data, load_data
from ..data.pictures import Pictures
from ..data.reading import report
from .about import describe
from .build import Plan, plan_for, sort_settings
from .checks import check_run, check_seed, check_workers
from .device import Device, open_device, threads_for
from .folder import RunFolder
from .learner import parameters_of
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
        skipped: names of the images that could not be read.
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
            Streams have none.
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
    check_workers(workers)
    data = load_data(data, recipe.size) if isinstance(data, str) else data
    plan = plan_for(model, data, options, arm) if isinstance(model, str) else Plan(None)
    module = plan.build(seed) if isinstance(model, str) else model
    if weights is not None and not resume:
        load_checkpoint(module, weights)
    place = open_device(device, recipe.precision)
    check_run(module, data, recipe, place.processes)
    about = describe(plan, module, data, recipe, seed, place)
    if weights is not None:
        about["weights"] = str(weights)
    folder = RunFolder(output, about, resume, writes=place.first)
    if not isinstance(progress, Quiet):
        progress = make_progress() if progress and place.first else Quiet()
    if data.broken:
        progress.note(report(data.broken, data.count))
    helpers = readers(data, place) if workers is None else workers
    loop = Loop(module, data, recipe, seed, place, folder, progress, stop, helpers)
    with threads_for(module, place):
        finished = loop.run()
    result = result_of(loop, finished)
    if result.skipped:
        progress.note(report(result.skipped, data.count))
    return result


def result_of(loop: Loop, finished: bool) -> Result:
    """What came of a loop that ran."""
    trained, place = loop.learner.release(), loop.position
    return Result(
        trained,
        place.rows,
        place.best if place.rows else None,
        parameters_of(trained),
        loop.folder.path,
        finished,
        loop.device.first,
        (*loop.data.broken, *sorted(place.skipped)),
    )


def readers(data: Data, place: Device) -> int:
    """How many processes read images: what is in memory, or goes to a CPU, needs none."""
    if place.device.type == "cpu" or not isinstance(data.train, Pictures):
        return 0
    return min(8, (os.cpu_count() or 1) // place.processes)
