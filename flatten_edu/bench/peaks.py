"""The memory that one layer takes at its worst moment, against the number of tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..attention import SelfAttention
from .machine import peak_memory
from .settings import side

SIZES = (49, 196, 784, 3136)


@dataclass(frozen=True)
class Peaks:
    """Bytes of each form of a layer for each number of tokens.

    Args:
        sizes: numbers of tokens, rising.
        size_of: name of the form -> its bytes, one number a size.
        width, heads: of the layer.
    """

    sizes: tuple[int, ...]
    size_of: dict[str, tuple[int, ...]]
    width: int
    heads: int


def stored_softmax(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention that keeps its n x m map in memory, as the formula says: b h n d.

    >>> q = torch.randn(1, 2, 9, 4)
    >>> fused = fe.attention.softmax_attention(q, q, q)
    >>> stored_softmax(q, q, q).allclose(fused, atol=1e-5)
    True
    """
    scores = q @ k.mT / q.shape[-1] ** 0.5
    return scores.softmax(dim=-1) @ v


def layer_peaks(sizes: Sequence[int] = SIZES, width: int = 128, heads: int = 2) -> Peaks:
    """Measure one layer without gradients: softmax with its map, softmax fused, focused.

    Args:
        sizes: numbers of tokens, squares.
        width: channels of a token.
        heads: number of heads.

    >>> layer_peaks([16, 64], width=16).sizes
    (16, 64)
    """
    forms = {"softmax, map stored": stored_softmax, "softmax": "softmax", "focused": "focused"}
    found: dict[str, list[int]] = {name: [] for name in forms}
    for n in sizes:
        x = torch.randn(1, side(n), side(n), width)
        for name, attention in forms.items():
            layer = SelfAttention(width, heads, attention, grid=side(n)).eval()
            with torch.inference_mode():
                found[name].append(peak_memory(lambda layer=layer, x=x: layer(x), "cpu"))
    return Peaks(tuple(sizes), {name: tuple(v) for name, v in found.items()}, width, heads)
