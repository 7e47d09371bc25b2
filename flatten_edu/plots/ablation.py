"""The focused module as a diagram, one part after the other switched on: the paper's table 4."""

from functools import cache
from typing import NamedTuple

import torch
from einops import rearrange
from matplotlib.patches import FancyArrowPatch

from ..analysis import equivalent_map, mixer_map, numerical_rank, row_entropy
from ..attention import SelfAttention
from .arguments import asks, one_of
from .style import COLOURS, GREY, GRID_LINE, INK, RULE, SHADES, Card

# Table 4 of the paper: DeiT-T on ImageNet-1K, top-1 in per cent; softmax has 72.2.
TABLE4 = {"vanilla linear": 70.5, "+ f_p": 71.8, "+ DWC": 74.1}
SOFTMAX = 72.2
_OPTIONS: dict[str, dict] = {
    "vanilla linear": {"attention": "linear"},
    "+ f_p": {"attention": "focused", "depthwise": False},
    "+ DWC": {"attention": "focused"},
}
_COLOURS = dict(zip(TABLE4, ("linear", "focused", "depthwise"), strict=True))
_WORDS = {"vanilla linear": "vanilla linear", "+ f_p": r"+ $f_p$", "+ DWC": "+ DWC"}
_OFF = "#B5B5B5"
_Q, _K, _V, _LOCAL = 3.15, 2.45, 1.75, 1.05  # heights of the lanes, in inches


class Facts(NamedTuple):
    """What a step changes in DeiT-T's module, measured with fresh weights on random tokens."""

    parameters: int
    entropy: float
    rank: int


