"""What the N x N map costs in memory: squares as large as the maps, for images of rising size."""

from .arguments import above, asks, one_of, whole
from .style import COLOURS, GREY, INK, SHADES, Card

SIDES = (224, 448, 896, 1792)
HEADS = 3
_EDGE = 3.1  # inches, of the largest map
_BYTES = 4  # float32


@asks(tokens=whole(1), heads=whole(1))
def map_bytes(tokens: int, heads: int = 1) -> int:
    """Bytes of one layer's attention maps in float32: 4 h N^2.

    >>> map_bytes(196, heads=3)
    460992
    """
    return _BYTES * heads * tokens**2


@asks(size=above(0))
def bytes_in_words(size: float) -> str:
    """Bytes in the unit that gives a short number.

    >>> bytes_in_words(49152), bytes_in_words(460992), bytes_in_words(1888223232)
    ('49 kB', '0.46 MB', '1.9 GB')
    """
    units = ((1e9, "GB"), (1e5, "MB"), (0, "kB"))
    name = next(name for limit, name in units if size >= limit)
    unit = {"GB": 1e9, "MB": 1e6, "kB": 1e3}[name]
    value = size / unit
    return f"{value:.0f} {name}" if value >= 10 else f"{value:.2g} {name}"


@asks(side=one_of(*SIDES), patch=whole(1, 224))
def map_memory(side: int = 448, patch: int = 16) -> Card:
    """The maps of one layer of DeiT-T (3 heads) as squares, for images of rising side.

    Args:
        side: side of the image in pixels, one of 224, 448, 896 and 1792.
        patch: side of a patch in pixels.
    """
    tokens = {s: (s // patch) ** 2 for s in SIDES}
    sizes = {s: map_bytes(n, HEADS) for s, n in tokens.items()}
    card = Card(
        "Twice the side: 4 × the tokens, 16 × the map",
        f"Attention maps of one layer, 3 heads, float32, patches of {patch} × {patch} "
        "pixels; areas drawn to scale",
    )
    for s in reversed(SIDES):
        edge = _EDGE * tokens[s] / tokens[SIDES[-1]]
        face = COLOURS["softmax"] if s == side else "#E5F0F7" if s < side else "white"
        card.box(
            0.3,
            0.3,
            edge,
            edge,
            facecolor=face,
            edgecolor=COLOURS["softmax"],
            linewidth=1.2,
            gid=f"{s}",
        )
    _table(card, side, tokens, sizes)
    memory = map_bytes(64, HEADS)
    card.box(3.85, 0.46, 0.03, 0.03, facecolor=COLOURS["linear"])
    words = "linear attention keeps 3 × 64 × 64 numbers,\n"
    words += f"{bytes_in_words(memory)}, for an image of any size"
    card.write(4.0, 0.5, words, 10.5, color=SHADES["linear"], linespacing=1.35)
    rows = "; ".join(f"{s} pixels, {tokens[s]:,} tokens, {bytes_in_words(sizes[s])}" for s in SIDES)
    card.alt = (
        f"Four nested squares whose areas are the sizes of the N x N maps: {rows}. "
        f"At {side} pixels they are {sizes[side] / memory:,.0f} times what linear attention keeps, "
        f"{bytes_in_words(memory)}."
    )
    return card


def _table(card: Card, side: int, tokens: dict[int, int], sizes: dict[int, int]) -> None:
    columns = ((4.55, "image side"), (5.7, "tokens N"), (7.0, "3 maps N × N"))
    for x, head in columns:
        card.write(x, 3.2, head, 10.5, color=GREY, ha="center")
    for i, s in enumerate(SIDES):
        here = s == side
        style = {
            "color": SHADES["softmax"] if here else INK,
            "weight": "bold" if here else "normal",
        }
        words = (f"{s:,} px", f"{tokens[s]:,}", bytes_in_words(sizes[s]))
        for (x, _), word in zip(columns, words, strict=True):
            card.write(x, 2.76 - 0.46 * i, word, 13, ha="center", **style)
