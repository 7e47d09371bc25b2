"""The pay-off of linear attention as images grow: time, memory, and what a fixed time can learn."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes

from ..comparison.payoff import HEADS, grouped, times_of
from .style import COLOURS, GREY, GRID_LINE, INK, RULE, SHADES, Card

_LEFTS, _BOTTOM, _WIDTH, _HEIGHT = (0.75, 3.3, 5.85), 0.75, 1.9, 2.05
_OTHERS = "#666666"


def payoff(
    rows: Sequence[dict[str, Any]], seconds: float, slow: str = "softmax", fast: str = "focused+dwc"
) -> Card:
    """Time and memory of one mosaic, and accuracy when every run has the same time.

    Args:
        rows: what `comparison.payoff.payoff` returned.
        seconds: the time that each run had.
        slow, fast: arms whose crossing is marked, if both are among the rows.
    """
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    times = times_of(rows)
    both = slow in arms and fast in arms and len(times.sizes) > 1
    crossing = times.crossing(slow, fast) if both else None
    card = Card(
        _title(times, slow, fast, crossing) if both else "What grows with the image, and how fast",
        "Training on textures, patch 4. Ring: no branch, disc: with the 5 × 5 one; grey: chance",
    )
    _legend(card, arms)
    panels: tuple[tuple[str, Callable[[dict], float]], ...] = (
        ("seconds a mosaic", lambda row: row["step_seconds"] / row["batch"]),
        ("MiB a mosaic", lambda row: row["memory"] / row["batch"]),
        (f"test accuracy after {seconds:g} s", lambda row: 100 * row["test_accuracy"]),
    )
    for number, (left, (head, value)) in enumerate(zip(_LEFTS, panels, strict=True)):
        card.write(left - 0.45, _BOTTOM + _HEIGHT + 0.22, head, 10.5, weight="bold")
        axes = card.place(left, _BOTTOM, _WIDTH, _HEIGHT)
        _lines(axes, rows, value, seeds=number == 2)
        if number == 1:
            _written_out(axes, times.sizes)
        if number == 2:
            _chance(axes, rows)
        _scales(axes, times.sizes, logarithmic=number < 2)
        if number == 0 and crossing is not None and crossing > min(times.sizes):
            _mark(axes, times, fast, crossing)
        card.write(left, 0.2, "side in pixels, and tokens", 9, color=GREY)
    card.alt = _alt(rows, seconds, slow, fast, crossing)
    return card


def _title(times, slow: str, fast: str, crossing: float | None) -> str:
    """What the measured times say."""
    name = fast.partition("+")[0].capitalize()
    gain = times.seconds[slow][-1] / times.seconds[fast][-1]
    if crossing is None:
        return f"Up to {times.sizes[-1]:,} tokens {name.lower()} attention is not cheaper here"
    since = f"from {crossing:,.0f} tokens on" if crossing > times.sizes[0] else "at every size"
    return f"{name} attention is cheaper {since}, {gain:.0f} times at {times.sizes[-1]:,}"


def _colour(arm: str, table: dict[str, str]) -> str:
    return table["depthwise"] if arm in ("dwc", "none") else table.get(arm.split("+")[0], _OTHERS)


def _legend(card: Card, arms: Sequence[str]) -> None:
    x = 0.3
    for arm in arms:
        mark = "●" if "+" in arm or arm == "dwc" else "○"
        text = card.write(x, 3.35, f"{mark} {arm}", size=10.5, weight="bold",
                          color=_colour(arm, SHADES))  # fmt: skip
        x += text.get_window_extent().width / card.dpi + 0.3


def _lines(
    axes: Axes, rows: Sequence[dict], value: Callable[[dict], float], seeds: bool = False
) -> None:
    """A line an arm through the means; with `seeds` a dot for each run, else one for the mean."""
    groups = grouped(rows)
    for arm in dict.fromkeys(row["arm"] for row in rows):
        points = [
            (runs[0]["tokens"], [value(row) for row in runs])
            for (_, name), runs in groups.items()
            if name == arm
        ]
        colour, filled = _colour(arm, COLOURS), "+" in arm or arm == "dwc"
        tokens, means = [n for n, _ in points], [statistics.mean(found) for _, found in points]
        axes.plot(tokens, means, color=colour, linewidth=2, zorder=2, gid=f"{arm} mean")
        dots = [(n, y) for n, found in points for y in (found if seeds else [0])]
        x, y = (tokens, means) if not seeds else zip(*dots, strict=True)
        axes.plot(x, y, "o", color=colour, markersize=6, markeredgewidth=1.5, zorder=3, gid=arm,
                  markerfacecolor=colour if filled else "white", clip_on=False)  # fmt: skip


def _written_out(axes: Axes, sizes: Sequence[int]) -> None:
    """What the map of one layer would take, if a kernel did not keep it in pieces."""
    maps = [HEADS * n * n * 4 / 2**20 for n in sizes]
    axes.plot(sizes, maps, color=RULE, linestyle=(0, (3, 2)), linewidth=1.4, gid="written out")
    axes.annotate("one map,\nwritten out", (sizes[-1], maps[-1]), (-34, -1),
                  textcoords="offset points", fontsize=8.5, color=GREY, ha="right",
                  va="top")  # fmt: skip


def _chance(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    """The share of the commonest material among the test tokens, in grey."""
    shares = {row["tokens"]: 100 * row["chance"] for row in rows}
    axes.plot(list(shares), list(shares.values()), color=RULE, linewidth=1.6, zorder=1,
              gid="chance")  # fmt: skip


def _scales(axes: Axes, sizes: Sequence[int], logarithmic: bool) -> None:
    """Tokens on a logarithmic axis, a tick a size; the other axis in decades or per cent."""
    axes.set_xscale("log", base=2)
    axes.set_xlim(sizes[0] / 1.4, sizes[-1] * 1.4)
    axes.minorticks_off()
    labels = [f"{4 * math.isqrt(n)}\n{n:,}" for n in sizes]
    axes.set_xticks(list(sizes), labels=labels, fontsize=8.5)
    if logarithmic:
        axes.set_yscale("log")
        low, high = (math.log10(y) for y in axes.get_ylim())
        decades = [10.0**e for e in range(math.ceil(low), math.floor(high) + 1)]
        axes.set_yticks(decades, labels=[f"{y:g}" for y in decades])
        axes.minorticks_off()
    else:
        axes.set_ylim(0, 100)
        axes.set_yticks([0, 50, 100], labels=["0", "50", "100 %"])
    axes.grid(color=GRID_LINE, linewidth=0.8)


def _mark(axes: Axes, times, fast: str, crossing: float) -> None:
    """A ring where both take as long, and a word beside it."""
    at = math.log(crossing)
    points = list(zip(times.sizes, times.seconds[fast], strict=True))
    (n0, s0), (n1, s1) = next(
        (left, right)
        for left, right in itertools.pairwise(points)
        if left[0] <= crossing <= right[0]
    )
    share = (at - math.log(n0)) / (math.log(n1) - math.log(n0))
    y = math.exp(math.log(s0) + share * (math.log(s1) - math.log(s0)))
    axes.plot(crossing, y, "o", markersize=12, mfc="none", mec=INK, mew=1.6, zorder=5,
              gid="crossing")  # fmt: skip
    axes.annotate(f"equal at {crossing:,.0f} tokens", (crossing, y), (12, -13),
                  textcoords="offset points", fontsize=9, color=INK)  # fmt: skip


def _alt(
    rows: Sequence[dict[str, Any]], seconds: float, slow: str, fast: str, crossing: float | None
) -> str:
    """The numbers in words."""
    sentences = []
    for (size, arm), runs in grouped(rows).items():
        milliseconds = 1000 * statistics.mean(row["step_seconds"] / row["batch"] for row in runs)
        accuracy = 100 * statistics.mean(row["test_accuracy"] for row in runs)
        memory = runs[0]["memory"] / runs[0]["batch"]
        sentences.append(
            f"{size} pixels, {arm}: {milliseconds:.0f} ms and {memory:.0f} MiB, {accuracy:.1f} %."
        )
    where = "do not cross" if crossing is None else f"cross at {crossing:,.0f} tokens"
    return (
        f"Three plots against the size of the image: time and memory of a training step for one "
        f"mosaic, and test accuracy after {seconds:g} s of training. The times of {slow} and "
        f"{fast} {where}. {' '.join(sentences)}"
    )
