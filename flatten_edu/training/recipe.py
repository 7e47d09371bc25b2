"""The recipe: one set of numbers for every arm, so that arms differ in their attention alone.

AdamW, learning rate rising evenly over the first tenth of the steps, then a cosine to 0,
gradients clipped to a norm of 1.
"""

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import nn

PRECISIONS = ("no", "bf16", "fp16")


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

    def __post_init__(self):
        for name, least in (("epochs", 1), ("batch_size", 1), ("shift", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(
                    f"{name} must be a whole number of at least {least}, but is {value!r}"
                )
        for name, low, high in (
            ("lr", 0, math.inf),
            ("weight_decay", 0, math.inf),
            ("warmup", 0, 1),
            ("clip", 0, math.inf),
        ):
            check_between(name, getattr(self, name), low, high)
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision must be {', '.join(map(repr, PRECISIONS))}, but is {self.precision!r}"
            )

    @staticmethod
    def names() -> list[str]:
        """The names of all settings."""
        return [field.name for field in dataclasses.fields(Recipe)]


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
