"""What a low rank does to the outputs: the angles between the features of different tokens."""

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..analysis import equivalent_map, numerical_rank
from .arguments import asks, one_of, whole
from .branch import branch_kernel
from .rows import digit_map
from .style import COLOURS, GREY, INK, SHADES, Card, frame, percent
from .tokens import GRID, digit_tokens

NAMES = {
    "softmax": "softmax",
    "linear": "linear",
    "focused": "focused",
    "equivalent": "focused + branch",
}


@asks(mechanism=one_of("softmax", "linear", "focused", "equivalent"), seed=whole(0))
@cache
def output_angles(mechanism: str, seed: int = 0) -> tuple[Tensor, int]:
    """Angles in degrees between the outputs of all tokens of the digit, n n, and the map's rank.

    Args:
        mechanism: "softmax", "linear", "focused", or "equivalent" for focused with the branch.
        seed: of the random projection that makes the values and of the branch's kernel.

    >>> angles, rank = output_angles("linear")
    >>> angles.shape, rank
    (torch.Size([196, 196]), 64)
    """
    tokens = digit_tokens().q[0, 0]
    generator = torch.Generator().manual_seed(seed)
    project = torch.randn(64, 64, generator=generator, dtype=torch.float64) / 8
    map = digit_map("focused" if mechanism == "equivalent" else mechanism)
    if mechanism == "equivalent":
        map = equivalent_map(map, branch_kernel(5, seed), GRID)
    return angles_between(map @ (tokens @ project)), int(numerical_rank(map))


def angles_between(output: Tensor) -> Tensor:
    """Angles in degrees between all rows of a matrix: n c -> n n.

    >>> angles_between(torch.tensor([[1.0, 0.0], [0.0, 2.0]]).double()).round()
    tensor([[ 0., 90.],
            [90.,  0.]], dtype=torch.float64)
    """
    output = F.normalize(output, dim=-1)
    # The half-angle formula stays exact for nearly equal directions, where arccos does not.
    angles = 2 * torch.atan2(
        torch.cdist(output, output, compute_mode="donot_use_mm_for_euclid_dist"),
        torch.cdist(output, -output, compute_mode="donot_use_mm_for_euclid_dist"),
    )
    return angles * (180 / math.pi)


@asks(mechanism=one_of("softmax", "linear", "focused", "equivalent"), seed=whole(0))
def pair_angles(mechanism: str, seed: int = 0) -> np.ndarray:
    """The angles of all pairs of different tokens, each pair once."""
    angles, _ = output_angles(mechanism, seed)
    return angles[tuple(torch.triu_indices(len(angles), len(angles), 1))].numpy()


@asks(seed=whole(0))
def same_features(seed: int = 0) -> Card:
    """Angles between the outputs of all pairs of tokens, for three mechanisms and the branch.

    Args:
        seed: of the random values and of the branch's kernel.
    """
    found = {m: pair_angles(m, seed) for m in NAMES}
    middle = {m: float(np.median(angles)) for m, angles in found.items()}
    card = Card(
        f"Linear attention blurs tokens: median angle {middle['linear']:.0f}°, "
        f"not {middle['softmax']:.0f}°",
        "Angle between two tokens' outputs, all pairs of 196; a digit, untrained, d = 64, p = 3, "
        f"random values, seed {seed}",
        height=4.6,
    )
    for i, m in enumerate(NAMES):
        _column(card, 0.2 + 1.86 * i, m, seed, found[m], middle[m])
    words = "below: share of pairs in bins of 5°; above: all pairs, 0° yellow, 90° and more dark"
    card.write(0.2, 0.18, words, 10, color=GREY)
    words = ", ".join(f"{name} {middle[m]:.0f}" for m, name in NAMES.items())
    blurred = percent(float((found["linear"] < 5).mean()))
    card.alt = (
        f"Four matrices of angles between the outputs of 196 tokens, with histograms. Median "
        f"angles in degrees: {words}. {blurred} of the pairs under linear attention are less than "
        "5 degrees apart."
    )
    return card


def _column(card: Card, x: float, m: str, seed: int, angles: np.ndarray, middle: float) -> None:
    image, rank = output_angles(m, seed)
    axes = card.place(x, 1.9, 1.62, 1.62)
    steps = np.round(image.numpy() / 5) * 5  # a few colours, as many as the histogram has bins
    axes.imshow(steps, cmap="viridis_r", vmin=0, vmax=90)
    frame(axes, COLOURS[m])
    card.write(x, 3.66, NAMES[m], 11, weight="bold", color=SHADES[m])
    card.write(
        x + 1.62, 1.7, f"median {middle:.0f}°", 11, ha="right", weight="bold", color=SHADES[m]
    )
    card.write(x + 1.62, 1.47, f"rank {rank}", 10, ha="right", color=INK)
    hist = card.place(x, 0.6, 1.62, 0.72)
    hist.set(xlim=(0, 180), ylim=(0, 0.4), xticks=(0, 60, 120), yticks=())
    hist.set_xticklabels(["0°", "60°", "120°"])
    hist.spines["left"].set_visible(False)
    weights = np.full(len(angles), 1 / len(angles))
    hist.hist(angles, range(0, 181, 5), weights=weights, color=COLOURS[m])
