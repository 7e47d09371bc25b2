"""Why the focused stages stand first: what mixing tokens costs in each stage of Swin-T."""

from .arguments import asks, one_of, whole
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card

KINDS = {
    "all": ("softmax", "softmax, all tokens"),
    "window": ("softmax", "softmax, windows of 7 × 7"),
    "focused": ("focused", "focused + DWC, all tokens"),
}
_HATCH = {"all": "", "window": "////", "focused": ""}
WIDTHS = (96, 192, 384, 768)  # of Swin-T; a head has 32 channels in every stage


@asks(kind=one_of(*KINDS), tokens=whole(1), width=whole(1), d=whole(1), kernel=whole(1))
def mixing_cost(kind: str, tokens: int, width: int, d: int = 32, kernel: int = 5) -> int:
    """Multiply-adds of mixing, between the projections, in one block.

    Softmax compares each token with m keys and mixes m values: 2 N m c, with m = N or, in windows,
    m = 49. Focused attention makes and reads a d x d memory a head, 2 N d c; its branch takes
    k^2 N c.

    Args:
        kind: "all", "window" or "focused".
        tokens: N.
        width: channels c of a token.
        d: channels of a head.
        kernel: side of the branch's kernel.

    >>> mixing_cost("all", 3136, 96) // mixing_cost("window", 3136, 96)
    64
    """
    if kind == "focused":
        return tokens * width * (2 * d + kernel**2)
    return 2 * tokens * width * (min(tokens, 49) if kind == "window" else tokens)


@asks(pixels=whole(32, 2**14, step=32))
def stage_costs(pixels: int = 224) -> Card:
    """Bars on a logarithmic axis: three ways to mix tokens in each stage of Swin-T.

    Args:
        pixels: side of the image, a multiple of 32.
    """
    tokens = [(pixels // step) ** 2 for step in (4, 8, 16, 32)]
    costs = {
        kind: [mixing_cost(kind, n, c) for n, c in zip(tokens, WIDTHS, strict=True)]
        for kind in KINDS
    }
    ratio = [a / f for a, f in zip(costs["all"], costs["focused"], strict=True)]
    card = Card(
        f"Seeing all tokens: focused saves {_times(ratio[0])} in stage 1, {_times(ratio[3])} in "
        "stage 4",
        f"Swin-T at {pixels} × {pixels} pixels: multiply-adds of mixing tokens in one block, "
        "projections left out",
    )
    axes = card.place(0.95, 1.12, 4.6, 2.2)
    _bars(axes, costs)
    for stage, (n, c) in enumerate(zip(tokens, WIDTHS, strict=True)):
        x = 0.95 + 4.6 * (stage + 0.5) / 4
        card.write(x, 0.92, f"stage {stage + 1}", 10.5, weight="bold", ha="center")
        card.write(x, 0.68, f"{n:,} tokens", 10, ha="center")
        card.write(x, 0.46, f"{c} channels", 10, color=GREY, ha="center")
        kept = "focused" if stage < 2 else "softmax"
        card.write(x, 0.22, kept, 10, weight="bold", color=SHADES[kept], ha="center")
    card.write(0.2, 0.22, "the paper", 10, color=GREY)
    for row, (kind, (mechanism, words)) in enumerate(KINDS.items()):
        y = 3.0 - 0.5 * row
        card.box(5.8, y - 0.08, 0.3, 0.18, **_face(kind))
        card.write(6.2, y, words.partition(", ")[0], 10.5, weight="bold", color=SHADES[mechanism])
        card.write(6.2, y - 0.2, words.partition(", ")[2], 10.5, color=INK)
    words = ", ".join(f"stage {i} {_times(r)}" for i, r in enumerate(ratio, 1))
    card.alt = (
        f"Bars of multiply-adds in the four stages of Swin-T at {pixels} pixels. Softmax over all "
        f"tokens costs this many times what focused attention costs: {words}. Softmax in windows "
        "costs about the same as focused attention in every stage."
    )
    return card


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} ×" if ratio >= 9.5 else f"{ratio:.1f} ×"


def _face(kind: str) -> dict:
    """How the bars of a kind look: windows are hatched, so that grey prints tell them apart."""
    colour = COLOURS[KINDS[kind][0]]
    if kind == "window":
        return {"facecolor": "#D3E6F2", "edgecolor": colour, "hatch": _HATCH[kind], "linewidth": 1}
    return {"facecolor": colour, "edgecolor": colour, "linewidth": 1}


def _bars(axes, costs: dict[str, list[int]]) -> None:
    axes.set(xlim=(-0.5, 3.5), yscale="log", ylim=(1e6, 2e13), xticks=())
    axes.minorticks_off()
    ticks = {1e6: "1 M", 1e7: "10 M", 1e8: "0.1 G", 1e9: "1 G", 1e10: "10 G", 1e11: "100 G"}
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.grid(axis="y", color=GRID_LINE, linewidth=0.8)
    for offset, (kind, values) in zip((-0.27, 0, 0.27), costs.items(), strict=True):
        for stage, value in enumerate(values):
            axes.bar(stage + offset, value - 1e6, 0.24, 1e6, gid=f"{kind} {stage}", **_face(kind))
            axes.annotate(_short(value), (stage + offset, value), (0, 2), ha="center",
                          textcoords="offset points", va="bottom", fontsize=8.5, rotation=90,
                          color=SHADES[KINDS[kind][0]])  # fmt: skip


def _short(value: float) -> str:
    """Multiply-adds in three digits: 1888223232 -> 1.89 G."""
    return f"{value / 1e9:.3g} G" if value >= 1e9 else f"{value / 1e6:.3g} M"
