"""The profile of an attention mechanism beside others: what each can do, and what it costs."""

from __future__ import annotations

from ..comparison.probe import ABILITIES, GRID, Profile
from ..timing import in_words
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card

_NEW = "#D55E00"  # the mechanism in question: no built-in one has it
_NEW_SHADE = "#B34A00"
_ROW, _TOP, _LEFT, _WIDTH = 0.36, 1.3, 2.0, 3.4
_OTHERS = ("#666666", "#9A9A9A", "#404040", "#B5B5B5")


def profile(found: Profile) -> Card:
    """A row an ability with a dot an arm, from 0 to 100, and a table of times at the right.

    Args:
        found: what `probe` returned.
    """
    rows = rows_of(found)
    listed = 0.15 + len(found.times.sizes) * (0.28 + 0.2 * len(found.arms))
    height = _TOP + max(_ROW * len(rows) + 0.75, listed)
    name = short(found.arms[0])
    card = Card(
        f"What {name} can do, and what it costs",
        f"Test accuracy of one layer after {found.steps:,} steps, one seed; "
        "below, its map before any training",
        height,
    )
    axes = card.place(_LEFT, height - _TOP - _ROW * len(rows), _WIDTH, _ROW * len(rows))
    axes.set(xlim=(0, 100), ylim=(len(rows) - 0.4, -0.6))
    axes.set_xticks([0, 50, 100], labels=["0", "50", "100 %"])
    axes.set_yticks(range(len(rows)), labels=[label for label, _ in rows])
    axes.grid(axis="both", color=GRID_LINE, linewidth=0.8)
    for arm in reversed(found.arms):
        points = [(values[arm], y) for y, (_, values) in enumerate(rows) if arm in values]
        x, y = ([point[axis] for point in points] for axis in (0, 1))
        new = arm == found.arms[0]
        axes.plot(
            x,
            y,
            "D" if new else "o",
            color=colour(found, arm),
            markersize=8 if new else 7,
            markeredgecolor="white",
            alpha=1 if new else 0.85,
            clip_on=False,
            gid=arm,
        )
    _legend(card, found, height)
    _times(card, found, height)
    card.alt = _alt(found, rows)
    return card


def rows_of(found: Profile) -> list[tuple[str, dict[str, float]]]:
    """Label and value in per cent of each arm, a row an ability."""
    rows = []
    for ability in ABILITIES:
        values = {arm: 100 * done[ability.label] for arm, done in found.accuracy.items()
                  if ability.label in done}  # fmt: skip
        rows.append((ability.label, values))
    tokens = GRID[0] * GRID[1]
    ranks = {arm: 100 * rank / tokens for arm, rank in found.rank.items() if rank is not None}
    even = {arm: 100 * value for arm, value in found.entropy.items() if value is not None}
    return [*rows, (f"rank, of {tokens}", ranks), ("row entropy", even)]


def short(arm: str) -> str:
    """The name of a function without its module.

    >>> short("my_file:my_attention+dwc"), short("focused")
    ('my_attention+dwc', 'focused')
    """
    return arm.rpartition(":")[2]


def colour(found: Profile, arm: str, shade: bool = False) -> str:
    """The mechanism's own colour, vermilion for the one in question where it has none."""
    table = SHADES if shade else COLOURS
    if arm in table:
        return table[arm]
    if arm == found.arms[0]:
        return _NEW_SHADE if shade else _NEW
    others = [other for other in found.arms[1:] if other not in table]
    return _OTHERS[others.index(arm) % len(_OTHERS)]


def _legend(card: Card, found: Profile, height: float) -> None:
    x = _LEFT
    for arm in found.arms:
        mark = "◆" if arm == found.arms[0] else "●"
        text = card.write(x, height - 0.95, f"{mark} {short(arm)}", size=10.5, weight="bold",
                          color=colour(found, arm, shade=True))  # fmt: skip
        x += text.get_window_extent().width / card.dpi + 0.25


def _times(card: Card, found: Profile, height: float) -> None:
    """Times of one forward pass, a line an arm under each number of tokens."""
    left, top = _LEFT + _WIDTH + 0.45, height - _TOP
    card.write(left, top, "one forward pass", size=10.5, weight="bold", color=INK)
    y = top - 0.27
    for place, tokens in enumerate(found.times.sizes):
        card.write(left, y, f"{tokens:,} tokens", size=10, color=GREY)
        for arm in found.arms:
            y -= 0.2
            seconds = found.times.seconds[arm][place]
            shade = colour(found, arm, shade=True)
            card.write(left + 0.1, y, _clip(short(arm)), size=9.5, color=shade)
            card.write(7.85, y, in_words(seconds), size=9.5, color=shade, ha="right")
        y -= 0.28


def _clip(name: str, letters: int = 16) -> str:
    return name if len(name) <= letters else name[: letters - 1] + "…"


def _alt(found: Profile, rows: list[tuple[str, dict[str, float]]]) -> str:
    sentences = [
        f"{label}: {', '.join(f'{short(arm)} {value:.0f}' for arm, value in values.items())}."
        for label, values in rows
    ]
    for place, tokens in enumerate(found.times.sizes):
        times = (f"{short(a)} {in_words(found.times.seconds[a][place])}" for a in found.arms)
        sentences.append(f"Time at {tokens:,} tokens: {', '.join(times)}.")
    return "Dots from 0 to 100 per cent, a row an ability. " + " ".join(sentences)
