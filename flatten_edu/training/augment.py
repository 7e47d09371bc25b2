"""Changes of a training batch, as the paper's recipe has them, through kornia.

RandAugment, random erasing, mixup and CutMix; and mirrors. Everything is drawn from one seed a
step, so that a run that was stopped goes on with the numbers that it would have had.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from einops import rearrange, reduce, repeat
from torch import Tensor

from ..data import Data
from ..extras import need
from .order import own_randomness
from .recipe import Recipe

# Settings that change images so that a label for each of their places would be wrong.
MOVING = ("size", "crop", "flip", "randaugment", "erasing", "mixup", "cutmix")
# Kornia's RandAugment counts strength from 0 to 30, the literature from 0 to 10.
KORNIAS = 3


class Augment:
    """What the recipe does to a batch before a model learns from it.

    Args:
        recipe: what is asked for; where it asks for nothing, batches stay as they are.
        data: what it is done to.

    Raises:
        ImportError: if kornia is missing where it is needed; the line names the extra.
        ValueError: if images have a label for each place, which must move with the image.
    """

    def __init__(self, recipe: Recipe, data: Data):
        self.recipe, self.classes = recipe, len(data.classes)
        self.centre, self.spread = data.centre, data.spread
        check_labels(recipe, data)
        # Pictures are cut when they are read.
        crop = recipe.crop < 1 and isinstance(getattr(data.train, "images", None), Tensor)
        self.first = first_changes(recipe, data.size if crop else None)
        mixes = recipe.mixup or recipe.cutmix
        self.idle = not (self.first or recipe.erasing or mixes or self.centre)
        self.erase = None
        if recipe.erasing:
            module = need("kornia.augmentation").RandomErasing
            self.erase = module(scale=(0.02, 0.33), ratio=(0.3, 3.3), p=recipe.erasing)

    def __call__(self, images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Images b c y x and labels b -> images, and labels b or shares of classes b k."""
        if self.idle:
            return images, labels
        with own_randomness(images.device), torch.no_grad():
            torch.manual_seed(seed)
            for change in self.first:
                images = change(images)
            images = scaled(images, self.centre, self.spread)
            if self.erase is not None:
                images = self.erase(images)
            return self.mix(images, labels)

    def mix(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mixup or CutMix, by the toss of a coin if the recipe has both."""
        mixup, cutmix = self.recipe.mixup, self.recipe.cutmix
        if not (mixup or cutmix):
            return images, labels
        kornia, keys = need("kornia.augmentation"), ["input", "class"]
        if mixup and not (cutmix and float(torch.rand(())) < 0.5):
            share = float(torch.distributions.Beta(mixup, mixup).sample())
            change = kornia.RandomMixUpV2(lambda_val=(share, share), data_keys=keys)
            mixed, pairs = change(images, labels)
        else:
            change = kornia.RandomCutMixV2(
                beta=cutmix, same_on_batch=True, use_correct_lambda=True, data_keys=keys
            )
            mixed, pairs = change(images, labels)
            # Kornia gives the share of the own image here, and of the other one above.
            one, other, own = rearrange(pairs, "1 b three -> three b")
            pairs = rearrange([one, other, 1 - own], "three b -> b three")
        return mixed, shares(pairs, self.classes).to(images)


def shares(pairs: Tensor, classes: int) -> Tensor:
    """Shares of classes b k, from rows (label, other label, share of the other).

    A label below 0 counts for no class.

    >>> shares(torch.tensor([[0.0, 2.0, 0.25]]), 3)
    tensor([[0.7500, 0.0000, 0.2500]])
    """
    numbers = torch.arange(classes, device=pairs.device)
    one, other = (rearrange(pairs[:, column].long(), "b -> b 1") == numbers for column in (0, 1))
    return torch.lerp(one.float(), other.float(), rearrange(pairs[:, 2], "b -> b 1").float())


def scaled(
    images: Tensor, centre: tuple[float, ...] | None, spread: tuple[float, ...] | None
) -> Tensor:
    """(images - centre) / spread, a number a channel; as they are where there is none.

    >>> scaled(torch.ones(1, 1, 1, 2), (0.5,), (0.25,))
    tensor([[[[2., 2.]]]])
    """
    if centre is None or spread is None:
        return images
    middle, width = (rearrange(images.new_tensor(row), "c -> c 1 1") for row in (centre, spread))
    return (images - middle) / width


def first_changes(recipe: Recipe, crop: tuple[int, int] | None) -> list:
    """Kornia's modules for images between 0 and 1, in their order; none where none is asked for."""
    changes = []
    if crop is not None:
        module = need("kornia.augmentation").RandomResizedCrop
        changes.append(module(crop, scale=(recipe.crop, 1.0)))
    if recipe.flip:
        changes.append(need("kornia.augmentation").RandomHorizontalFlip(p=recipe.flip))
    if recipe.randaugment:
        module = need("kornia.augmentation.auto").RandAugment
        change = module(n=recipe.randaugment, m=KORNIAS * recipe.magnitude)
        changes.append(partial(in_colour, change))
    return changes


def in_colour(change: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Grey images as three equal colours, changed, and made grey again; others as they are."""
    if images.shape[1] != 1:
        return change(images)
    coloured = change(repeat(images, "b 1 y x -> b c y x", c=3))
    return reduce(coloured, "b c y x -> b 1 y x", "mean")


def check_labels(recipe: Recipe, data: Data) -> None:
    """Raise in one line if labels belong to places, and the recipe would move what is there."""
    used = [name for name in MOVING if getattr(recipe, name) != getattr(Recipe, name)]
    if used and data.train[0][1].ndim:
        raise ValueError(
            f"{used[0]} needs one label an image, but {data.name} has a label for each place; "
            f"leave out {', '.join(used)}"
        )
