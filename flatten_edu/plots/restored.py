"""Rank restored by the branch, seen as singular values, and controls that the rank cannot tell."""

from functools import cache

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from ..analysis import numerical_rank, singular_values
from ..attention import depthwise_matrix
from .arguments import asks, one_of, whole
from .branch import branch_kernel, show_signed
from .rows import digit_map
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card
from .tokens import GRID

_WIDTHS = {"focused": 2.2, "depthwise": 5.5, "equivalent": 2}


@asks(kernel_size=one_of(1, 3, 5, 7), seed=whole(0))
@cache
def restored_maps(kernel_size: int = 5, seed: int = 0) -> dict[str, Tensor]:
    """The focused map of the digit, the branch's matrix, and their sum, each 196 196.

    Args:
        kernel_size: side of the branch's random kernel, 1, 3, 5 or 7.
        seed: of the kernel.
    """
    focused = digit_map("focused")
    branch = depthwise_matrix(branch_kernel(kernel_size, seed), GRID)
    return {"focused": focused, "depthwise": branch, "equivalent": focused + branch}


@asks(kernel_size=one_of(1, 3, 5, 7), seed=whole(0))
@cache
def control_ranks(kernel_size: int = 5, seed: int = 0) -> dict[str, int]:
    """Ranks of the focused map with the branch, with branches that see no neighbours, and alone.

    >>> control_ranks()["no branch"]
    64
    """
    square, maps = f"{kernel_size} × {kernel_size}", restored_maps(kernel_size, seed)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(maps["focused"]), generator=generator)
    shuffled = maps["depthwise"][order][:, order]
    weight = float(branch_kernel(1, seed))
    alone = weight * torch.eye(len(order), dtype=torch.float64)
    sums = {
        f"{square} on neighbours": maps["equivalent"],
        f"{square} on shuffled tokens": maps["focused"] + shuffled,
        f"{weight:.2f} × the token itself": maps["focused"] + alone,
        "no branch": maps["focused"],
    }
    return {name: int(numerical_rank(map)) for name, map in sums.items()}


@asks(kernel_size=one_of(1, 3, 5, 7))
def restored(kernel_size: int = 5) -> Card:
    """Singular values of the focused map, of the branch and of their sum; and the controls' ranks.

    Args:
        kernel_size: side of the kernel, 1, 3, 5 or 7.
    """
    square, maps = f"{kernel_size} × {kernel_size}", restored_maps(kernel_size)
    values = {m: singular_values(map).numpy() for m, map in maps.items()}
    ranks = {m: int(numerical_rank(map)) for m, map in maps.items()}
    card = Card(
        f"A {square} branch restores the rank: {ranks['focused']} to {ranks['equivalent']}",
        "A digit of 196 tokens, focused map, d = 64, p = 3, float64; random kernel of norm 0.58",
        height=4.4,
    )
    axes = card.place(0.75, 0.6, 4.35, 2.8)
    _curves(axes, values, ranks)
    glyph = card.place(0.9, 0.75, 0.62, 0.62)
    show_signed(glyph, _padded(branch_kernel(kernel_size)), 0.25)
    card.write(0.2, 3.56, "singular values", 10.5)
    _controls(card, control_ranks(kernel_size), kernel_size)
    card.alt = (
        f"Singular values on a logarithmic axis. The focused map's end at {ranks['focused']}, "
        f"those of the {square} branch and of the sum go on to {ranks['equivalent']}; the "
        f"smallest of the sum is {values['equivalent'][-1]:.1g}. Ranks of four variants: "
        + ", ".join(f"{name} {rank}" for name, rank in control_ranks(kernel_size).items())
        + "."
    )
    return card


def _padded(kernel: Tensor) -> Tensor:
    """The kernel in the middle of 7 x 7 zeros."""
    edge = (7 - len(kernel)) // 2
    return torch.nn.functional.pad(kernel, (edge,) * 4)


def _curves(axes: Axes, values: dict[str, np.ndarray], ranks: dict[str, int]) -> None:
    axes.set(xlim=(1, 200), yscale="log", ylim=(1e-6, 4))
    axes.minorticks_off()
    axes.set_yticks([1, 1e-2, 1e-4, 1e-6], ["1", "10⁻²", "10⁻⁴", "10⁻⁶"])
    axes.set_xticks([1, 64, 128, 196])
    axes.set_xlabel("index", color=GREY)
    axes.grid(axis="y", color=GRID_LINE, linewidth=0.8)
    axes.axvline(64, color=INK, linewidth=1.3)
    for m, found in values.items():
        dashed = (0, (3, 1.2)) if m == "focused" else "-"
        rank = ranks[m]
        style = {"color": COLOURS[m], "linestyle": dashed, "alpha": 0.55 if m == "depthwise" else 1}
        index = np.arange(1, rank + 1)
        axes.plot(index, found[:rank], linewidth=_WIDTHS[m], gid=m, **style)
    names = {"equivalent": "sum", "depthwise": "branch alone", "focused": "focused"}
    for y, (m, name) in zip((1e-2, 2.6e-3, 7e-4), names.items(), strict=True):
        words, colour = f"{name}: rank {ranks[m]}", SHADES[m]
        axes.text(74, y, words, color=colour, va="center", fontsize=11, weight="bold")
    axes.text(74, 5e-6, "black line: min(N, d) = 64", va="center", fontsize=10.5)


def _controls(card: Card, ranks: dict[str, int], kernel_size: int) -> None:
    card.write(5.45, 3.56, "What the rank cannot tell", 11.5, weight="bold")
    card.write(5.45, 3.29, "focused map and ...", 10, color=GREY)
    for i, (name, rank) in enumerate(ranks.items()):
        y, m = 2.95 - 0.5 * i, "focused" if name == "no branch" else "equivalent"
        card.write(5.45, y, name, 10.5)
        card.box(5.45, y - 0.28, 1.75 * rank / 196, 0.12, facecolor=COLOURS[m], gid=name)
        card.write(7.75, y - 0.22, f"{rank}", 11, ha="right", weight="bold", color=SHADES[m])
    first = "Only the first tells" if kernel_size > 1 else "None of these tells"
    words = f"{first} a token\nabout its neighbours."
    card.write(5.45, 0.76, words, 10, color=GREY, linespacing=1.35)
