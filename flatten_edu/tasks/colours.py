"""Colours: which colour has each patch of a photo lost, where a few patches have kept theirs?

Squares of four photos are made grey, but for 16 of their 196 patches. So a token has to look for
patches that have a colour and belong with it. Hues are turned by chance: no object has a colour
of its own to be learned by heart. The photo of the test is in no other part.
"""

import math

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor

from ..arms import Arm
from ..backbones.registry import create_model
from ..data import Data, Samples, photo
from ..data.photos import middle_square
from ..training.order import generator
from ..training.recipe import Recipe
from .task import Task, commonest
from .textures import Segmenter

PHOTOS = {
    "train": ("chelsea", "coffee", "china", "flower"),
    "validation": ("rocket",),
    "test": ("astronaut",),
}
PARTS = {"train": 400, "validation": 40, "test": 100}
SIZE, PATCH, GRID = 112, 8, (14, 14)
HINTS = 16
# The answers, and the red, green and blue of their hues.
HUES = {
    "grey": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "yellow": (1.0, 1.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "cyan": (0.0, 1.0, 1.0),
    "blue": (0.0, 0.0, 1.0),
    "magenta": (1.0, 0.0, 1.0),
}
CLASSES = tuple(HUES)
# Mean colour of a patch below which it counts as grey; white has luma 1.
GREY = 0.04
RECIPE = Recipe(epochs=50, batch_size=16, lr=3e-3, weight_decay=0.05, shift=0)
# Red, green and blue as luma and two axes of colour (Y, U, V of television).
LUMA = (
    (0.299, 0.587, 0.114),
    (-0.147, -0.289, 0.436),
    (0.615, -0.515, -0.100),
)


def colours(parts: dict[str, int] | None = None) -> Task:
    """Which colour have I lost? Photos in grey with 16 coloured patches, scored by patches.

    Tests whether a mechanism finds tokens that belong together, near and far.

    Args:
        parts: how many squares to cut for train, validation and test.
    """
    made = {part: squares(part, count) for part, count in (parts or PARTS).items()}
    train, validation, test = (made[part] for part in PARTS)
    data = Data("colours", train, validation, test, CLASSES, augment=jitter)
    return Task("colours", "which colour have I lost?", data, RECIPE, commonest(data), network)


def network(arm: Arm) -> Segmenter:
    """The small DeiT of this task: b 4 112 112 -> b 196 7; three blocks of three heads, d = 16."""
    options = {"num_classes": 0, "in_chans": 4, "img_size": SIZE, "patch_size": PATCH}
    return Segmenter(create_model("deit_nano", **options, **arm.options()), 48, len(CLASSES))


def squares(part: str, count: int) -> Samples:
    """So many squares of a part's photos, 4 y x each; those to train with are hidden later."""
    photos = [shrunk(photo(name)) for name in PHOTOS[part]]
    source = generator(0, "colours", part)
    cut = [crop(photos[i % len(photos)], source) for i in range(count)]
    images, labels = labelled(with_luma(torch.stack(cut)))
    return Samples(*((images, labels) if part == "train" else jitter(images, labels, source)))


def shrunk(image: Tensor) -> Tensor:
    """The photo with its shorter side at 280 pixels, so that squares are cut quickly."""
    factor = 280 / min(image.shape[1:])
    size = [round(factor * length) for length in image.shape[1:]]
    return F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[0].clamp(0, 1)


def crop(image: Tensor, source: torch.Generator) -> Tensor:
    """A square of the photo, 40 to 100 % of its shorter side, scaled: c y x -> c 112 112."""
    draw = torch.rand(3, generator=source)
    side = round(min(image.shape[1:]) * float(0.4 + 0.6 * draw[0]))
    top, left = (
        round(float(share) * (length - side))
        for share, length in zip(draw[1:], image.shape[1:], strict=True)
    )
    return middle_square(image[:, top : top + side, left : left + side], SIZE)


def with_luma(images: Tensor) -> Tensor:
    """Red, green, blue -> luma, two axes of colour, and 1 for "colour is known": b 4 y x."""
    turned = torch.einsum("i c, b c y x -> b i y x", torch.tensor(LUMA), images)
    return torch.cat([turned, torch.ones_like(turned[:, :1])], dim=1)


def with_rgb(images: Tensor) -> Tensor:
    """The reverse of `with_luma`: b 4 y x -> b 3 y x, from 0 to 1.

    >>> image = torch.rand(1, 3, 8, 8)
    >>> torch.allclose(with_rgb(with_luma(image)), image, atol=1e-5)
    True
    """
    back = torch.linalg.inv(torch.tensor(LUMA))
    return torch.einsum("i c, b c y x -> b i y x", back, images[:, :3]).clamp(0, 1)


def labelled(images: Tensor) -> tuple[Tensor, Tensor]:
    """The images, and the colour of each patch: 0 for grey, else the nearest of six hues."""
    mean = patch_colours(images)
    nearest = torch.einsum("b n c, h c -> b n h", mean, hue_axes()[1:]).argmax(-1) + 1
    return images, nearest * (mean.norm(dim=-1) >= GREY)


def hue_axes() -> Tensor:
    """The direction of each answer's hue on the two axes of colour, 7 2; 0 for grey."""
    return F.normalize(torch.tensor(list(HUES.values())) @ torch.tensor(LUMA).T[:, 1:], dim=-1)


def patch_colours(images: Tensor) -> Tensor:
    """The mean of the two axes of colour in each patch, b n 2."""
    return reduce(images[:, 1:3], "b c (y a) (x e) -> b (y x) c", "mean", a=PATCH, e=PATCH)


def hide(images: Tensor, labels: Tensor, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Take the colour from all patches but 16; those that kept it are asked nothing (-1)."""
    order = torch.rand(labels.shape, generator=source).argsort(-1)
    known = (order < HINTS).to(images.device)
    board = rearrange(known, "b (y x) -> b 1 y x", y=GRID[0]).to(images)
    mask = board.repeat_interleave(PATCH, 2).repeat_interleave(PATCH, 3)
    hidden = torch.cat([images[:, :1], images[:, 1:] * mask], dim=1)
    return hidden, labels.masked_fill(known, -1)


def jitter(images: Tensor, labels: Tensor, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each turned, mirrored, light and dark perhaps exchanged, hues turned; then hidden."""
    count = len(images)
    for change in (lambda x: x.mT, lambda x: x.flip(2), lambda x: x.flip(3)):
        images = torch.where(coins(count, source, images), change(images), images)
    luma = torch.where(coins(count, source, images), 1 - images[:, :1], images[:, :1])
    angle = 2 * math.pi * torch.rand(count, generator=source)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=-1)
    turn = rearrange(turn, "b (i c) -> b i c", i=2).to(images)
    turned = torch.einsum("b i c, b c y x -> b i y x", turn, images[:, 1:3])
    return hide(*labelled(torch.cat([luma, turned, images[:, 3:]], dim=1)), source)


def coins(count: int, source: torch.Generator, like: Tensor) -> Tensor:
    """Heads or tails for each image, b 1 1 1."""
    return (torch.rand(count, 1, 1, 1, generator=source) < 0.5).to(like.device)
