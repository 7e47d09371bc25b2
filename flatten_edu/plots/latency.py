"""Figure 7 of the paper in small: reported accuracy against the time measured on this machine."""

from matplotlib.axes import Axes

from ..latency import Latencies
from ..paper import IMAGENET, NETWORKS, SPEED_PAIR
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card

_MARKERS = {"deit": "v", "pvt": "s", "swin": "o", "cswin": "D"}


def latency(times: Latencies) -> Card:
    """An open mark for softmax, a filled one for focused, joined; the paper's pair is marked.

    Args:
        times: what `latency.measure` returned for networks of the ImageNet table at 224 pixels.
    """
    slow, fast = SPEED_PAIR
    ratio = times.ratio(slow, fast)
    card = Card(
        f"At equal accuracy {ratio:.1f} times as fast here; at equal size {_equal(times)}",
        f"Across: one image, one CPU thread, medians of {times.rounds} or more. "
        "Up: top-1 as the paper reports it",
    )
    axes = card.place(0.95, 0.95, 6.75, 2.6)
    milliseconds = [1000 * s for s in times.seconds.values()]
    axes.set(xscale="log", xlim=(min(milliseconds) / 1.4, max(milliseconds) * 1.5), ylim=(71, 86))
    axes.minorticks_off()
    ticks = [t for t in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
             if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]]  # fmt: skip
    axes.set_xticks(ticks, [f"{t} ms" if t < 1000 else f"{t // 1000} s" for t in ticks])
    axes.set_yticks([72, 76, 80, 84], [f"{y} %" for y in (72, 76, 80, 84)])
    axes.grid(color=GRID_LINE, linewidth=0.8)
    for name in dict.fromkeys(name for name, _ in times.seconds):
        _network(axes, name, times)
    x = [1000 * times.seconds[pair] for pair in (fast, slow)]
    y = IMAGENET[(*slow, 224)][2]
    axes.annotate("", (x[0], y), (x[1], y), zorder=5,
                  arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.8})  # fmt: skip
    card.write(0.95, 0.25, "○ softmax", 10, weight="bold", color=SHADES["softmax"])
    card.write(2.05, 0.25, "● focused", 10, weight="bold", color=SHADES["focused"])
    words = f"→ {NETWORKS[slow[0]]} softmax to {NETWORKS[fast[0]]} focused, both {y} %"
    card.write(7.8, 0.25, words, 10, ha="right", color=GREY)
    card.alt = "Milliseconds an image here, with the reported top-1: " + "; ".join(
        f"{NETWORKS[name]} {kind} {1000 * s:.0f} ms, {IMAGENET[name, kind, 224][2]:.1f} %"
        for (name, kind), s in times.seconds.items()
    ) + f". {words[2:]}: {ratio:.2f} times as fast."  # fmt: skip
    return card


def _equal(times: Latencies) -> str:
    """Softmax's time over focused's, over all networks that were measured with both."""
    both = [name for name, kind in times.seconds if (name, "focused") in times.seconds
            and kind == "softmax"]  # fmt: skip
    ratios = [times.ratio((name, "softmax"), (name, "focused")) for name in both]
    return f"{min(ratios):.1f} to {max(ratios):.1f}"


def _network(axes: Axes, name: str, times: Latencies) -> None:
    marker = _MARKERS[name.partition("_")[0]]
    points = [(1000 * times.seconds[name, kind], IMAGENET[name, kind, 224][2], kind)
              for kind in ("softmax", "focused") if (name, kind) in times.seconds]  # fmt: skip
    axes.plot([p[0] for p in points], [p[1] for p in points], color=GREY, linewidth=1.2, zorder=1)
    for x, y, kind in points:
        face = "white" if kind == "softmax" else COLOURS["focused"]
        edge = COLOURS["softmax"] if kind == "softmax" else "none"
        size = 11 if kind == "softmax" else 7.5
        axes.plot(x, y, marker, mfc=face, mec=edge, mew=1.8, ms=size, gid=f"{name} {kind}")
    low = min(p[1] for p in points)
    right = max(p[0] for p in points)
    axes.annotate(NETWORKS[name], (right, low), (9, -4), textcoords="offset points", va="top",
                  fontsize=10, weight="bold", color=INK)  # fmt: skip
