"""The ImageNet table as a picture: each network with softmax and with focused attention."""

from matplotlib.axes import Axes
from matplotlib.markers import MarkerStyle

from ..paper import NETWORKS, gains, imagenet_pairs
from .style import COLOURS, GREY, GRID_LINE, INK, RULE, SHADES, Card

FAMILIES = ("all", "DeiT", "PVT", "PVTv2", "Swin", "CSwin")
_MARKERS = {"DeiT": "v", "PVT": "s", "PVTv2": "^", "Swin": "o", "CSwin": "D"}
# Bands of nearly equal cost end here, in billions of multiply-adds.
_BANDS = (3, 6, 10, 20, 100)
_LEFT, _STEP, _GAP, _BOTTOM, _HEIGHT = 0.86, 0.505, 0.1, 1.0, 2.72
_FADED = 0.16

Row = tuple[str, int, float, tuple, tuple]


def trade(family: str = "all") -> Card:
    """Top-1 of every network with a published cost, in order of that cost; one family stands out.

    Args:
        family: "all", "DeiT", "PVT", "PVTv2", "Swin" or "CSwin".
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, but is {family!r}")
    rows = _rows()
    chosen = [row for row in rows if family in ("all", _family(row[0]))]
    low, high = min(row[2] for row in chosen), max(row[2] for row in chosen)
    who = "every network" if family == "all" else family
    span = f"{low:.1f}" if low == high else f"{low:.1f} to {high:.1f}"
    card = Card(
        f"At nearly equal cost {who} gains, {span} points",
        "ImageNet-1K top-1 as the paper reports it, without a spread; below: multiply-adds in G",
        4.4,
    )
    places = _places(rows)
    axes = card.place(_LEFT, _BOTTOM, places[-1] + _STEP / 2 - _LEFT, _HEIGHT)
    _scales(axes, places)
    for x, row in zip(places, rows, strict=True):
        _column(card, axes, x, row, row in chosen, row is rows[0] and row in chosen)
    for y, name in ((0.38, "softmax"), (0.16, "focused")):
        card.write(0.2, y, name, 10, weight="bold", color=SHADES[name])
    card.alt = "Reported top-1 in per cent, from softmax to focused attention: " + (
        ", ".join(f"{_name(r)} {r[3][2]:.1f} to {r[4][2]:.1f}" for r in chosen)
    )
    card.alt += ". The multiply-adds change by at most 0.6 G."
    return card


def _rows() -> list[Row]:
    gain = gains()
    rows = [
        (name, size, gain[name, size], old, new)
        for (name, size), (old, new) in imagenet_pairs().items()
        if old[1] is not None
    ]
    return sorted(rows, key=lambda row: (row[3][1], row[3][2]))


def _family(name: str) -> str:
    return NETWORKS[name].partition("-")[0]


def _name(row: Row) -> str:
    return NETWORKS[row[0]] + (f" at {row[1]} pixels" if row[1] != 224 else "")


def _places(rows: list[Row]) -> list[float]:
    """The middle of each column in inches; a gap where a band ends."""
    band = [sum(row[3][1] > end for end in _BANDS) for row in rows]
    return [_LEFT + _STEP * (i + 0.5) + _GAP * b for i, b in enumerate(band)]


def _scales(axes: Axes, places: list[float]) -> None:
    axes.set(xlim=(_LEFT, places[-1] + _STEP / 2), ylim=(71.4, 87.6))
    axes.set_xticks([])
    axes.set_yticks([72, 76, 80, 84], [f"{y} %" for y in (72, 76, 80, 84)])
    axes.grid(axis="y", color=GRID_LINE, linewidth=0.8)
    for x in places:
        axes.axvspan(x - _STEP / 2, x + _STEP / 2, color="#F4F4F4", linewidth=0, zorder=0)


def _column(card: Card, axes: Axes, x: float, row: Row, loud: bool, named: bool) -> None:
    """One network: an open mark for softmax, a filled one for focused, the gain above."""
    name, size, gain, old, new = row
    opacity = 1 if loud else _FADED
    marker = MarkerStyle(_MARKERS[_family(name)])
    axes.plot([x, x], [old[2], new[2]], color=INK, linewidth=1.2, alpha=opacity, zorder=1)
    common = {"marker": marker, "linestyle": "", "alpha": opacity}
    axes.plot(x, old[2], ms=11, mfc="white", mec=COLOURS["softmax"], mew=1.8, **common)
    axes.plot(x, new[2], ms=7.5, mfc=COLOURS["focused"], mec="none", gid=f"{name} {size}", **common)
    axes.annotate(
        f"+{gain:.1f}",
        (x, new[2]),
        (0, 8),
        textcoords="offset points",
        ha="center",
        fontsize=10.5,
        weight="bold",
        color=SHADES["focused"] if loud else RULE,
    )
    if named:
        for y, word, down in ((new[2], "focused", -5), (old[2], "softmax", 0)):
            axes.annotate(word, (x, y), (10, down), textcoords="offset points", va="center",
                          fontsize=10, weight="bold", color=SHADES[word])  # fmt: skip
    kind, _, letter = NETWORKS[name].partition("-")
    ink = INK if loud else RULE
    card.write(x, 0.82, kind, 9, ha="center", weight="bold", color=ink)
    card.write(x, 0.61, letter + ("·384" if size != 224 else ""), 10, ha="center", color=ink)
    for y, mechanism, cost in ((0.38, "softmax", old[1]), (0.16, "focused", new[1])):
        colour = SHADES[mechanism] if loud else GREY
        card.write(x, y, f"{cost:.1f}", 9.5, ha="center", color=colour)
