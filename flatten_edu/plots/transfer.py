"""Detection and segmentation as the paper reports them: COCO and ADE20K, softmax to focused."""

from ..paper import ADE20K, COCO, Dense
from .style import COLOURS, GREY, GRID_LINE, SHADES, Card

MEASURES = ("box AP", "mask AP", "mIoU")
_LEFT, _WIDTH, _BOTTOM, _HEIGHT, _LINES = 2.7, 4.2, 0.75, 2.75, 5


def reported_dense(measure: str) -> list[Dense]:
    """The rows of one measure.

    >>> [row.gain for row in reported_dense("mIoU")]
    [0.64, 0.31, 0.5]
    """
    if measure not in MEASURES:
        raise ValueError(f"measure must be one of {', '.join(MEASURES)}, but is {measure!r}")
    return [row for row in (*COCO, *ADE20K) if row.measure == measure]


def transfer(measure: str = "box AP") -> Card:
    """A ring for softmax and a dot for focused attention, a row a network and its head.

    Args:
        measure: "box AP", "mask AP" (COCO) or "mIoU" (ADE20K).
    """
    rows = reported_dense(measure)
    gains = [row.gain for row in rows]
    decimals = 2 if measure == "mIoU" else 1
    card = Card(
        f"{rows[0].task}: {min(gains):.{decimals}f} to {max(gains):.{decimals}f} points more "
        f"{measure}",
        "As the paper reports it; the backbones were trained on ImageNet before",
    )
    axes = card.place(_LEFT, _BOTTOM, _WIDTH, _HEIGHT)
    axes.set(xlim=(34, 54), ylim=(_LINES - 0.5, -0.5), yticks=[])
    axes.set_xticks(range(35, 55, 5))
    axes.grid(axis="x", color=GRID_LINE, linewidth=0.8)
    for line, row in enumerate(rows):
        y = _BOTTOM + _HEIGHT * (1 - (line + 0.5) / _LINES)
        card.write(0.2, y + 0.1, row.network, 10.5, weight="bold")
        card.write(0.2, y - 0.11, row.head, 10, color=GREY)
        axes.plot([row.softmax, row.focused], [line] * 2, color=GREY, linewidth=1.4, zorder=1)
        axes.plot(row.softmax, line, "o", mfc="white", mec=COLOURS["softmax"], mew=1.8, ms=11)
        axes.plot(row.focused, line, "o", color=COLOURS["focused"], ms=7.5, gid=row.network)
        words = f"{row.softmax:.{decimals}f} to {row.focused:.{decimals}f}"
        card.write(7.8, y + 0.1, words, 10.5, ha="right")
        gain = f"+{row.gain:.{decimals}f}"
        card.write(7.8, y - 0.11, gain, 10.5, ha="right", weight="bold", color=SHADES["focused"])
    card.write(_LEFT + _WIDTH / 2, 0.25, measure, 10, ha="center", color=GREY)
    card.write(5.6, 0.25, "○ softmax", 10, weight="bold", color=SHADES["softmax"])
    card.write(6.7, 0.25, "● focused", 10, weight="bold", color=SHADES["focused"])
    card.alt = f"{measure} on {rows[0].task}, softmax to focused: " + "; ".join(
        f"{row.network} with {row.head} {row.softmax:.{decimals}f} to {row.focused:.{decimals}f}"
        for row in rows
    ) + "."  # fmt: skip
    return card
