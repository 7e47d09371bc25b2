"""The attention map of a network before and after it is trained on a task."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from ..analysis import record
from ..data import Samples
from ..tasks import Task
from ..training import train


def before_and_after(
    task: Task, arm: str, seed: int = 0, device: str = "auto", **changes: Any
) -> tuple[Tensor, Tensor]:
    """The maps of the last block on the first test sample, untrained and trained: h n m each.

    Args:
        task: what is learned.
        arm: name of an arm with attention.
        seed: of the weights and the order of the data.
        device: "auto", "cpu" or "cuda".
        changes: settings of the recipe that differ from the task's.

    Raises:
        ValueError: if the arm has no map.

    >>> from flatten_edu.tasks import load_task
    >>> task = load_task("recall", tokens=16)
    >>> before, after = before_and_after(task, "softmax", batch_size=4800, device="cpu")
    >>> before.shape, bool((after - before).abs().max() > 0)
    (torch.Size([4, 16, 16]), True)
    """
    model = task.build(arm, seed)
    before = last_map(model, task.data.test)
    recipe = dataclasses.replace(task.recipe, **changes)
    result = train(model, task.data, recipe=recipe, seed=seed, device=device)
    return before, last_map(result.model, task.data.test)


def last_map(model: nn.Module, samples: Samples) -> Tensor:
    """The last block's map on the first sample, h n m in float64 on the CPU."""
    device = next(model.parameters()).device
    with torch.no_grad(), record(model.eval()) as maps:
        model(samples.__getitems__([0])[0].to(device))
    return list(maps.values())[-1][0].cpu()
