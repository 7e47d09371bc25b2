"""Time and memory of every mechanism against the number of tokens, on logarithmic axes."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from ..timing import Times, in_words
from .mechanisms import QUIET, colour, shade
from .style import GREY, GRID_LINE, Card

_ALWAYS = ("softmax", "focused")


def gallery_cost(
    times: Times, memory: Mapping[str, Sequence[float]], mechanism: str = "focused"
) -> Card:
    """All mechanisms in grey, softmax, focused and one more in colour.

    Args:
        times: of one forward pass, as `comparison.probe.cost` measures it.
        memory: MiB at the worst moment, by mechanism and size.
        mechanism: which one stands out.
    """
    if mechanism not in times.seconds:
        known = ", ".join(times.seconds)
        raise ValueError(f"mechanism must be one of {known}, but is {mechanism!r}")
    last = f"{times.sizes[-1]:,}"
    seconds = {name: found[-1] for name, found in times.seconds.items()}
    rank = sorted(seconds, key=lambda name: seconds[name]).index(mechanism) + 1
    card = Card(
        f"{mechanism.replace('_', ' ')} at {last} tokens: {in_words(seconds[mechanism])}, "
        f"place {rank} of {len(seconds)}",
        f"Forward, {times.what}; {times.where}",
        4.3,
    )
    panels = ((0.85, "milliseconds", {n: [1000 * s for s in t] for n, t in times.seconds.items()}),
              (4.35, "MiB at the worst moment", memory))  # fmt: skip
    for left, words, values in panels:
        axes = card.place(left, 0.6, 2.5, 2.75)
        card.write(left - 0.45, 3.52, words, size=11, weight="bold")
        _lines(axes, times.sizes, values, mechanism)
    names = dict.fromkeys([*_ALWAYS, mechanism])
    for line, name in enumerate(name for name in names if name in seconds):
        y = 3.1 - 0.75 * line
        card.write(7.0, y, name.replace("_", " "), size=10, weight="bold", color=shade(name))
        card.write(7.0, y - 0.21, in_words(seconds[name]), size=10, color=shade(name))
        card.write(7.0, y - 0.41, f"{memory[name][-1]:.1f} MiB", size=10, color=shade(name))
    card.alt = f"Time and memory at {last} tokens: " + (
        ", ".join(f"{n} {in_words(s)} and {memory[n][-1]:.1f} MiB" for n, s in seconds.items())
        + "."
    )
    return card


def _lines(
    axes: Axes, sizes: Sequence[int], values: Mapping[str, Sequence[float]], mechanism: str
) -> None:
    axes.set(xscale="log", yscale="log")
    axes.minorticks_off()
    axes.set_xticks(sizes, [f"{n:,}" for n in sizes])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("tokens N", color=GREY)
    axes.grid(color=GRID_LINE, linewidth=0.8)
    for name, found in values.items():
        bold = name == mechanism or name in _ALWAYS
        axes.plot(
            sizes, found, "o-" if bold else "-", color=colour(name) if bold else QUIET,
            linewidth=2.8 if name == mechanism else 2 if bold else 1, markersize=4,
            zorder=4 if bold else 2, gid=name,
        )  # fmt: skip
