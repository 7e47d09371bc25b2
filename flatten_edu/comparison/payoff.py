"""The pay-off: from how many tokens on is linear attention worth it, and what does it give up?

Textures at growing size, patch 4. At each size a training step of every arm is measured, in turn;
then every arm trains for as many steps as fit into the same time. Who needs less time for a step
learns from more mosaics: that is what linear attention has to offer, and here it must show.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from einops import rearrange

from ..arms import find_arm
from ..bench.machine import peak_memory, synchroniser
from ..tasks import Task
from ..tasks.textures import PATCH, RECIPE, textures
from ..timing import Times, samples, threads_set_to
from ..training import train
from ..training.device import check_device
from ..training.evaluation import evaluate
from .results import Results, Row
from .run import check, this_start
from .table import per_cent

ARMS = ("softmax", "softmax+dwc", "linear+dwc", "focused+dwc")
SIZES = (64, 128, 256, 512)
SECONDS = 60.0
# Heads of the network, deit_nano.
HEADS = 3
# A step holds mosaics of so many tokens together, and one mosaic at least.
TOKENS = 4096
# Test mosaics hold so many tokens together, and are six at least.
TEST_TOKENS = 65536


def payoff(
    sizes: Sequence[int] = SIZES,
    arms: Sequence[str] = ARMS,
    seeds: int = 1,
    *,
    seconds: float = SECONDS,
    output: str | Path | None = None,
    device: str = "cpu",
    command: str = "",
    report: Callable[[list[Row], int], None] = lambda rows, runs: None,
) -> list[Row]:
    """Measure and train every arm at every size, each for the same time.

    Args:
        sizes: sides of the mosaics in pixels, multiples of 4.
        arms: names of arms (see `flatten_edu.arms`).
        seeds: how many.
        seconds: what a run may take for its training steps, by their measured time.
        output: folder for comparison.json and results.jsonl, from which a stopped one goes on.
        device: "cpu" or "cuda".
        command: what was typed, kept in comparison.json.
        report: called with all rows and the number of runs, at the start and after each run.

    Returns:
        A row a run: task, arm, seed, size, tokens, batch, step_seconds, memory (MiB that a step
        takes beyond weights and input), steps, test_accuracy, mean_iou, chance. Ordered by size,
        seed and arm.

    Raises:
        ValueError: for a wrong size, arm or number, before anything runs.
    """
    if not seconds > 0:
        raise ValueError(f"seconds must be above 0, but is {seconds!r}")
    tasks = {name_of(size): about(size, seconds) for size in sorted(sizes)}
    check(list(tasks), arms, seeds, 1, None)
    check_device(device, "no")
    numbers = dict.fromkeys(("size", "tokens", "batch", "step_seconds", "steps"), (int, float))
    results = Results(output, {"tasks": tasks}, **numbers)
    runs = [(size, seed, arm) for size in sorted(sizes) for seed in range(seeds) for arm in arms]
    due = [run for run in runs if not results.has(name_of(run[0]), run[2], run[1])]
    if due:
        results.begin(this_start(command, device, 1))
    report(results.rows, len(runs))
    for size, group in itertools.groupby(due, key=lambda run: run[0]):
        left = list(group)
        costs = step_costs(size, list(dict.fromkeys(arm for *_, arm in left)), device)
        for _, seed, arm in left:
            results.add(one_run(size, arm, seed, seconds, costs[arm], device))
            report(results.rows, len(runs))
    found = {(row["size"], row["seed"], row["arm"]): row for row in results.rows}
    return [found[run] for run in runs]


def name_of(size: int) -> str:
    """What a size is called in results.

    >>> name_of(64)
    'textures 64 px'
    """
    return f"textures {size} px"


def batch_of(size: int) -> int:
    """Mosaics a step.

    >>> [batch_of(size) for size in (64, 128, 256, 512)]
    [16, 4, 1, 1]
    """
    return max(1, TOKENS // (size // PATCH) ** 2)


def about(size: int, seconds: float) -> dict[str, Any]:
    """What must be the same when a pay-off goes on; raises if there is no such size."""
    textures(size, parts={"train": 1, "validation": 1, "test": 1})
    recipe = dataclasses.replace(RECIPE, epochs=1, batch_size=batch_of(size))
    return {"options": {"size": size, "seconds": seconds}, "recipe": recipe.words()}


def step_costs(size: int, arms: Sequence[str], device: str) -> dict[str, tuple[float, float]]:
    """Seconds and MiB of a training step of each arm; the time of all is measured in turn."""
    parts = {"train": batch_of(size), "validation": 1, "test": 1}
    task = textures(size, parts)
    steps = {arm: step_of(task, arm, device) for arm in arms}
    with threads_set_to(1):
        found = samples(
            steps, rounds=2, seconds=2.0, clock=clock_of(device), finish=synchroniser(device)
        )
        return {
            arm: (statistics.median(found[arm]), peak_memory(step, device) / 2**20)
            for arm, step in steps.items()
        }


def clock_of(device: str) -> Callable[[], float]:
    """Processor time on a CPU, which other programs disturb less; the wall clock elsewhere."""
    return time.process_time if device == "cpu" else time.perf_counter


def step_of(task: Task, arm: str, device: str) -> Callable[[], object]:
    """The call that learns from one batch, all but the change of the weights."""
    model = task.build(find_arm(arm)).to(device)
    images, labels = (
        part.to(device) for part in task.data.train.__getitems__(range(len(task.data.train)))
    )

    def step() -> None:
        outputs = rearrange(model(images), "b n k -> (b n) k")
        F.cross_entropy(outputs, rearrange(labels, "b n -> (b n)")).backward()
        model.zero_grad()

    return step


def one_run(
    size: int, arm: str, seed: int, seconds: float, cost: tuple[float, float], device: str
) -> Row:
    """Train for as many steps as fit into the time, each on mosaics that are new; the row."""
    batch, tokens = batch_of(size), (size // PATCH) ** 2
    steps = max(1, round(seconds / cost[0]))
    test = max(6, TEST_TOKENS // tokens)
    task = textures(size, {"train": steps * batch, "validation": 1, "test": test})
    recipe = dataclasses.replace(task.recipe, epochs=1, batch_size=batch)
    # The loop looks at the test set after each epoch; here it is looked at once, afterwards.
    brief = dataclasses.replace(task.data, test=task.data.validation)
    result = train(task.build(arm, seed), brief, recipe=recipe, seed=seed, device=device)
    scores = evaluate(result.model, task.data.test, batch_size=batch)
    return {
        "task": name_of(size), "arm": arm, "seed": seed, "size": size, "tokens": tokens,
        "batch": batch, "step_seconds": cost[0], "memory": cost[1], "steps": steps,
        "test_accuracy": scores.accuracy, "mean_iou": scores.mean_iou,
        "chance": task.chance,
    }  # fmt: skip


def times_of(rows: Sequence[Row]) -> Times:
    """Seconds of training for each mosaic, by arm and number of tokens."""
    sizes = sorted({row["tokens"] for row in rows})
    seconds = {
        arm: tuple(
            statistics.median(
                row["step_seconds"] / row["batch"]
                for row in rows
                if (row["arm"], row["tokens"]) == (arm, tokens)
            )
            for tokens in sizes
        )
        for arm in dict.fromkeys(row["arm"] for row in rows)
    }
    return Times(tuple(sizes), seconds, 2, "training, one mosaic")


def table(rows: Sequence[Row]) -> str:
    """A line a size and arm, in Markdown: what a mosaic costs, and what a run came to."""
    heads = ("pixels", "tokens", "arm", "ms a mosaic", "MiB a mosaic", "mosaics learned from",
             "test accuracy", "mIoU")  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |"]
    for (size, arm), runs in grouped(rows).items():
        first = runs[0]
        milliseconds = 1000 * statistics.mean(row["step_seconds"] / row["batch"] for row in runs)
        seen = statistics.mean(row["steps"] * row["batch"] for row in runs)
        cells = (
            str(size), f"{first['tokens']:,}", arm, f"{milliseconds:,.0f}",
            f"{first['memory'] / first['batch']:,.0f}", f"{seen:,.0f}",
            per_cent(runs, "test_accuracy"), per_cent(runs, "mean_iou"),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def grouped(rows: Sequence[Row]) -> dict[tuple[int, str], list[Row]]:
    """Rows by size and arm, in the order in which these come."""
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["size"], row["arm"]), []).append(row)
    return groups
