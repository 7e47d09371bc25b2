"""Compare arms over seeds on tasks, by one recipe; every finished run is written down at once."""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..arms import ARMS, find_arm
from ..bench.machine import processor
from ..extras import need
from ..tasks import Task, load_task
from ..training import train
from ..training.about import installed
from ..training.augment import check_labels
from ..training.checks import check_batches, check_outputs
from ..training.device import check_device
from ..training.evaluation import evaluate
from .measure import measure
from .results import Results, Row


class Run(NamedTuple):
    """One arm with one seed on one task, in words that travel to another process."""

    task: str
    arm: str
    seed: int
    options: tuple[tuple[str, Any], ...] = ()
    changes: tuple[tuple[str, Any], ...] = ()
    device: str = "auto"


def compare(
    tasks: str | Sequence[str],
    arms: Sequence[str] = ARMS,
    seeds: int = 3,
    *,
    output: str | Path | None = None,
    jobs: int = 1,
    options: dict[str, Any] | None = None,
    device: str = "auto",
    command: str = "",
    report: Callable[[list[Row], int], None] = lambda rows, runs: None,
    **changes: Any,
) -> list[Row]:
    """Train every arm on every task with every seed, all by the task's recipe.

    Args:
        tasks: one name of `list_tasks()`, or several.
        arms: names of arms (see `flatten_edu.arms`).
        seeds: how many; seed s is the same weights' draw and order of data for each arm.
        output: folder for comparison.json and results.jsonl. If it holds some of these runs
            already, they are not run again.
        jobs: how many processes run side by side, each on one thread.
        options: options of the task, if it is one.
        device: "auto", "cpu" or "cuda".
        command: what was typed, kept in comparison.json.
        report: called with all rows and the number of runs, at the start and after each run.
        changes: settings of the recipe that differ from the task's, for every arm.

    Returns:
        A row a run: task, arm, seed, test_accuracy, validation_accuracy, train_loss, seconds,
        parameters, mean_iou (None unless the task is one of segments), and what `measure` says.
        Ordered by task, arm and seed.

    Raises:
        ValueError, TypeError: for an unknown task, arm or setting, before anything runs.

    >>> rows = compare("copy_near", ["none"], seeds=1, batch_size=1200, epochs=1)
    >>> rows[0]["arm"], rows[0]["test_accuracy"] < 0.5
    ('none', True)
    """
    names = [tasks] if isinstance(tasks, str) else list(tasks)
    check(names, arms, seeds, jobs, options)
    fixed = tuple(sorted((options or {}).items())), tuple(sorted(changes.items())), device
    runs = [Run(name, arm, seed, *fixed) for name in names for seed in range(seeds) for arm in arms]
    results = Results(output, {"tasks": settings_of(names, fixed[0], fixed[1])})
    due = [run for run in runs if not results.has(run.task, run.arm, run.seed)]
    check_runs(due)
    if due:
        results.begin(this_start(command, device, jobs))
    report(results.rows, len(runs))
    for row in in_order(due) if jobs == 1 else side_by_side(due, jobs):
        results.add(row)
        report(results.rows, len(runs))
    place = {(run.task, run.arm, run.seed): number for number, run in enumerate(runs)}
    kept = [row for row in results.rows if (row["task"], row["arm"], row["seed"]) in place]
    return sorted(
        kept, key=lambda row: (names.index(row["task"]), arms.index(row["arm"]), row["seed"])
    )


def check(
    names: list[str], arms: Sequence[str], seeds: int, jobs: int, options: dict[str, Any] | None
) -> None:
    """Raise in one line for what cannot be run, before anything is."""
    for name, value in (("seeds", seeds), ("jobs", jobs)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, but is {value!r}")
    if options and len(names) != 1:
        raise ValueError(f"options belong to one task, but there are {len(names)}: {names}")
    for kind, given in (("task", names), ("arm", arms)):
        if not given or len(set(given)) < len(given):
            raise ValueError(f"every {kind} must be named once, but they are {', '.join(given)!r}")
    for arm in arms:
        find_arm(arm)
    need("accelerate")


def check_runs(runs: Sequence[Run]) -> None:
    """Raise in one line for what a run would stop at, before any of them starts."""
    for run in {repr(run._replace(seed=0)): run for run in runs}.values():
        task = the_task(run.task, run.options, run.changes)
        check_device(run.device, task.recipe.precision)
        check_batches(task.data, task.recipe, processes=1)
        check_labels(task.recipe, task.data)
        if ":" in run.arm:  # a function of somebody's own
            check_outputs(task.build(run.arm), task.data)


_KEPT: dict[str, Task] = {}


def the_task(name: str, options: tuple, changes: tuple) -> Task:
    """The task with its recipe changed; the last two are kept, their data takes a while to make."""
    key = repr((name, options, changes))
    if key not in _KEPT:
        task = load_task(name, **dict(options))
        task = dataclasses.replace(task, recipe=dataclasses.replace(task.recipe, **dict(changes)))
        if len(_KEPT) > 1:
            _KEPT.pop(next(iter(_KEPT)))
        _KEPT[key] = task
    return _KEPT[key]


def settings_of(names: list[str], options: tuple, changes: tuple) -> dict[str, Any]:
    """What must be the same when a comparison goes on: each task's options and recipe."""
    return {
        name: {
            "options": dict(options),
            "recipe": the_task(name, options, changes).recipe.words(),
        }
        for name in names
    }


def this_start(command: str, device: str, jobs: int) -> dict[str, Any]:
    """What comparison.json keeps of each start: command, date, versions, machine."""
    cuda = device != "cpu" and torch.cuda.is_available()
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {name: installed(name) for name in ("flatten-edu", "torch")},
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if cuda else processor(),
        "cores": os.cpu_count(),
        "jobs": jobs,
    }


def one_run(run: Run) -> Row:
    """Train and measure; the row of results."""
    task = the_task(run.task, run.options, run.changes)
    model = task.build(run.arm, run.seed)
    result = train(model, task.data, recipe=task.recipe, seed=run.seed, device=run.device)
    last = result.rows[-1]
    named = ("test_accuracy", "validation_accuracy", "train_loss", "seconds")
    iou = evaluate(result.model, task.data.test).mean_iou if task.segments else None
    return (
        {"task": run.task, "arm": run.arm, "seed": run.seed}
        | {name: last[name] for name in named}
        | {"mean_iou": iou, "parameters": result.parameters, "chance": task.chance}
        | measure(result.model, task.data.test)
    )


def in_order(runs: Sequence[Run]) -> Iterator[Row]:
    """One run after the other."""
    return map(one_run, runs)


def side_by_side(runs: Sequence[Run], jobs: int) -> Iterator[Row]:
    """Several at once, each in a process of its own; rows come as they are finished."""
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=end_with_parent) as pool:
        waiting = {pool.submit(one_run, run) for run in runs}
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        finally:
            for future in waiting:
                future.cancel()


def end_with_parent() -> None:
    """Let this process end when the one that started it is killed, which cannot say so itself."""
    parent = parent_process()
    assert parent is not None

    def wait_for_it() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_for_it, daemon=True).start()
