"""Textures: which of three materials does each token of a mosaic show?

Mosaics of cells with wavy borders are cut from photos of brick, grass and gravel. Training,
validation and test come from three strips of each photo that share no pixel. The brightness and
contrast around each pixel are taken out, so that what is left is the pattern itself.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import Tensor, nn

from ..arms import Arm
from ..backbones.registry import create_model
from ..data import Data, Samples, photo
from ..training.order import generator
from ..training.recipe import Recipe
from .task import Task, commonest

MATERIALS = ("brick", "grass", "gravel")
# Columns of the photos, as shares of their width.
STRIPS = {"train": (0.0, 0.5), "validation": (0.5, 0.7), "test": (0.7, 1.0)}
PARTS = {"train": 800, "validation": 100, "test": 200}
PATCH = 4
CELLS = 6
NOISE = 0.2
RECIPE = Recipe(epochs=8, batch_size=16, lr=3e-3, weight_decay=0.05, shift=0)


class Segmenter(nn.Module):
    """A backbone and one linear layer over its finest feature map: b c y x -> b (y x) k."""

    def __init__(self, backbone: nn.Module, width: int, classes: int):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """A class for each token: b c y x -> b (y x) k."""
        features = self.backbone.feature_maps(images)[0]  # pyright: ignore[reportCallIssue]
        return self.head(rearrange(features, "b c y x -> b (y x) c"))


def textures(size: int = 48, parts: dict[str, int] | None = None) -> Task:
    """Which material am I? Segmentation of mosaics, scored by tokens of 4 x 4 pixels.

    Tests whether a mechanism can look at a token's surroundings: one patch alone says little.

    Args:
        size: side of a mosaic in pixels, a multiple of 4 (48 gives 144 tokens).
        parts: how many mosaics to make for train, validation and test.
    """
    if size % PATCH or size < 16:
        near = max(round(size / PATCH), 4) * PATCH
        raise ValueError(
            f"size must be a multiple of {PATCH}, 16 at least, but is {size}; the nearest is {near}"
        )
    made = {part: mosaics(part, count, size) for part, count in (parts or PARTS).items()}
    train, validation, test = (made[part] for part in PARTS)
    data = Data("textures", train, validation, test, MATERIALS, augment=jitter)

    def model(arm: Arm) -> Segmenter:
        options = {"num_classes": 0, "img_size": size, "patch_size": PATCH} | arm.options()
        return Segmenter(create_model("deit_nano", **options), 48, len(MATERIALS))

    question = "which one am I in?"
    return Task("textures", question, data, RECIPE, commonest(data), model, segments=True)


def mosaics(part: str, count: int, size: int) -> Samples:
    """So many mosaics of a part, 1 y x each, a label a token; train gets its noise in `jitter`."""
    sources = [strip(name, part) for name in MATERIALS]
    source = generator(0, "textures", size, part)
    images, labels = zip(*(mosaic(sources, size, source) for _ in range(count)), strict=True)
    stacked = torch.stack(images)
    if part != "train":
        stacked = stacked + NOISE * torch.randn(stacked.shape, generator=source)
    return Samples(stacked, torch.stack(labels))


def strip(name: str, part: str) -> Tensor:
    """A part's columns of a photo at half size, patterns alone: y x, mean 0 and spread 1 around."""
    image = reduce(photo(name), "1 (y a) (x b) -> 1 1 y x", "mean", a=2, b=2)
    start, end = (round(share * image.shape[-1]) for share in STRIPS[part])
    # Cut first: the mean around a pixel must not look into another part.
    image = image[..., start:end]
    mean = smooth(image)
    spread = smooth((image - mean).square()).sqrt()
    return ((image - mean) / (spread + 0.02))[0, 0]


def smooth(image: Tensor, side: int = 25) -> Tensor:
    """The mean of a square around each pixel, b c y x; the edges are mirrored."""
    padded = F.pad(image, (side // 2,) * 4, mode="reflect")
    return F.avg_pool2d(padded, side, stride=1)


def mosaic(sources: list[Tensor], size: int, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """One mosaic 1 y x and the label of each token, (y x)."""
    cells = wavy_cells(size, source)
    material = torch.randint(len(sources), (CELLS,), generator=source)[cells]
    crops = torch.stack([crop(texture, size, source) for texture in sources])
    image = crops.gather(0, material[None])
    votes = F.one_hot(material, len(sources))
    votes = reduce(votes, "(y a) (x b) k -> y x k", "sum", a=PATCH, b=PATCH)
    return image, votes.argmax(-1).flatten()


def crop(texture: Tensor, size: int, source: torch.Generator) -> Tensor:
    """A square of the texture; where it is too small it goes on as in a mirror."""
    while min(texture.shape) < size:
        for axis in (0, 1):
            if texture.shape[axis] < size:
                texture = torch.cat([texture, texture.flip(axis)], axis)
    top, left = (
        int(torch.randint(length - size + 1, (1,), generator=source)) for length in texture.shape
    )
    return texture[top : top + size, left : left + size]


def wavy_cells(size: int, source: torch.Generator) -> Tensor:
    """The number of the cell that each pixel lies in, y x: the nearest of six points, on waves."""
    points = torch.rand(CELLS, 2, generator=source) * size
    phases = torch.rand(2, generator=source) * 2 * math.pi
    line = torch.arange(size) + 0.5
    y, x = torch.meshgrid(line, line, indexing="ij")
    wave = 2 * math.pi / (size / 3)
    y, x = (
        y + size / 16 * torch.sin(wave * x + phases[0]),
        x + size / 16 * torch.sin(wave * y + phases[1]),
    )
    away = (y[..., None] - points[:, 0]).square() + (x[..., None] - points[:, 1]).square()
    return away.argmin(-1)


def jitter(images: Tensor, labels: Tensor, source: torch.Generator) -> tuple[Tensor, Tensor]:
    """Flips (labels with them), another gain and offset for each mosaic, and noise."""
    count, side = len(images), images.shape[-1] // PATCH
    flips = torch.rand(count, 2, generator=source) < 0.5
    gain = 1 + 0.2 * (2 * torch.rand(count, 1, 1, 1, generator=source) - 1)
    offset = 0.2 * (2 * torch.rand(count, 1, 1, 1, generator=source) - 1)
    noise = NOISE * torch.randn(images.shape, generator=source)
    boards = rearrange(labels, "b (y x) -> b y x", y=side)
    for axis in (0, 1):
        chosen = flips[:, axis].to(images.device)
        images = torch.where(chosen[:, None, None, None], images.flip(axis + 2), images)
        boards = torch.where(chosen[:, None, None], boards.flip(axis + 1), boards)
    images = images * gain.to(images) + (offset + noise).to(images)
    return images, rearrange(boards, "b y x -> b (y x)")
