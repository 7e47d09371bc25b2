"""Time against the number of tokens, on two logarithmic axes, as measured on this machine."""

import math

import numpy as np
from matplotlib.axes import Axes

from ..timing import Times
from .arguments import asks, made_by
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card

_NAMES = {"focused": "focused + DWC", "(Q Kᵀ) V": "(Q Kᵀ) V", "Q (Kᵀ V)": "Q (Kᵀ V)"}
_COLOURS = {"(Q Kᵀ) V": "#666666", "Q (Kᵀ V)": COLOURS["linear"]} | COLOURS
_SHADES = {"(Q Kᵀ) V": "#444444", "Q (Kᵀ V)": SHADES["linear"]} | SHADES
_TICKS = (49, 196, 784, 3136, 12544)
_LEFT, _BOTTOM, _WIDTH, _HEIGHT = 0.95, 1.14, 5.4, 2.2


@asks(times=made_by(Times, "timing.measure"))
def cost(times: Times) -> Card:
    """Measured times on log-log axes: the slopes, and where the last case overtakes the first.

    Args:
        times: what `timing.measure` returned; its first case is the one with N x N products.
    """
    slow, fast = next(iter(times.seconds)), list(times.seconds)[-1]
    crossing = times.crossing(slow, fast)
    gain = times.seconds[slow][-1] / times.seconds[fast][-1]
    card = Card(
        _title(fast, times, crossing),
        f"{times.what}; {times.where}, medians of {times.rounds} or more",
    )
    axes = card.place(_LEFT, _BOTTOM, _WIDTH, _HEIGHT)
    _scales(axes, times)
    _sides(axes, slow, fast, crossing, times)
    for name, seconds in times.seconds.items():
        axes.plot(
            times.sizes,
            seconds,
            "o-",
            color=_COLOURS[name],
            markeredgecolor="white",
            markersize=5,
            linewidth=2.2 if name == "linear" else 2.8,
            gid=name,
        )
    for name in (slow, fast):
        _slope_words(axes, times, name)
    _ends(card, axes, times, gain)
    _table(card, axes, times)
    card.alt = _alt(times, slow, fast, crossing, gain)
    return card


def _title(fast: str, times: Times, crossing: float | None) -> str:
    name = f"{fast.capitalize()} attention" if fast in COLOURS else fast
    if crossing is None:
        return f"Up to {times.sizes[-1]:,} tokens {name} is not cheaper here"
    if crossing <= times.sizes[0]:
        return f"{name} is cheaper here from {times.sizes[0]} tokens on"
    return f"{name} is cheaper here from about {_about(crossing)} tokens on"


def _about(n: float) -> str:
    """A number with two digits: 307 -> 310."""
    digits = max(0, int(math.log10(n)) - 1)
    return f"{round(n / 10**digits) * 10**digits:,}"


def _scales(axes: Axes, times: Times) -> None:
    seconds = np.array(list(times.seconds.values()))
    axes.set(xscale="log", yscale="log")
    axes.set_xlim(times.sizes[0] / 1.22, times.sizes[-1] * 1.22)
    axes.set_ylim(seconds.min() / 1.9, seconds.max() * 2.2)
    axes.minorticks_off()
    axes.set_xticks([n for n in _TICKS if times.sizes[0] <= n <= times.sizes[-1]], [])
    low, high = (math.log10(y) for y in axes.get_ylim())
    decades = range(math.ceil(low), math.floor(high) + 1)
    axes.set_yticks([10.0**e for e in decades], [_seconds(10.0**e) for e in decades])
    axes.grid(color=GRID_LINE, linewidth=0.8)


def _seconds(s: float) -> str:
    """A time with its unit: 0.01 -> 10 ms.

    >>> [_seconds(s) for s in (2e-5, 0.01, 0.1, 10)]
    ['20 µs', '10 ms', '0.1 s', '10 s']
    """
    if s < 1e-3:
        return f"{s * 1e6:g} µs"
    return f"{s * 1e3:g} ms" if s < 0.1 else f"{s:g} s"


