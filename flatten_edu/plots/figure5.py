"""Figure 5 of the paper on small trained networks: the rank of a map, and of M_eq."""

from functools import cache

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from ..analysis import numerical_rank, singular_values
from .arguments import asks, one_of, whole
from .curves import LINES, spectrum_axes
from .maps import colour_bar, show_map
from .photo_layers import ARM, photo_calls, trained_map
from .same_features import angles_between
from .style import COLOURS, SHADES, Card

NAMES = {m: m for m in ARM} | {"equivalent": "focused + branch"}
_PLACES = ((0.2, 2.36), (1.85, 2.36), (0.2, 0.64), (1.85, 0.64))


@asks(mechanism=one_of("softmax", "linear", "focused", "equivalent"), block=whole(1, 3))
@cache
def trained_ranks(mechanism: str, block: int = 3) -> Tensor:
    """The ranks of all maps in a trained network's block: 3 for heads, 3 16 for "equivalent".

    Args:
        mechanism: "softmax", "linear", "focused" (the map alone in the network that was trained
            with the branch), or "equivalent" (map and branch together, for each channel).
        block: 1, 2 or 3.
    """
    return numerical_rank(trained_map(mechanism, block))


@asks(mechanism=one_of("softmax", "linear", "focused", "equivalent"), block=whole(1, 3))
def trained_angle(mechanism: str, block: int = 3) -> float:
    """The median angle in degrees between what two patches of the photo get in a block.

    Args:
        mechanism: as for `trained_ranks`; "equivalent" is what map and branch give together.
        block: 1, 2 or 3.
    """
    call = photo_calls(ARM[mechanism])[block - 1]
    attended = torch.einsum("h n m, h d m -> n h d", call.map()[0], call.values()[0])
    whole = mechanism == "equivalent"
    angles = angles_between(call.output()[0] if whole else rearrange(attended, "n h d -> n (h d)"))
    return float(angles[tuple(torch.triu_indices(len(angles), len(angles), 1))].median())


@asks(block=whole(1, 3), head=whole(1, 3))
def figure5(block: int = 3, head: int = 1) -> Card:
    """Maps of three trained networks on a photo, their singular values and ranks.

    Args:
        block: 1, 2 or 3; the paper shows the third of twelve.
        head: 1, 2 or 3; of its 16 channels the first is drawn with the branch.
    """
    maps = {m: trained_map(m, block)[head - 1] for m in ARM}
    maps["equivalent"] = maps["equivalent"][0]
    ranks = {m: int(numerical_rank(map)) for m, map in maps.items()}
    card = Card(
        f"Trained, block {block}: rank softmax {ranks['softmax']}, linear {ranks['linear']}, "
        f"with the branch {ranks['equivalent']}",
        f"Three small DeiTs on a photo in 14 × 14 = 196 tokens; head {head} of 3, d = 16, p = 3, "
        "float64",
        height=4.7,
    )
    for (m, map), (x, y) in zip(maps.items(), _PLACES, strict=True):
        shown = show_map(card.place(x, y, 1.4, 1.4), map.abs(), COLOURS[m])
        card.write(x, y + 1.52, NAMES[m], 11, weight="bold", color=SHADES[m])
    colour_bar(card, shown, 0.2, 0.42, 3.05, (-2, 0, 4), ("≤ ¼", "1 = even weight", "≥ 16"))
    _curves(card, maps, ranks)
    words = ", ".join(f"{NAMES[m]} {rank}" for m, rank in ranks.items())
    card.alt = (
        f"Attention maps of three trained networks in block {block}, head {head}, one of them also "
        "with its branch, and their singular values on a logarithmic axis with a line at d = 16. "
        f"Ranks: {words}."
    )
    return card


def _curves(card: Card, maps: dict[str, Tensor], ranks: dict[str, int]) -> None:
    axes = card.place(4.3, 0.62, 3.5, 3.1)
    spectrum_axes(axes, 16, lowest=1e-17, step=4)
    for m, map in maps.items():
        values = singular_values(map).numpy()
        index, (style, width) = np.arange(1, ranks[m] + 1), LINES[m]
        line = {"color": COLOURS[m], "linestyle": style, "linewidth": width, "gid": m}
        axes.plot(index, (values / values[0])[: ranks[m]], **line)
    for m, y in (("linear", 2e-12), ("focused", 8e-14), ("softmax", 3e-15), ("equivalent", 1e-16)):
        words = f"{NAMES[m]}: rank {ranks[m]}"
        axes.text(24, y, words, va="center", weight="bold", size=11, color=SHADES[m])
    card.write(3.75, 3.88, "singular values over the largest; black line: d = 16", 10)
