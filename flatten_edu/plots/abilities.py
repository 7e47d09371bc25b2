"""The gallery through the probes: a line a mechanism, a field an ability, and what it costs."""

from __future__ import annotations

from matplotlib import colormaps
from matplotlib.colors import to_hex

from ..comparison.survey import LABELS, Survey
from ..timing import in_words
from .style import GREY, INK, SHADES, Card

CHANCE = 1 / 8
_ROW, _TOP, _LEFT, _FIELD = 0.27, 1.5, 1.5, 0.72
_COLOURS = colormaps["cividis"]
_PASSED = 0.95


def abilities(found: Survey) -> Card:
    """Test accuracies as coloured fields, best mechanisms first; rank and cost as numbers.

    Args:
        found: what `run_survey` or `read_survey` returned.
    """
    order = sorted(found.arms, key=lambda arm: -total(found, arm))
    height = _TOP + _ROW * len(order) + 0.3
    seeds = max(len(found.values(order[0], label)) for label in LABELS)
    card = Card(
        _title(found),
        "One layer without its branch, the same steps for all: test accuracy in %, "
        f"{f'mean of {seeds} seeds' if seeds > 1 else 'one seed'}; chance 12.5",
        height,
    )
    for place, label in enumerate(LABELS):
        for line, words in enumerate(_two_lines(label)):
            x, y = _LEFT + (place + 0.5) * _FIELD, height - 0.95 - 0.18 * line
            card.write(x, y, words, size=9, color=GREY, ha="center")
    columns = _columns(found)
    for x, heads, _ in columns:
        for line, words in enumerate(heads):
            card.write(x, height - 0.95 - 0.18 * line, words, size=10, color=GREY, ha="right")
    for number, arm in enumerate(order):
        y = height - _TOP + 0.1 - _ROW * number
        ours = arm in SHADES
        weight = "bold" if ours else "normal"
        words = arm.replace("_", " ")
        card.write(0.2, y, words, size=10.5, weight=weight, color=SHADES.get(arm, INK))
        for place, label in enumerate(LABELS):
            _field(card, _LEFT + place * _FIELD, y, found.mean(arm, label))
        for x, _, words in columns:
            card.write(x, y, words(arm), size=10, ha="right")
    card.alt = _alt(found, order)
    return card


def total(found: Survey, arm: str) -> float:
    """The sum of an arm's mean accuracies."""
    return sum(found.mean(arm, label) or 0 for label in LABELS)


def _columns(found: Survey):
    """Place, head and words of the columns at the right."""
    rank = {arm: "-" if value is None else f"{value:.0f}" for arm, value in found.rank.items()}
    last = f"{found.times.sizes[-1]:,}"

    def time_of(arm: str) -> str:
        return in_words(found.times.seconds[arm][-1])

    def memory_of(arm: str) -> str:
        return f"{found.memory[arm][-1]:.0f} MiB"

    return (
        (5.75, ("rank", "of 196"), lambda arm: rank[arm]),
        (6.8, ("time at", f"{last} tokens"), time_of),
        (7.8, ("memory at", f"{last} tokens"), memory_of),
    )


def _field(card: Card, left: float, y: float, share: float | None) -> None:
    """One field with its number, in dark ink on light and light ink on dark."""
    if share is None:
        return
    at = max(0.0, (share - CHANCE) / (1 - CHANCE))
    card.box(
        left + 0.02, y - 0.115, _FIELD - 0.04, 0.23, facecolor=to_hex(_COLOURS(at)), linewidth=0
    )
    ink = "white" if at < 0.55 else INK
    number = card.write(
        left + _FIELD / 2, y, f"{100 * share:.0f}", size=10, color=ink, ha="center", zorder=5
    )
    number.set_gid("field")


def _title(found: Survey) -> str:
    passed = [
        arm for arm in found.arms if all((found.mean(arm, la) or 0) >= _PASSED for la in LABELS)
    ]
    if not passed or len(passed) > 3:
        return f"Of {len(found.arms)} mechanisms {len(passed) or 'none'} pass all five probes"
    verb = "alone passes" if len(passed) == 1 else "pass"
    return f"Of {len(found.arms)} mechanisms, {', '.join(passed)} {verb} all five probes"


def _two_lines(label: str) -> tuple[str, str]:
    first, _, rest = label.partition(" ")
    return first, rest


def _alt(found: Survey, order: list[str]) -> str:
    lines = []
    for arm in order:
        means = (found.mean(arm, label) for label in LABELS)
        lines.append(f"{arm} " + ", ".join("-" if m is None else f"{100 * m:.0f}" for m in means))
    return (
        f"Table of test accuracies in per cent, columns {', '.join(LABELS)}: "
        + "; ".join(lines)
        + "."
    )
