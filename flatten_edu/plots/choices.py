"""Tables 3 to 7 of the paper on one scale: what each choice changes, in points against softmax."""

from ..paper import ABLATION, IMAGENET, LINEAR_ATTENTIONS, POWERS, STAGES, WINDOWS
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card

_TITLES = {
    3: "which linear attention stands in DeiT-T",
    4: "which parts of the module are there",
    5: "the focusing power p",
    6: "the window of the focused stages",
    7: "which stages are focused",
}
_ROW, _LEFT, _WIDTH = 0.4, 2.3, 5.0
_OWN = {"focused", "+ DWC", "3", "56", "1-2"}  # what the paper takes


def reported_choices(table: int) -> dict[str, float]:
    """One of the tables 3 to 7: what was chosen -> top-1 in per cent.

    >>> reported_choices(5)["3"]
    82.11
    """
    if table not in _TITLES:
        raise ValueError(f"table must be 3, 4, 5, 6 or 7, but is {table!r}")
    rows = {3: LINEAR_ATTENTIONS["DeiT-T"], 4: ABLATION, 5: POWERS, 6: WINDOWS, 7: STAGES}[table]
    return {str(name): top1 for name, top1 in rows.items() if name != "softmax"}


def choices(table: int = 3) -> Card:
    """A dot a row of the table, at its distance from the same network with softmax.

    Args:
        table: the number of the table in the paper, 3 to 7.
    """
    rows = reported_choices(table)
    network, name = ("DeiT-T", "deit_tiny") if table < 5 else ("Swin-T", "swin_tiny")
    baseline = IMAGENET[name, "softmax", 224][2]
    spread = max(rows.values()) - min(rows.values())
    decimals = 2 if table == 5 else 1
    card = Card(
        f"Table {table}: {_TITLES[table]}: {spread:.{decimals}f} points in all",
        f"Top-1 of {network} on ImageNet-1K as the paper reports it, without a spread; softmax "
        f"{baseline:.1f} %",
    )
    axes = card.place(_LEFT, 0.75, _WIDTH, 2.75)
    axes.set(xlim=(-4.4, 2.6), ylim=(len(rows) - 0.5 + (6 - len(rows)), -0.9), yticks=[])
    axes.grid(axis="x", color=GRID_LINE, linewidth=0.8)
    axes.set_xticks(range(-4, 3), [f"{x:+d}" if x else "0" for x in range(-4, 3)])
    axes.axvline(0, color=COLOURS["softmax"], linewidth=1.6)
    axes.text(0.06, -0.65, "softmax", fontsize=10, weight="bold", color=SHADES["softmax"])
    card.write(_LEFT + _WIDTH / 2, 0.25, "points above softmax in the same network", 10,
               ha="center", color=GREY)  # fmt: skip
    for line, (word, top1) in enumerate(rows.items()):
        own = word in _OWN
        gain, colour = top1 - baseline, COLOURS["focused"] if own else "#8C8C8C"
        y = 0.75 + 2.75 * (1 - (line + 0.9) / 6.4)
        ink = SHADES["focused"] if own else INK
        card.write(0.2, y, _label(table, word), 10.5, color=ink, weight="bold")
        axes.plot([0, gain], [line] * 2, color=colour, linewidth=1.6)
        axes.plot(gain, line, "o", color=colour, markersize=9, gid=word)
        card.write(7.85, y, f"{top1:.{decimals}f}", 10.5, ha="right", color=ink)
    card.alt = (
        f"Table {table} of the paper, {network}, top-1 in per cent: "
        + ", ".join(f"{_label(table, word)} {top1:.{decimals}f}" for word, top1 in rows.items())
        + f"; softmax has {baseline:.1f}."
    )
    return card


def _label(table: int, word: str) -> str:
    kind = {5: "p = ", 6: "window ", 7: "stages " if "-" in word else "stage "}.get(table, "")
    return (kind + word).replace("_", " ")