def _sides(axes: Axes, slow: str, fast: str, crossing: float | None, times: Times) -> None:
    """A tint on either side of the crossing, and a ring round it."""
    first, last = axes.get_xlim()
    at = min(max(crossing or last, first), last)
    axes.axvspan(first, at, color=_COLOURS[slow], alpha=0.06, linewidth=0)
    axes.axvspan(at, last, color=_COLOURS[fast], alpha=0.08, linewidth=0)
    if crossing is None or crossing <= times.sizes[0]:
        return
    y = math.exp(np.interp(math.log(crossing), np.log(times.sizes), np.log(times.seconds[fast])))
    high = axes.get_ylim()[1] / 1.6
    axes.plot((crossing, crossing), (axes.get_ylim()[0], high), color=INK, linewidth=1.2)
    axes.plot(crossing, y, "o", mfc="white", mec=INK, mew=2, markersize=9, zorder=5)
    side = f"{math.sqrt(crossing):.0f}"
    axes.annotate(
        f" equal at N ≈ {_about(crossing)},\n about {side} × {side}",
        (crossing, high),
        (4, 0),
        textcoords="offset points",
        va="top",
        fontsize=10,
        color=INK,
    )


def _slope_words(axes: Axes, times: Times, name: str) -> None:
    """'4 x tokens, 15 x time' along the line, computed from its last factor of four."""
    last = times.sizes[-1]
    logs = np.log(times.sizes), np.log(times.seconds[name])
    ends = [math.exp(np.interp(math.log(n), *logs)) for n in (last / 4, last)]
    (x0, y0), (x1, y1) = axes.transData.transform([(last / 4, ends[0]), (last, ends[1])])
    angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
    middle = (last / 2, math.sqrt(ends[0] * ends[1]))
    words = f"4 × tokens, {ends[1] / ends[0]:.0f} × time"
    axes.annotate(
        words,
        middle,
        (0, 7),
        textcoords="offset points",
        ha="center",
        va="bottom",
        rotation=angle,
        rotation_mode="anchor",
        fontsize=10,
        color=_SHADES[name],
    )


def _ends(card: Card, axes: Axes, times: Times, gain: float) -> None:
    """The names at the lines' ends, kept apart, and how many times faster the last one is."""
    low, high = np.log(axes.get_ylim())
    ends = {
        name: _BOTTOM + _HEIGHT * (math.log(seconds[-1]) - low) / (high - low)
        for name, seconds in times.seconds.items()
    }
    above = 9.0
    for name in sorted(ends, key=lambda name: -ends[name]):
        above = ends[name] = min(ends[name], above - 0.24)
        card.write(6.5, above, _NAMES.get(name, name), 11, weight="bold", color=_SHADES[name])
    slow, fast = next(iter(times.seconds)), list(times.seconds)[-1]
    if ends[slow] - ends[fast] > 0.46:
        middle = (ends[slow] + ends[fast]) / 2
        card.write(6.5, middle, f"{gain:.0f} × faster", 11, weight="bold")


def _table(card: Card, axes: Axes, times: Times) -> None:
    """Under the axis: tokens, their grid, and the image that they come from."""
    heads = ((0.92, "tokens N"), (0.68, "grid"), (0.44, "patch 16"), (0.2, "patch 4"))
    for y, head in heads:
        weight, colour = ("bold", INK) if head == "tokens N" else ("normal", GREY)
        card.write(0.2, y, head, 10, weight=weight, color=colour)
    first, last = (math.log(x) for x in axes.get_xlim())
    for n in axes.get_xticks():
        x = _LEFT + _WIDTH * (math.log(n) - first) / (last - first)
        side = math.isqrt(int(n))
        words = (f"{n:,.0f}", f"{side} × {side}", f"{16 * side} px", f"{4 * side} px")
        for (y, head), word in zip(heads, words, strict=True):
            weight, colour = ("bold", INK) if head == "tokens N" else ("normal", GREY)
            card.write(x, y, word, 10, weight=weight, color=colour, ha="center")


def _alt(times: Times, slow: str, fast: str, crossing: float | None, gain: float) -> str:
    slopes = ", ".join(f"{name} {times.slope(name):.2f}" for name in times.seconds)
    where = "does not overtake" if crossing is None else f"overtakes at N = {crossing:.0f}"
    last = f"at N = {times.sizes[-1]:,} the one takes {gain:.1f} times as long as the other"
    return (
        f"Log-log plot of measured time against tokens N from {times.sizes[0]} to "
        f"{times.sizes[-1]:,}. Slopes from N = 784 on: {slopes}. Compared with {slow}, {fast} "
        f"{where}; {last}."
    )
