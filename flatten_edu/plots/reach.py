"""How far the branch sees: the tokens that a chain of depthwise layers can reach from one token."""

import math

import torch
from einops import rearrange
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from torch import Tensor

from ..attention import depthwise_matrix
from .arguments import asks, one_of, whole
from .maps import mark, show_digit
from .style import COLOURS, GREY, GRID_LINE, SHADES, Card, frame, percent
from .tokens import GRID, digit_tokens

PLACE = (7, 7)


@asks(layers=whole(1, 99), kernel_size=one_of(*range(1, 28, 2)))
def reached(layers: int = 1, kernel_size: int = 5) -> Tensor:
    """Which tokens of the 14 x 14 grid may reach the token in row 7, column 7: y x, True or False.

    Args:
        layers: number of depthwise layers, one after the other.
        kernel_size: side of their kernels, odd.

    >>> reached(layers=1, kernel_size=5).sum(), reached(layers=2, kernel_size=5).sum()
    (tensor(25), tensor(81))
    """
    matrix = depthwise_matrix(torch.ones(kernel_size, kernel_size, dtype=torch.float64), GRID)
    row = torch.linalg.matrix_power(matrix, layers)[PLACE[0] * GRID[1] + PLACE[1]]
    return rearrange(row > 0, "(y x) -> y x", y=GRID[0])


@asks(layers=whole(1, 99), kernel_size=one_of(*range(3, 28, 2)))
def reach(layers: int = 1, kernel_size: int = 5) -> Card:
    """The tokens that one token learns from: through depthwise layers, and through attention.

    Args:
        layers: number of depthwise layers, one after the other.
        kernel_size: side of their kernels, odd and at least 3.
    """
    seen, square = reached(layers, kernel_size), f"{kernel_size} × {kernel_size}"
    count, whole = int(seen.sum()), math.ceil(7 / (kernel_size // 2))
    word = "layer" if layers == 1 else "layers"
    card = Card(
        f"{layers} depthwise {word}: one token learns from {count} of 196",
        f"From where the framed patch can get something; {square} kernels on 14 × 14 tokens",
        height=3.9,
    )
    panels = (
        (0.2, "the digit", "query", None),
        (2.85, f"{layers} × depthwise {square}", "depthwise", seen),
        (5.5, "1 × attention of any kind", "focused", torch.ones_like(seen)),
    )
    for x, name, mechanism, tokens in panels:
        axes = card.place(x, 0.7, 2.2, 2.2)
        show_digit(axes, digit_tokens().image)
        if tokens is not None:
            _tint(axes, tokens, COLOURS[mechanism])
            frame(axes, COLOURS[mechanism])
            words = f"{int(tokens.sum())} tokens, {percent(tokens.double().mean().item())}"
            card.write(x, 0.5, words, 11, weight="bold", color=SHADES[mechanism])
        mark(axes, PLACE)
        card.write(x, 3.04, name, 11, weight="bold", color=SHADES[mechanism])
    card.write(2.85, 0.24, f"all 196 from {whole} layers on", 10, color=GREY)
    card.alt = (
        f"A digit twice, with the tokens tinted that the middle patch can learn from: {count} of "
        f"196 through {layers} depthwise {word} with {square} kernels, all 196 through one "
        f"layer of attention. The branch alone needs {whole} layers for all."
    )
    return card


def _tint(axes: Axes, tokens: Tensor, colour: str) -> None:
    """A colour over the reached tokens, and the grid."""
    cover = tokens.double().masked_fill(~tokens, float("nan")).numpy()
    axes.imshow(cover, cmap=ListedColormap([colour]), alpha=0.45, extent=(0, 14, 14, 0))
    for at in range(1, 14):
        axes.axhline(at, color=GRID_LINE, linewidth=0.5)
        axes.axvline(at, color=GRID_LINE, linewidth=0.5)
