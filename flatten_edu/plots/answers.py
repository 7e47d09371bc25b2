"""One patch of a photo asks, and every mechanism of the gallery answers: rows side by side."""

from functools import cache

from torch import Tensor

from ..analysis import attention_map
from ..data import photo
from ..gallery import shown
from .maps import colour_bar, mark, show_weights
from .mechanisms import GRID, colour, key, shade
from .photo import photo_tokens, show_photo
from .photo_rows import place_of
from .style import GREY, Card
from .tokens import half_weight

_COLUMNS, _PANEL, _PITCH, _ROW = 6, 1.12, 1.29, 1.58


@cache
def _map(mechanism, p: float, scale: float) -> Tensor:
    tokens = photo_tokens()
    return attention_map(scale * tokens, tokens, mechanism, p, grid=GRID)[0, 0]


def photo_row(
    mechanism: str, patch: str | tuple[int, int] = "suit", p: float = 3, scale: float = 1
) -> Tensor:
    """How a patch of the astronaut's photo looks at all 196, as a mechanism has it: 196.

    Args:
        mechanism: a name of `gallery.shown()`.
        patch: see `photo_rows`.
        p: focusing power, for "focused" alone.
        scale: factor on the queries.

    >>> photo_row("agent").sum().round(decimals=6)
    tensor(1., dtype=torch.float64)
    """
    y, x = place_of(patch)
    return _map(key(mechanism), p, scale)[y * GRID[1] + x]


def answers(patch: str | tuple[int, int] = "suit", scale: float = 1, p: float = 3) -> Card:
    """The rows of all mechanisms for one patch, and on how many patches half of each lies.

    Drawn are the sizes of the weights in shares of their sum, as rows may be signed.

    Args:
        patch: see `photo_rows`.
        scale: factor on the queries.
        p: focusing power, for "focused" alone.
    """
    at, names = place_of(patch), shown()
    rows = {name: photo_row(name, patch, p, scale) for name in names}
    half = {name: half_weight(row.abs()) for name, row in rows.items()}
    lines = -(-(len(names) + 1) // _COLUMNS)
    height = 1.35 + _ROW * lines
    fewest, most = min(half.values()), max(half.values())
    card = Card(
        f"{len(names)} mechanisms, one question: half of the weight on {fewest} to {most} patches",
        f"Not trained: q = k = a patch's colour, edges, thumbnail; d = 64; q × {scale:g}; "
        f"focused with p = {p:g}",
        height,
    )
    for number, name in enumerate(["", *names]):
        line, column = divmod(number, _COLUMNS)
        x, y = 0.2 + _PITCH * column, height - 2.18 - _ROW * line
        axes = card.place(x, y, _PANEL, _PANEL)
        if not name:
            show_photo(axes, photo("astronaut", size=224))
        else:
            sizes = rows[name].abs()
            show_weights(axes, sizes / sizes.sum(), colour(name), 1.6)
            card.write(x, y - 0.14, _facts(rows[name], half[name]), size=8.6, color=GREY)
        title = name.replace("_", " ") or "who asks"
        card.write(x, y + _PANEL + 0.14, title, size=10.5, weight="bold", color=shade(name))
        mark(axes, at)
    card.write(0.2, 0.32, "size of a weight, in", size=9.5, color=GREY)
    card.write(0.2, 0.15, "even shares of 1/196", size=9.5, color=GREY)
    at_words = ((-2, 0, 2, 4), ("≤ ¼", "1", "4", "≥ 16"))
    colour_bar(card, card.axes[1].images[0], 0.2 + _PITCH * 2, 0.3, 3 * _PITCH + _PANEL, *at_words)
    card.alt = (
        f"A photo with a frame round {patch if isinstance(patch, str) else at}, and the "
        f"patch's row under {len(names)} mechanisms, queries times {scale:g}. Patches that hold "
        "half of the weight: " + ", ".join(f"{name} {count}" for name, count in half.items()) + "."
    )
    return card


def _facts(row: Tensor, half: int) -> str:
    negative = int((row < -1e-12).sum())
    return f"half on {half}, {negative} < 0" if negative else f"half on {half}"
