"""Pictures of any size cut and scaled to a square: from the middle, or at random for training."""

from __future__ import annotations

import math
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from ..extras import need

Box = tuple[float, float, float, float]

# Up to this size the middle 7/8 of the shorter side are kept, above it all of it, as is usual.
WHOLE_ABOVE = 224
RATIOS = (3 / 4, 4 / 3)


def middle_box(picture: tuple[int, int], size: int) -> Box:
    """The square (left, upper, right, lower) in the middle of a picture (width, height).

    >>> middle_box((32, 32), 32), middle_box((300, 200), 384)
    ((0.0, 0.0, 32.0, 32.0), (50.0, 0.0, 250.0, 200.0))
    """
    width, height = picture
    kept = 1.0 if size > WHOLE_ABOVE or picture == (size, size) else 0.875
    side = kept * min(picture)
    left, upper = (width - side) / 2, (height - side) / 2
    return left, upper, left + side, upper + side


def random_box(picture: tuple[int, int], least: float, numbers: torch.Generator) -> Box:
    """A rectangle of `least` to all of the area, with sides 3:4 to 4:3, anywhere in the picture.

    Where ten draws do not fit, the largest square in the middle.
    """
    width, height = picture
    for _ in range(10):
        share, shape, x, y = torch.rand(4, generator=numbers).tolist()
        area = width * height * (least + (1 - least) * share)
        low, high = map(math.log, RATIOS)
        ratio = math.exp(low + (high - low) * shape)
        wide, tall = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if wide <= width and tall <= height:
            left, upper = x * (width - wide), y * (height - tall)
            return left, upper, left + wide, upper + tall
    side = min(picture)
    left, upper = (width - side) / 2, (height - side) / 2
    return left, upper, left + side, upper + side


def pixels_of(picture: Any, box: Box, size: int) -> Tensor:
    """The box of a `PIL.Image` scaled to size x size (bicubic): c y x in float32 in [0, 1]."""
    resampling = need("PIL.Image").Resampling.BICUBIC
    square = picture.resize((size, size), resampling, box=box)
    pixels = torch.tensor(bytearray(square.tobytes()), dtype=torch.uint8)
    return rearrange(pixels, "(y x c) -> c y x", y=size, x=size).float() / 255
