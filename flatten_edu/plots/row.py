"""Softmax attention for one query on a digit: scores, weights, and what the values are mixed to."""

from einops import rearrange

from ..analysis import attention_map
from .arguments import asks, place, within
from .maps import colour_bar, mark, show_digit, show_scores, show_weights
from .style import COLOURS, GREY, SHADES, Card
from .tokens import GRID, digit_tokens, half_weight, unpatch

PANEL, PITCH, BOTTOM = 1.68, 1.96, 0.98


@asks(query=place(*GRID), query_length=within(0, 1e18))
def softmax_row(query: tuple[int, int] = (7, 8), query_length: float = 1) -> Card:
    """From one query's scores to weights to values, on a digit.

    Args:
        query: (row, column) of the query's patch on the grid of 14 x 14.
        query_length: factor on the queries; 1 leaves them as long as the keys.
    """
    tokens = digit_tokens()
    d = tokens.q.shape[-1]
    n = query[0] * GRID[1] + query[1]
    scores = query_length * (tokens.k[0, 0] @ tokens.q[0, 0, n]) / d**0.5 + 0.0  # no -0
    map = attention_map(query_length * tokens.q, tokens.k, "softmax")
    half = half_weight(map[0, 0, n])
    card = Card(
        _title(query_length, half),
        "Softmax attention of one patch (black frame) on a digit of "
        "14 × 14 patches; untrained tokens",
        height=3.7,
    )
    axes = [card.place(0.2 + PITCH * i, BOTTOM, PANEL, PANEL) for i in range(4)]
    show_digit(axes[0], tokens.image)
    scale = show_scores(axes[1], rearrange(scores, "(y x) -> y x", y=GRID[0]), 16)
    weights = show_weights(axes[2], map[0, 0, n])
    mixed = unpatch(map @ tokens.v)
    show_digit(axes[3], mixed)
    for axis in axes:
        mark(axis, query)
    colour_bar(card, scale, 0.2 + PITCH, 0.42, PANEL, (-16, 0, 16), ("≤ −16", "0", "≥ 16"))
    colour_bar(card, weights, 0.2 + 2 * PITCH, 0.42, PANEL, (-2, 0, 4), ("≤ ¼", "1", "≥ 16"))
    _words(card)
    card.alt = (
        f"A digit 5 with a frame round the patch in row {query[0]}, column {query[1]}, and three "
        f"maps: its scores, from {scores.min():.1f} to {scores.max():.1f}; its weights, half of "
        f"which lie on {half} of 196 patches; and the digit with every patch replaced by its mix, "
        f"with grey values from {mixed.min():.2f} to {mixed.max():.2f}."
    )
    return card


def _title(length: float, half: int) -> str:
    if length == 0:
        return "A query of length 0 asks nothing: all 196 weights are equal"
    patches = "1 patch" if half == 1 else f"{half} of 196 patches"
    return f"Query × {length:g}: half of the weight lies on {patches}"


def _words(card: Card) -> None:
    heads = ("the query's patch", "scores", "weights", "mixed values")
    steps = ("qᵢ asks 196 keys", "qᵢ · kⱼ / √d", "exp, ÷ sum of all 196", "Σⱼ weight × vⱼ")
    for i, (head, step) in enumerate(zip(heads, steps, strict=True)):
        x = 0.2 + PITCH * i
        shade = SHADES["softmax"] if i else SHADES["query"]
        card.write(x, 2.8, head, 11, weight="bold", color=shade)
        card.write(x, 0.8, step, 10.5, color=SHADES["query"])
        if i:
            card.write(x - 0.14, BOTTOM + PANEL / 2, "→", 14, color=COLOURS["softmax"], ha="center")
    card.write(0.2, 0.5, "colours: score; weight", 9.5, color=GREY)
    card.write(0.2, 0.3, "in shares of 1/196", 9.5, color=GREY)
    card.write(0.2 + 3 * PITCH, 0.5, "each patch replaced", 9.5, color=GREY)
    card.write(0.2 + 3 * PITCH, 0.3, "by its own mix", 9.5, color=GREY)
