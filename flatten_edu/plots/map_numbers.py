"""Entropy, rank and effective rank of every mechanism, on random tokens and after training."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from matplotlib.axes import Axes

from ..analysis import effective_rank, numerical_rank, row_entropy
from ..comparison.survey import Survey
from ..gallery import shown
from .mechanisms import colour, key, random_map, shade
from .style import GREY, GRID_LINE, SHADES, Card

# As many tokens and channels of a head as the probes have.
TOKENS, CHANNELS = 64, 16
TASK = "recall among 64"
_ROW, _TOP = 0.26, 1.35
_COLUMNS = (("entropy", "row entropy / log N", 1), ("rank", "rank", 64),
            ("effective_rank", "effective rank", 64))  # fmt: skip


@cache
def _numbers(mechanism: str | Callable, p: float, tokens: int, d: int) -> dict[str, float]:
    map = random_map(mechanism, p, tokens=tokens, d=d)
    return {
        "entropy": float(row_entropy(map.abs()).mean()),
        "negative": float((map < 0).double().mean()),
        "rank": float(numerical_rank(map)),
        "effective_rank": float(effective_rank(map)),
    }


def map_facts(mechanism: str, p: float = 3, tokens: int = 196, d: int = 64) -> dict[str, float]:
    """Entropy (of the weights' sizes), share of negative weights, rank and effective rank.

    Args:
        mechanism: a name of `gallery.shown()`.
        p: focusing power, for "focused" alone.
        tokens, d: of the random queries and keys.

    >>> facts = map_facts("nystrom")
    >>> facts["rank"], round(facts["entropy"], 2)
    (49.0, 0.96)
    """
    return dict(_numbers(key(mechanism), p, tokens, d))


def map_numbers(found: Survey, p: float = 3) -> Card:
    """Discs for random tokens, rings for each mechanism after its own training on recall.

    Args:
        found: the survey whose runs tell what training made of each map.
        p: focusing power of the focused map on random tokens; it was trained with 3.
    """
    before = {name: map_facts(name, p, TOKENS, CHANNELS) for name in shown()}
    order = sorted(before, key=lambda name: -before[name]["effective_rank"])
    full = [name for name in order if before[name]["rank"] == TOKENS]
    kept = [name for name in order if (found.mean(name, TASK, "rank") or 0) > TOKENS - 0.5]
    height = _TOP + _ROW * len(order) + 0.55
    card = Card(
        f"Full rank before training: {len(full)} of {len(order)}, after it: {len(kept)}",
        f"{TOKENS} tokens, {CHANNELS} channels a head. Disc: random tokens, p = {p:g}; "
        f"ring: after training on {TASK}",
        height,
    )
    for line, name in enumerate(order):
        y = 0.5 + _ROW * (len(order) - line - 0.5)
        weight = "bold" if name in SHADES else "normal"
        words = name.replace("_", " ")
        card.write(0.2, y, words, size=10.5, color=shade(name), weight=weight)
    for place, (name, words, most) in enumerate(_COLUMNS):
        left = 1.75 + 2.12 * place
        card.write(left, height - 1.05, words, size=11, weight="bold")
        axes = card.place(left, 0.5, 1.8, _ROW * len(order))
        _column(axes, name, most, order, before, found)
    card.alt = "Random tokens: " + "; ".join(
        f"{name} entropy {row['entropy']:.2f}, rank {row['rank']:.0f}, effective rank "
        f"{row['effective_rank']:.1f}" for name, row in before.items()
    ) + "."  # fmt: skip
    return card


def _column(
    axes: Axes,
    name: str,
    most: float,
    order: list[str],
    before: dict[str, dict[str, float]],
    found: Survey,
) -> None:
    axes.set(xlim=(0, most), ylim=(len(order) - 0.5, -0.5), yticks=[])
    axes.set_xticks([0, most / 4, most / 2, most] if most > 1 else [0, 0.5, 1])
    axes.grid(axis="x", color=GRID_LINE, linewidth=0.8)
    axes.tick_params(labelcolor=GREY)
    for line, arm in enumerate(order):
        style = {"clip_on": False, "markeredgecolor": colour(arm)}
        after = found.mean(arm, TASK, name)
        start = before[arm][name]
        if after is not None:
            axes.plot([start, after], [line] * 2, color="#C8C8C8", linewidth=1.4, zorder=1)
            axes.plot(after, line, "o", markersize=8, markerfacecolor="none",
                      markeredgewidth=1.6, **style)  # fmt: skip
        axes.plot(start, line, "o", markersize=5.5, markerfacecolor=colour(arm), gid=arm, **style)
