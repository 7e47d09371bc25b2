"""Memory against the number of tokens, as measured: what a stored map costs, and what mends it."""

import math
from collections.abc import Sequence

from ..bench.peaks import Peaks
from .arguments import asks, made_by
from .memory import bytes_in_words
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card

_STYLES = {"softmax, map stored": (0, (3, 1.4)), "softmax": "-", "focused": "-"}
_NAMES = {"softmax, map stored": "softmax, map kept", "softmax": "softmax, fused"}


@asks(measured=made_by(Peaks, "bench.peaks.layer_peaks"))
def peaks(measured: Peaks) -> Card:
    """Peak memory of one layer on log-log axes.

    Args:
        measured: what `bench.peaks.layer_peaks` returned.
    """
    last = {name: sizes[-1] for name, sizes in measured.size_of.items()}
    times = last["softmax, map stored"] / last["focused"]
    n = measured.sizes[-1]
    card = Card(
        f"A kept map takes {times:.0f} × the memory at {n:,} tokens",
        f"Largest memory within one call, one layer without gradients, width {measured.width}, "
        f"{measured.heads} heads, float32",
    )
    axes = card.place(0.95, 0.62, 4.75, 2.75)
    values = [size for sizes in measured.size_of.values() for size in sizes]
    axes.set(xscale="log", yscale="log")
    axes.set_xlim(measured.sizes[0] / 1.15, n * 1.15)
    axes.set_ylim(min(values) / 2, max(values) * 2)
    axes.minorticks_off()
    axes.set_xticks(measured.sizes, [f"{size:,}" for size in measured.sizes])
    decades = [10.0**e for e in range(4, 10) if min(values) / 2 < 10.0**e < max(values) * 2]
    axes.set_yticks(decades, [_plain(d) for d in decades])
    axes.grid(color=GRID_LINE, linewidth=0.8)
    axes.set_xlabel("tokens N", color=GREY)
    for name, sizes in measured.size_of.items():
        axes.plot(measured.sizes, sizes, "o", linestyle=_STYLES[name], color=_colour(name),
                  markeredgecolor="white", markersize=6, linewidth=2.6, gid=name)  # fmt: skip
    _ends(card, axes.get_ylim(), last)
    words = ", ".join(f"{_NAMES.get(k, k)} {bytes_in_words(v)}" for k, v in last.items())
    card.alt = f"Log-log plot of peak memory against tokens. At N = {n:,}: {words}."
    return card


def _colour(name: str) -> str:
    return COLOURS[name.partition(",")[0]]


def _plain(size: float) -> str:
    """A power of ten in bytes: 1e5 -> 0.1 MB."""
    return f"{size / 1e6:g} MB"


def _ends(card: Card, limits: Sequence[float], last: dict[str, int]) -> None:
    """Names and bytes at the ends of the lines, kept apart."""
    low, high = (math.log(limit) for limit in limits)
    above = 9.0
    for name in sorted(last, key=lambda name: -last[name]):
        y = 0.62 + 2.75 * (math.log(last[name]) - low) / (high - low)
        above = y = min(y, above - 0.5)
        shade = SHADES[name.partition(",")[0]]
        card.write(5.9, y + 0.1, _NAMES.get(name, "focused + DWC"), 11, weight="bold", color=shade)
        card.write(5.9, y - 0.12, bytes_in_words(last[name]), 10.5, color=INK)
