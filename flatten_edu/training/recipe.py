"""The recipe: one set of numbers for every arm, so that arms differ in their attention alone.

AdamW, learning rate rising evenly over the first tenth of the steps, then a cosine to 0,
gradients clipped to a norm of 1. What large data needs besides (paper, section 5: RandAugment,
mixup, CutMix, random erasing, averaged weights) is off until it is asked for.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

PRECISIONS = ("no", "bf16", "fp16")
# These stand in every run's words; the others only where they are used.
ALWAYS = ("epochs", "batch_size", "lr", "weight_decay", "warmup", "clip", "shift", "precision")


# The least of each whole number, and the limits of all others.
WHOLE = {"epochs": 1, "batch_size": 1, "shift": 0, "size": 0, "randaugment": 0, "accumulate": 1}
BETWEEN = {
    **dict.fromkeys(("lr", "weight_decay", "clip", "mixup", "cutmix"), (0, math.inf)),
    **dict.fromkeys(("warmup", "flip", "erasing", "label_smoothing", "ema"), (0, 1)),
    "crop": (0.01, 1),
    "magnitude": (0.1, 9.9),
}


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Every number was chosen on validation data, with the softmax arm.

    Args:
        epochs: how often every training image is seen.
        batch_size: images a step, over all processes; a smaller rest is left for other epochs.
        lr: largest learning rate, reached at the end of the warm-up.
        weight_decay: of AdamW, on matrices; biases, norms and positions have none.
        warmup: share of the steps in which the learning rate rises, from 0 to 1.
        clip: largest norm of the gradient of all parameters; 0 leaves it as it is.
        shift: images are moved by up to this many pixels each way, with black where they leave.
        precision: "no" for float32, or "bf16" or "fp16" under autocast.
        size: height and width that images are cut and scaled to; 0 leaves it to the data.
        crop: smallest share of an image that a random crop keeps; 1 cuts the middle.
        flip: share of images that are mirrored, left to right.
        randaugment: how many of RandAugment's operations each image goes through; 0 is none.
        magnitude: how strong they are, from 0 to 10.
        erasing: share of images of which a random rectangle is blotted out.
        mixup: alpha of Beta(alpha, alpha), the share at which two images are laid over each
            other; 0 is never.
        cutmix: the same for a rectangle of another image. Of both, each batch gets one.
        label_smoothing: share of each label that is spread over all classes.
        ema: share of the old average that is kept at each step when weights are averaged; the
            average is what is measured and kept. 0 is no average.
        accumulate: parts that each batch is sent through in, one after the other, to save memory.
        compile: whether `torch.compile` translates the model first.
        checkpointing: whether blocks are computed again on the way back, to save memory.

    Raises:
        ValueError: for a number that makes no sense; the line names it.

    >>> Recipe(epochs=3).batch_size
    32
    """

    epochs: int = 20
    batch_size: int = 32
    lr: float = 3e-3
    weight_decay: float = 0.05
    warmup: float = 0.1
    clip: float = 1.0
    shift: int = 1
    precision: str = "no"
    size: int = 0
    crop: float = 1.0
    flip: float = 0.0
    randaugment: int = 0
    magnitude: float = 9.0
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    label_smoothing: float = 0.0
    ema: float = 0.0
    accumulate: int = 1
    compile: bool = False
    checkpointing: bool = False

    def __post_init__(self):
        for name, least in WHOLE.items():
            check_whole(name, getattr(self, name), least)
        for name, (low, high) in BETWEEN.items():
            check_between(name, getattr(self, name), low, high)
        for name in ("compile", "checkpointing"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False, but is {getattr(self, name)!r}")
        if self.ema == 1:
            raise ValueError("ema must be below 1, or the average never moves, but is 1")
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision must be {', '.join(map(repr, PRECISIONS))}, but is {self.precision!r}"
            )

    @staticmethod
    def names() -> list[str]:
        """The names of all settings."""
        return [field.name for field in dataclasses.fields(Recipe)]

    def words(self) -> dict[str, Any]:
        """The recipe in words that fit into a file: what is off and stands for nothing is left out.

        >>> list(Recipe(ema=0.99).words())[-2:]
        ['precision', 'ema']
        """
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name in ALWAYS or value != getattr(Recipe, name)
        }


def check_whole(name: str, value: int, least: int) -> None:
    """Raise a ValueError in one line unless the value is a whole number, and not too small."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, but is {value!r}")


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Raise a ValueError in one line unless low <= value <= high, both finite numbers."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and low <= value <= high):
        limit = f"between {low:g} and {high:g}" if math.isfinite(high) else f"at least {low:g}"
        raise ValueError(f"{name} must be a number {limit}, but is {value!r}")


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """The learning rate of a step, counted from 0: an even rise, then a cosine down to 0.

    >>> [round(learning_rate(step, 20, Recipe(lr=1.0)), 3) for step in (0, 1, 2, 11, 19)]
    [0.5, 1.0, 1.0, 0.5, 0.008]
    """
    rise = math.ceil(recipe.warmup * steps)
    if step < rise:
        return recipe.lr * (step + 1) / rise
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Parameters with and without weight decay, as AdamW takes them.

    Vectors (biases, norms) and what the model names in `no_weight_decay()` have none.
    """
    spared: set[str] = getattr(model, "no_weight_decay", set)()
    groups: tuple[list, list] = ([], [])
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[parameter.ndim < 2 or name in spared].append(parameter)
    return [
        {"params": groups[False], "weight_decay": weight_decay},
        {"params": groups[True], "weight_decay": 0.0},
    ]


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW over the groups; fused where the gradients are not scaled, which is much faster."""
    groups = parameter_groups(model, recipe.weight_decay)
    return torch.optim.AdamW(groups, lr=recipe.lr, fused=recipe.precision != "fp16")
