"""Attention maps before and after training, side by side, with their entropy and their rank."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..analysis import effective_rank, numerical_rank, row_entropy
from .maps import colour_bar, show_map
from .style import GREY, SHADES, Card

_PANEL, _PITCH, _LEFT = 1.75, 2.25, 1.25


def before_after(
    maps: Mapping[str, tuple[Tensor, Tensor]], wanted: Tensor | None = None, head: int = 0
) -> Card:
    """Two rows of maps, a column an arm; at most three arms where a wanted map is given.

    Args:
        maps: arm -> maps before and after training, h n m.
        wanted: n m, the map that would solve the task; drawn at the right.
        head: which head is drawn; numbers are those of this head.
    """
    columns = len(maps) + (wanted is not None)
    if not 1 <= columns <= 3:
        raise ValueError(f"maps must be of 1 to 3 arms, a wanted map counted, but are {columns}")
    facts = {arm: [_facts(map[head]) for map in pair] for arm, pair in maps.items()}
    ranks = ", ".join(f"{arm} {pair[1][1]}" for arm, pair in facts.items())
    tokens = next(iter(maps.values()))[0].shape[-1]
    card = Card(
        f"After training, ranks of {tokens}: {ranks}",
        f"Map of one sample, head {head}, before and after training; queries down, keys across",
        6.35,
    )
    for row, words in enumerate(("before", "after")):
        card.write(0.2, 4.5 - 2.5 * row, words, size=11, weight="bold")
    for place, (arm, pair) in enumerate(maps.items()):
        x, group = _LEFT + _PITCH * place, arm.partition("+")[0]
        shade = SHADES.get(group, GREY)
        card.write(x, 5.5, arm, size=11, weight="bold", color=shade)
        for row, map in enumerate(pair):
            y = 3.6 - 2.5 * row
            show_map(card.place(x, y, _PANEL, _PANEL), map[head], shade)
            even, rank, effective = facts[arm][row]
            words = f"rank {rank}, effective {effective:.0f}\nrow entropy {even:.2f}"
            card.write(x, y - 0.27, words, size=9.5, color=GREY, linespacing=1.25)
    if wanted is not None:
        x = _LEFT + _PITCH * len(maps)
        card.write(x, 5.5, "what would solve it", size=11, weight="bold")
        show_map(card.place(x, 1.1, _PANEL, _PANEL), wanted)
        card.write(x, 0.92, f"rank {int(numerical_rank(wanted))}", size=9.5, color=GREY)
    bar = card.axes[0].images[0]
    card.write(0.2, 0.3, f"weight, in even shares of 1/{tokens}", size=9.5, color=GREY)
    colour_bar(card, bar, 3.5, 0.26, 4.2, (-2, 0, 2, 4), ("≤ ¼", "1", "4", "≥ 16"))
    card.alt = " ".join(
        f"{arm}: rank {a[1]} before and {b[1]} after training, effective rank {a[2]:.0f} and "
        f"{b[2]:.0f}, row entropy {a[0]:.2f} and {b[0]:.2f}." for arm, (a, b) in facts.items()
    )  # fmt: skip
    return card


def _facts(map: Tensor) -> tuple[float, int, float]:
    """Row entropy of the sizes, rank, effective rank."""
    return (
        float(row_entropy(map.abs()).mean()),
        int(numerical_rank(map)),
        float(effective_rank(map)),
    )
