"""A task: data, a small model and a recipe that together ask one question about attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ..arms import Arm, find_arm
from ..data import Data
from ..training.order import derive, own_randomness
from ..training.recipe import Recipe


@dataclass(frozen=True)
class Task:
    """One ability, and how it is asked for; the same for every arm.

    Args:
        name: what it is called in results.
        question: what a token or an image has to answer, in a few words.
        data: samples to train on, to choose with, and to judge by.
        recipe: how every arm is trained.
        chance: test accuracy of who always gives the commonest answer.
        model: makes the network around an arm, with fresh weights.
        segments: whether the classes are regions of an image, so that mean IoU says something.
    """

    name: str
    question: str
    data: Data
    recipe: Recipe
    chance: float
    model: Callable[[Arm], nn.Module]
    segments: bool = False

    def build(self, arm: str | Arm, seed: int = 0) -> nn.Module:
        """The network of an arm, with weights that depend on the seed alone."""
        arm = find_arm(arm) if isinstance(arm, str) else arm
        with own_randomness():
            torch.manual_seed(derive(seed, "weights"))
            return arm.finish(self.model(arm))


def commonest(data: Data) -> float:
    """The share of the commonest class among the test labels."""
    labels = data.test.__getitems__(range(len(data.test)))[1].flatten()
    counts = labels[labels >= 0].bincount()
    return float(counts.max() / counts.sum())
