"""A real digit as queries, keys and values: what the pictures of attention maps look at.

28 x 28 pixels in patches of 2 x 2 are 14 x 14 = 196 tokens, as many as the paper's DeiT has. No
network is trained here. A token is what a patch looks like and where it is: the 6 x 6 pixels round
it and 28 numbers for its place, turned by one fixed random rotation.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from ..data import load_data
from .arguments import asks, floats, one_of, whole

GRID = (14, 14)


@dataclass(frozen=True)
class Tokens:
    """A digit and its tokens.

    Args:
        image: the digit, 28 28, from 0 to 1.
        q: queries, 1 1 196 d, each of length sqrt(d), in float64.
        k: keys; here they are the queries.
        v: values, 1 1 196 4: the pixels of the patch.
    """

    image: Tensor
    q: Tensor
    k: Tensor
    v: Tensor


@asks(digit=whole(0, 9), d=whole(1, 64), patch=one_of(2, 4))
def digit_tokens(digit: int = 5, d: int = 64, patch: int = 2) -> Tokens:
    """A digit of MNIST as tokens: 196 with patches of 2 x 2, 49 with patches of 4 x 4.

    Args:
        digit: which digit, 0 to 9.
        d: channels of queries and keys, 1 to 64; fewer are the first of the 64.
        patch: side of a patch in pixels, 2 or 4.

    >>> tokens = digit_tokens(5)
    >>> tokens.q.shape, tokens.v.shape
    (torch.Size([1, 1, 196, 64]), torch.Size([1, 1, 196, 4]))
    """
    image = _digits()[digit]
    q = features(image, patch)[:, :d]
    q = rearrange(math.sqrt(d) * F.normalize(q, dim=-1), "n d -> 1 1 n d")
    return Tokens(image, q, q, patches(image, patch))


@cache
def _digits() -> Tensor:
    """One clearly written image for each digit, 10 28 28: the fourth of the test images."""
    test = load_data("mnist5k").test
    chosen = torch.stack([(test.labels == digit).nonzero()[3, 0] for digit in range(10)])
    return rearrange(test.images[chosen], "digit 1 y x -> digit y x")


def patches(image: Tensor, patch: int = 2) -> Tensor:
    """The pixels of each patch: y x -> 1 1 n pixels, in float64."""
    return rearrange(image.double(), "(y a) (x b) -> 1 1 (y x) (a b)", a=patch, b=patch)


def unpatch(values: Tensor) -> Tensor:
    """The image of the patches' pixels: 1 1 n 4 -> y x.

    >>> unpatch(patches(torch.eye(28))).equal(torch.eye(28).double())
    True
    """
    return rearrange(values, "1 1 (y x) (a b) -> (y a) (x b)", y=GRID[0], a=2)


def features(image: Tensor, patch: int = 2) -> Tensor:
    """What a patch looks like and where it is: n 64."""
    image = rearrange(image.double(), "y x -> 1 1 y x")
    seen = F.unfold(image, 6, padding=(6 - patch) // 2, stride=patch)
    seen = rearrange(seen, "1 pixels n -> n pixels")
    seen = (seen - seen.mean(0)) / seen.std()
    tokens = torch.cat([seen, 0.5 * places(28, len(image[0, 0]) // patch)], dim=1)
    generator = torch.Generator().manual_seed(0)
    rotation, _ = torch.linalg.qr(torch.randn(64, 64, generator=generator, dtype=torch.float64))
    return tokens @ rotation


def places(width: int, side: int = GRID[0]) -> Tensor:
    """Sines and cosines of the row and the column of each token of a square grid, n width."""
    along = torch.arange(side, dtype=torch.float64)
    places = torch.cartesian_prod(along, along)
    waves = 100.0 ** -torch.linspace(0, 1, width // 4 + 1, dtype=torch.float64)[:-1]
    angles = rearrange(places, "n side -> n side 1") * waves
    return rearrange([angles.sin(), angles.cos()], "wave n side f -> n (side wave f)")


@asks(row=floats(1))
def half_weight(row: Tensor) -> int:
    """How many keys hold half of a row's weight, heaviest first.

    >>> half_weight(torch.tensor([0.1, 0.3, 0.6])), half_weight(torch.ones(10))
    (1, 5)
    """
    heaviest = row.sort(descending=True).values.cumsum(0)
    return int((heaviest < heaviest[-1] / 2 - 1e-12).sum()) + 1
