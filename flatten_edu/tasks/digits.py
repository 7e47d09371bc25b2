"""Digits: the everyday task, with images, classes and a small DeiT."""

from torch import nn

from ..arms import Arm
from ..backbones.registry import create_model
from ..data import load_data
from ..training.recipe import Recipe
from .network import start_linear, waves
from .task import Task, commonest

# Chosen on the validation digits, with the softmax arm.
RECIPE = Recipe(epochs=12, lr=5e-3)


def mnist5k() -> Task:
    """Which digit is it? Everything together, at 49 tokens of 4 x 4 pixels.

    The first weights are those of the probes, for every arm alike: with the published ones, what a
    patch holds is small beside its place, and softmax needs twice as many epochs.
    """
    data = load_data("mnist5k")

    def model(arm: Arm) -> nn.Module:
        made = create_model("deit_nano", **arm.options())
        start_linear(made)
        nn.init.normal_(made.patch_embed.weight)  # pyright: ignore
        made.pos_embed.data = waves(48, (7, 7))  # pyright: ignore[reportAttributeAccessIssue]
        return made

    return Task("mnist5k", "which digit is it?", data, RECIPE, commonest(data), model)