@asks(step=one_of(*TABLE4))
@cache
def ablation_facts(step: str) -> Facts:
    """Parameters, mean row entropy / log N, and the rank of what multiplies one channel of V.

    >>> ablation_facts("vanilla linear").rank, ablation_facts("+ DWC").rank
    (64, 196)
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whole = SelfAttention(192, 3, grid=(14, 14)).double()
        x = torch.randn(1, 196, 192, dtype=torch.float64)
        layer = SelfAttention(192, 3, grid=(14, 14), **_OPTIONS[step]).double().eval()
    # Every step has the weights of the whole module, so that only the parts differ.
    layer.load_state_dict({name: whole.state_dict()[name] for name in layer.state_dict()})
    with torch.no_grad():
        q, (k, v) = layer.q(x), layer.kv(x).chunk(2, -1)
        mixer = layer.mixer
        map = mixer_map(mixer, q, k, v, (14, 14))[0]  # pyright: ignore[reportArgumentType]
        matrix = map[0]
        if mixer.depthwise is not None:
            kernel = rearrange(mixer.depthwise.weight, "d 1 a b -> d a b")[0]  # pyright: ignore
            matrix = equivalent_map(matrix, kernel.detach(), (14, 14))
    count = sum(parameter.numel() for parameter in layer.parameters())
    return Facts(count, float(row_entropy(map).mean()), int(numerical_rank(matrix)))


@asks(step=one_of(*TABLE4))
def ablation(step: str = "vanilla linear") -> Card:
    """The module's parts, with those that this step of table 4 has in colour.

    Args:
        step: "vanilla linear", "+ f_p" or "+ DWC"; each has all of the one before.
    """
    facts, on = ablation_facts(step), list(TABLE4).index(step)
    said = {
        "vanilla linear": "Linear attention alone: 1.7 points behind softmax",
        "+ f_p": "Sharper features win back 1.3 points",
        "+ DWC": "The branch on the values adds 2.3 points more",
    }[step]
    card = Card(
        said,
        "Tokens in at the left, out at the right. Bars: gap to softmax in the paper's table 4, "
        "DeiT-T, ImageNet",
        height=4.5,
    )
    _diagram(card, on)
    _bars(card, step)
    words = (
        f"measured on this module, fresh weights: {facts.parameters:,} parameters, "
        f"row entropy / log N {facts.entropy:.2f}, rank {facts.rank} of 196"
    )
    card.write(0.2, 0.3, words, 10, color=INK)
    parts = ("no f_p and no branch", "f_p, but no branch", "f_p and the depthwise branch")[on]
    card.alt = (
        f"Diagram of the module with {parts}. Queries, keys and values come from three "
        "projections; places are added to the keys; ReLU and a learned scale make features. "
        f"Top-1 in table 4 of the paper at this step: {TABLE4[step]}, softmax {SOFTMAX}. Measured: "
        f"{facts.parameters:,} parameters, entropy {facts.entropy:.2f}, rank {facts.rank}."
    )
    return card


def _diagram(card: Card, on: int) -> None:
    both = (_K - 0.2, _Q - _K + 0.4)
    card.write(0.3, _K, "x", 14, style="italic", ha="center")
    for y, name in ((_Q, "Q"), (_K, "K"), (_V, "V")):
        _arrow(card, 0.42, _K, 0.72, y)
        _part(card, 0.72, y - 0.2, 0.36, 0.4, name)
    _arrow(card, 1.08, _Q, 2.06, _Q)
    _arrow(card, 1.08, _K, 1.26, _K)
    _part(card, 1.26, _K - 0.2, 0.62, 0.4, "+ places", size=9.5)
    _arrow(card, 1.88, _K, 2.06, _K)
    _part(card, 2.06, both[0], 0.66, both[1], "ReLU,\n÷ scale", size=10)
    focused = "focused" if on >= 1 else None
    for y in (_Q, _K):
        _arrow(card, 2.72, y, 2.9, y)
        _arrow(card, 3.36, y, 3.54, y)
    _part(card, 2.9, both[0], 0.46, both[1], r"$f_p$", focused, size=14)
    _arrow(card, 1.08, _V, 3.54, _V)
    height = _Q - _V + 0.4
    main = "focused" if on else "linear"
    _part(card, 3.54, _V - 0.2, 1.06, height, "Q (Kᵀ V)\n\n÷ row sums", main, size=11)
    _arrow(card, 4.6, _K, 5.5, _K)
    branch = "depthwise" if on >= 2 else None
    colour = INK if branch else _OFF
    _arrow(card, 1.3, _V, 1.3, _LOCAL, colour, head=False)
    _arrow(card, 1.3, _LOCAL, 2.06, _LOCAL, colour)
    _part(card, 2.06, _LOCAL - 0.2, 1.3, 0.4, "DWC 5 × 5", branch, size=11)
    _arrow(card, 3.36, _LOCAL, 4.86, _LOCAL, colour, head=False)
    _arrow(card, 4.86, _LOCAL, 4.86, _K - 0.13, colour)
    card.write(4.86, _K, "+", 13, ha="center", weight="bold", color=colour,
               bbox={"boxstyle": "circle,pad=0.12", "fc": "white", "ec": colour})  # fmt: skip
    _part(card, 5.5, _K - 0.2, 0.46, 0.4, "proj", size=10)
    _arrow(card, 5.96, _K, 6.2, _K)


def _part(
    card: Card, x: float, y: float, wide: float, high: float, words: str,
    mechanism: str | None = "", size: float = 11,
) -> None:  # fmt: skip
    """A box with its name; grey and dashed where the part is not there."""
    there = mechanism is not None
    edge = COLOURS[mechanism] if mechanism else (RULE if there else _OFF)
    face = edge if mechanism else "white"
    card.box(x, y, wide, high, facecolor=face, edgecolor="none", alpha=0.16)
    dashes = "-" if there else (0, (3, 2))
    card.box(x, y, wide, high, fill=False, edgecolor=edge, linewidth=1.8 if mechanism else 1.2,
             linestyle=dashes)  # fmt: skip
    colour = SHADES[mechanism] if mechanism else (INK if there else _OFF)
    width, height = card.get_size_inches()
    card.text((x + wide / 2) / width, (y + high / 2) / height, words, fontsize=size, color=colour,
              ha="center", va="center", linespacing=1.1)  # fmt: skip


def _arrow(
    card: Card, x: float, y: float, x1: float, y1: float, colour: str = INK, head: bool = True
) -> None:
    card.add_artist(
        FancyArrowPatch(
            (x, y),
            (x1, y1),
            transform=card.dpi_scale_trans,
            color=colour,
            arrowstyle="-|>" if head else "-",
            mutation_scale=8,
            linewidth=1.1,
            shrinkA=0,
            shrinkB=0,
        )
    )


def _bars(card: Card, step: str) -> None:
    """The paper's accuracies, the present one strong, and softmax as a line."""
    axes = card.place(6.42, 0.92, 1.36, 2.3)
    axes.set(xlim=(69, 75), ylim=(2.6, -0.75), xticks=(70, 72, 74), yticks=())
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID_LINE, linewidth=0.8)
    axes.set_xlabel("top-1, %", color=GREY, labelpad=1)
    axes.axvline(SOFTMAX, color=COLOURS["softmax"], linewidth=1.6, gid="softmax")
    card.write(6.42, 3.33, f"softmax {SOFTMAX}", 10, color=SHADES["softmax"])
    for row, (name, value) in enumerate(TABLE4.items()):
        here = name == step
        mechanism = _COLOURS[name]
        axes.barh(
            row + 0.16,
            value - SOFTMAX,
            0.34,
            SOFTMAX,
            color=COLOURS[mechanism],
            alpha=1 if here else 0.35,
            gid=name,
        )
        style = {"fontsize": 10, "va": "center", "weight": "bold" if here else "normal"}
        box = {"fc": "white", "ec": "none", "pad": 0.6}
        words = f"{_WORDS[name]} {value}"
        axes.text(69, row - 0.24, words, color=SHADES[mechanism], bbox=box, **style)
