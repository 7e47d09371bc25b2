"""What a network costs: its parameters and multiply-adds, measured, beside the paper's figures.

Multiply-adds are those of matrix products, convolutions and attention, for one image. Shapes alone
are computed (no numbers), so a table of all networks takes seconds and no memory.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .backbones import create_model, list_models
from .backbones.common import image_size


class Row(NamedTuple):
    """One network: measured and, where the paper has it, published (millions and billions)."""

    name: str
    attention: str
    img_size: int
    parameters: float
    multiply_adds: float
    paper_parameters: float | None
    paper_multiply_adds: float | None
    paper_accuracy: float | None


# The paper on ImageNet-1K: parameters in millions, multiply-adds in billions, top-1 in percent.
PAPER: dict[tuple[str, str, int], tuple[float | None, float | None, float]] = {
    ("deit_tiny", "softmax", 224): (5.7, 1.2, 72.2),
    ("deit_tiny", "focused", 224): (6.1, 1.1, 74.1),
    ("pvt_tiny", "softmax", 224): (13.2, 1.9, 75.1),
    ("pvt_tiny", "focused", 224): (12.2, 2.0, 77.8),
    ("pvt_small", "softmax", 224): (24.5, 3.8, 79.8),
    ("pvt_small", "focused", 224): (21.7, 4.0, 81.7),
    ("pvt_v2_b0", "softmax", 224): (None, None, 70.5),
    ("pvt_v2_b0", "focused", 224): (None, None, 71.1),
    ("pvt_v2_b1", "softmax", 224): (13.1, 2.1, 78.7),
    ("pvt_v2_b1", "focused", 224): (12.9, 2.2, 79.5),
    ("pvt_v2_b2", "softmax", 224): (25.4, 4.0, 82.0),
    ("pvt_v2_b2", "focused", 224): (22.6, 4.3, 82.5),
    ("swin_tiny", "softmax", 224): (29, 4.5, 81.3),
    ("swin_tiny", "focused", 224): (29, 4.5, 82.1),
    ("swin_small", "softmax", 224): (50, 8.7, 83.0),
    ("swin_small", "focused", 224): (51, 8.7, 83.5),
    ("swin_base", "softmax", 224): (88, 15.4, 83.5),
    ("swin_base", "focused", 224): (89, 15.4, 83.8),
    ("swin_base", "softmax", 384): (88, 47.0, 84.5),
    ("swin_base", "focused", 384): (91, 46.5, 85.0),
    ("cswin_tiny", "softmax", 224): (23, 4.3, 82.7),
    ("cswin_tiny", "focused", 224): (21, 4.3, 83.1),
    ("cswin_small", "softmax", 224): (35, 6.9, 83.6),
    ("cswin_small", "focused", 224): (35, 6.9, 83.8),
    ("cswin_base", "softmax", 224): (78, 15.0, 84.2),
    ("cswin_base", "focused", 224): (75, 15.0, 84.5),
    ("cswin_base", "softmax", 384): (78, 47.0, 85.4),
    ("cswin_base", "focused", 384): (78, 46.4, 85.5),
}

# What differs from `create_model`'s defaults: larger windows at 384 pixels, and the depths of the
# softmax CSwin, which the focused one does not share.
CHANGED: dict[tuple[str, str, int], dict] = {
    ("swin_base", "softmax", 384): {"window": 12},
    ("swin_base", "focused", 384): {"window": 12},
    ("cswin_tiny", "softmax", 224): {"depths": (1, 2, 21, 1)},
    ("cswin_base", "softmax", 224): {"depths": (2, 4, 32, 2)},
    ("cswin_base", "softmax", 384): {"depths": (2, 4, 32, 2), "stripes": (1, 2, 12, 12)},
    ("cswin_base", "focused", 384): {"stripes": (1, 2, 12, 12)},
}


def count_parameters(model: nn.Module) -> int:
    """How many numbers a model learns."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: nn.Module, img_size: int | tuple[int, int] = 224) -> int:
    """Multiply-adds of one image through a network: counted as it runs, on shapes alone.

    >>> multiply_adds(fe.create_model("deit_nano", attention="softmax"), 28)
    3439104
    """
    height, width = image_size(img_size, 1)
    shapes = copy.deepcopy(model).to("meta")
    images = torch.empty(1, getattr(model, "in_chans", 3), height, width, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shapes(images)
    return counter.get_total_flops() // 2


def measure(name: str, attention: str = "focused", img_size: int = 224) -> Row:
    """One row of the table.

    >>> measure("pvt_tiny").parameters
    12.150504
    """
    options = CHANGED.get((name, attention, img_size), {})
    with torch.device("meta"):
        model = create_model(name, attention=attention, img_size=img_size, **options).eval()
    counts = count_parameters(model) / 1e6, multiply_adds(model, img_size) / 1e9
    paper = PAPER.get((name, attention, img_size), (None, None, None))
    return Row(name, attention, img_size, *counts, *paper)


def models_table(attention: Sequence[str] = ("softmax", "focused")) -> list[Row]:
    """A row for every published network and mechanism, at 224 pixels and where the paper has 384.

    Takes seconds a network: call `measure` for a single one.
    """
    return list(each_model(attention))


def each_model(attention: Sequence[str] = ("softmax", "focused")) -> Iterator[Row]:
    """The rows of `models_table`, each as soon as it is counted."""
    wanted = [
        (name, kind, size)
        for name in list_models()
        if name != "deit_nano"
        for size in (224, 384)
        for kind in attention
        if size == 224 or (name, kind, size) in PAPER
    ]
    return (measure(*key) for key in wanted)


def as_markdown(rows: Iterable[Row]) -> str:
    """The table as text: measured first, the paper's figure after it."""
    return "\n".join(markdown_lines(rows))


def markdown_lines(rows: Iterable[Row]) -> Iterator[str]:
    """The lines of the table, each as soon as its row is there."""
    heads = "model | attention | pixels | parameters (paper), M | multiply-adds (paper), G | top-1"
    yield f"| {heads} |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        cells = [
            row.name,
            row.attention,
            str(row.img_size),
            _beside(row.parameters, row.paper_parameters),
            _beside(row.multiply_adds, row.paper_multiply_adds),
            f"{row.paper_accuracy:.1f}" if row.paper_accuracy else "",
        ]
        yield f"| {' | '.join(cells)} |"


def _beside(measured: float, paper: float | None) -> str:
    return f"{measured:.1f}" + (f" ({paper:g})" if paper else "")
