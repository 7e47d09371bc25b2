"""Arms beside each other: every seed a dot, a column a task, what the branch adds as a number."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from .style import COLOURS, GREY, GRID_LINE, INK, RULE, SHADES, Card

_BRANCHES = {"": "no branch", "dwc": "+ 5 × 5", "permuted": "+ 5 × 5 shuffled", "1x1": "+ 1 × 1"}
_CONTROLS = ("permuted", "1x1")
_ROW, _TOP, _BOTTOM = 0.26, 1.15, 0.42
_LEFT, _RIGHT = 2.6, 7.9
_OTHERS = "#666666"
# A branch's gain is printed bold from so many points on, where no two seeds overlap.
CLEAR = 5.0


def arms(rows: Sequence[dict[str, Any]], questions: dict[str, str] | None = None) -> Card:
    """Every finished run of a comparison.

    Args:
        rows: what `compare` returns; task, arm, test_accuracy and chance are looked at.
        questions: what each task asks, for the line under its name.
    """
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    groups = _groups(list(dict.fromkeys(row["arm"] for row in rows)))
    places = _places(groups)
    width = (_RIGHT - _LEFT) / len(tasks)
    asked = {
        task: textwrap.wrap((questions or {}).get(task, ""), int(13 * width)) for task in tasks
    }
    top = _TOP + 0.16 * max(map(len, asked.values()))
    height = top + _BOTTOM + _ROW * (max(places.values()) + 0.5)
    words = "Test accuracy. Ring: a seed without a branch, disc: with one, bar: mean; "
    card = Card(_title(rows, tasks, groups), words + "number: what it adds; grey: chance", height)
    _names(card, groups, places, height - top)
    for number, task in enumerate(tasks):
        left = _LEFT + number * width
        card.write(left, height - 0.9, task.replace("_", " "), size=11.5, weight="bold")
        for line, words in enumerate(asked[task]):
            card.write(left, height - 1.1 - 0.16 * line, words, size=9, color=GREY)
        axes = card.place(left, _BOTTOM, width - 0.62, height - top - _BOTTOM + 0.1)
        _column(axes, _values(rows, task), groups, places, _chance(rows, task))
        axes.set_xticks(axes.get_xticks(), labels=_labels(axes, len(tasks)))
    card.alt = _alt(rows, tasks)
    return card


def _parts(arm: str) -> tuple[str, str]:
    """The mechanism and the branch of an arm's name."""
    if arm in ("dwc", "none"):
        return "no attention", "dwc" if arm == "dwc" else ""
    attention, _, branch = arm.partition("+")
    return attention, branch


def _groups(names: list[str]) -> dict[str, list[str]]:
    """Arms by mechanism, in the order in which they came; plain ones before those with a branch."""
    groups: dict[str, list[str]] = {}
    for arm in names:
        groups.setdefault(_parts(arm)[0], []).append(arm)
    order = list(_BRANCHES)
    for group in groups.values():
        group.sort(key=lambda arm: order.index(_parts(arm)[1]))
    return groups


def _places(groups: dict[str, list[str]]) -> dict[str, float]:
    """The row that each arm is drawn in, with a gap between groups."""
    places, row = {}, 0.5
    for group in groups.values():
        for arm in group:
            places[arm] = row
            row += 1
        row += 0.5
    return places


