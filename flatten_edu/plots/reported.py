"""What each paper reports: accuracies on ImageNet by network, best first, with the year."""

from ..attention import has_branch
from ..gallery import CARDS
from ..gallery.own import _OWN
from .mechanisms import colour, shade
from .style import GREY, GRID_LINE, RULE, Card

NETWORKS = ("DeiT-T", "PVT-T", "Swin-T")
_ROW, _LEFT, _WIDTH = 0.25, 2.0, 3.6


def reported(network: str = "DeiT-T") -> Card:
    """A dot a mechanism for one network; yours is listed, with nothing reported.

    Args:
        network: "DeiT-T", "PVT-T" or "Swin-T".
    """
    if network not in NETWORKS:
        raise ValueError(f"network must be one of {', '.join(NETWORKS)}, but is {network!r}")
    top1 = {n: c.reported[network] for n, c in CARDS.items() if network in c.reported}
    order = [*sorted(top1, key=lambda name: -top1[name]), *_OWN]
    ahead = [name for name in order if top1.get(name, 0) > top1["softmax"]]
    height = 4.9
    card = Card(
        f"{network}: {len(ahead)} of {len(top1) - 1} report more than softmax, focused "
        f"{top1['focused']:.1f} %",
        "Top-1 on ImageNet-1K at 224 pixels, as reported; recipes differ between papers",
        height,
    )
    top = height - 1.2
    axes = card.place(_LEFT, top - _ROW * 13, _WIDTH, _ROW * 13)
    low, high = min(top1.values()), max(top1.values())
    axes.set(xlim=(int(low) - 0.5, int(high) + 1.5), ylim=(12.5, -0.5), yticks=[])
    axes.grid(axis="x", color=GRID_LINE, linewidth=0.8)
    axes.axvline(top1["softmax"], color=colour("softmax"), linewidth=1.2)
    for x, head in ((0.2, "mechanism"), (5.85, "year"), (6.45, "convolution beside it")):
        card.write(x, height - 0.92, head, size=10, color=GREY)
    for line, name in enumerate(order):
        y = top - _ROW * (line + 0.5)
        card.write(0.2, y, name.replace("_", " "), size=10.5, weight="bold", color=shade(name))
        if name not in top1:
            card.write(_LEFT + 0.1, y, "nothing yet", size=10, color=GREY)
            continue
        axes.plot([top1["softmax"], top1[name]], [line] * 2, color=RULE, linewidth=1.2)
        axes.plot(top1[name], line, "o", color=colour(name), markersize=8, gid=name)
        card.write(1.9, y, f"{top1[name]:.1f}", size=10.5, ha="right", color=shade(name))
        card.write(5.85, y, str(CARDS[name].year), size=10, color=GREY)
        card.write(6.45, y, "yes" if has_branch(name) else "-", size=10, color=GREY)
    card.alt = f"Reported top-1 accuracies of {network} in per cent: " + (
        ", ".join(f"{name} {top1[name]:.1f}" for name in order if name in top1) + "."
    )
    return card
