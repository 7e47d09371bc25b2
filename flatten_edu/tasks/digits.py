"""Digits: the everyday task, with images, classes and a small DeiT."""

from torch import nn

from ..arms import Arm
from ..backbones.registry import create_model
from ..data import load_data
from ..training.recipe import Recipe
from .task import Task, commonest


def mnist5k() -> Task:
    """Which digit is it? Everything together, at 49 tokens of 4 x 4 pixels."""
    data = load_data("mnist5k")

    def model(arm: Arm) -> nn.Module:
        return create_model("deit_nano", **arm.options())

    return Task("mnist5k", "which digit is it?", data, Recipe(), commonest(data), model)