def _values(rows: Sequence[dict[str, Any]], task: str) -> dict[str, list[float]]:
    """Accuracies in per cent of each arm on a task."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row["task"] == task:
            values.setdefault(row["arm"], []).append(100 * row["test_accuracy"])
    return values


def _chance(rows: Sequence[dict[str, Any]], task: str) -> float:
    return 100 * next(row["chance"] for row in rows if row["task"] == task)


def _colour(group: str, table: dict[str, str]) -> str:
    return table["depthwise"] if group == "no attention" else table.get(group, _OTHERS)


def gain(values: dict[str, list[float]], arm: str, plain: str) -> tuple[float, bool]:
    """Points that an arm's mean is above the plain one's, and whether that is clear.

    >>> gain({"linear": [70.0, 71.0], "linear+dwc": [82.0, 83.0]}, "linear+dwc", "linear")
    (12.0, True)
    """
    points = statistics.mean(values[arm]) - statistics.mean(values[plain])
    apart = min(values[arm]) > max(values[plain]) or max(values[arm]) < min(values[plain])
    return points, apart and abs(points) >= CLEAR


def _names(card: Card, groups: dict[str, list[str]], places: dict[str, float], top: float):
    """Mechanisms and branches at the left, on a grey band where they are controls."""
    for group, members in groups.items():
        y = [top + 0.05 - _ROW * places[arm] for arm in members]
        card.write(0.2, y[0], group.rpartition(":")[2], size=11, weight="bold",
                   color=_colour(group, SHADES))  # fmt: skip
        if group != next(iter(groups)):
            card.box(0.2, y[0] + 0.75 * _ROW, _RIGHT - 0.2, 0.01, color=GRID_LINE)
        for arm, level in zip(members, y, strict=True):
            branch = _parts(arm)[1]
            label = _BRANCHES[branch]
            if group == "no attention":
                label = "5 × 5 alone" if branch else "nothing mixes"
            if branch in _CONTROLS:
                card.box(0.2, level - _ROW / 2, _RIGHT - 0.2, _ROW, color="#EFEFEF", zorder=-2)
            card.write(_LEFT - 0.15, level, label, size=10, ha="right")


def _column(
    axes: Axes,
    values: dict[str, list[float]],
    groups: dict[str, list[str]],
    places: dict[str, float],
    chance: float,
) -> None:
    """The dots of one task."""
    low = 0 if min(map(min, values.values())) < 80 else 10 * (min(map(min, values.values())) // 10)
    axes.patch.set_alpha(0)
    axes.set(xlim=(low, 100), ylim=(max(places.values()) + 0.6, 0))
    axes.set_xticks([low, (low + 100) / 2, 100])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=GRID_LINE, linewidth=0.8)
    if chance > low:
        axes.axvline(chance, color=RULE, linewidth=1.6, zorder=1, gid="chance")
    for group, members in groups.items():
        plain = members[0] if _parts(members[0])[1] == "" else None
        for arm in (arm for arm in members if arm in values):
            base = plain if plain in values and plain != arm else None
            _dots(axes, values, arm, base, places[arm], group)


def _labels(axes: Axes, columns: int) -> list[str]:
    """Three numbers; with a sign of per cent where there is room for it."""
    low, middle, high = axes.get_xticks()
    return [f"{low:g}", f"{middle:g}", f"{high:g} %" if columns < 3 else f"{high:g}"]


def _dots(
    axes: Axes,
    values: dict[str, list[float]],
    arm: str,
    plain: str | None,
    row: float,
    group: str,
) -> None:
    """The seeds of one arm, their mean, and what it has over the plain one."""
    colour, seeds = _colour(group, COLOURS), values[arm]
    mean = statistics.mean(seeds)
    if plain is not None:
        start = statistics.mean(values[plain])
        axes.plot([start, mean], [row, row], color=colour, alpha=0.5, linewidth=8,
                  solid_capstyle="butt", zorder=2)  # fmt: skip
        points, clear = gain(values, arm, plain)
        text = f"{points:+.0f}".replace("-", "−") if round(points) else "0"
        axes.annotate(text, (1, row), (9, 0),
                      xycoords=("axes fraction", "data"), textcoords="offset points",
                      va="center", fontsize=11 if clear else 10,
                      weight="bold" if clear else "normal",
                      color=_colour(group, SHADES) if clear else GREY,
                      annotation_clip=False)  # fmt: skip
    step = 0.5 / max(len(seeds), 2)
    levels = [row + step * (place - (len(seeds) - 1) / 2) for place in range(len(seeds))]
    filled = _parts(arm)[1] != ""
    axes.plot(seeds, levels, "o", markersize=6 if filled else 5, markeredgecolor=colour,
              markerfacecolor=colour if filled else "white", markeredgewidth=1.4, zorder=3,
              clip_on=False, gid=arm)  # fmt: skip
    axes.plot([mean, mean], [row - 0.42, row + 0.42], color=INK, linewidth=1.5, zorder=4,
              clip_on=False)  # fmt: skip


def _title(rows: Sequence[dict[str, Any]], tasks: list[str], groups: dict[str, list[str]]) -> str:
    """The claim that the numbers support, or a plain title where they support none."""
    helps, restores = [], []
    for task in tasks:
        values = _values(rows, task)
        for members in groups.values():
            if _parts(members[0])[1] or members[0] not in values:
                continue
            for arm in (arm for arm in members[1:] if arm in values):
                kind = restores if _parts(arm)[1] in _CONTROLS else helps
                kind.append(gain(values, arm, members[0]))
    gains = any(clear and points > 0 for points, clear in helps)
    if gains and restores and not any(clear for _, clear in restores):
        where = "On this task" if len(tasks) == 1 else "On these tasks"
        return f"{where} neighbours help, restored rank does not"
    if helps and not any(clear for _, clear in helps):
        return f"The branch adds less than {CLEAR:.0f} points here, whatever stands beside it"
    return "The same recipe, seeds and data for every arm"


def _alt(rows: Sequence[dict[str, Any]], tasks: list[str]) -> str:
    """The means in words."""
    sentences = []
    for task in tasks:
        means = [f"{arm} {statistics.mean(v):.1f}" for arm, v in _values(rows, task).items()]
        sentences.append(f"{task.replace('_', ' ')}: {', '.join(means)}.")
    return "Dot plot of test accuracy in per cent, mean over seeds. " + " ".join(sentences)
