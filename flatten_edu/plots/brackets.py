"""Why the brackets may move: both ways to multiply Q, K^T and V, the matrices drawn to scale."""

from .arguments import asks, whole
from .style import COLOURS, GREY, INK, RULE, SHADES, Card

LARGEST = 400  # tokens that fill a row of the card
_SCALE = 1.3 / LARGEST  # inches an entry's side


@asks(n=whole(1), d=whole(1))
def multiply_adds(n: int, d: int) -> tuple[int, int]:
    """Multiply-adds of (Q K^T) V and of Q (K^T V), one head: 2 n^2 d and 2 n d^2.

    >>> multiply_adds(n=196, d=64)
    (4917248, 1605632)
    """
    return 2 * n * n * d, 2 * n * d * d


@asks(n=whole(1, LARGEST), d=whole(1, 4096))
def brackets(n: int = 196, d: int = 64) -> Card:
    """The products of both brackets as blocks whose areas are their numbers of entries.

    Args:
        n: number of tokens, at most 400.
        d: channels of a head.
    """
    left, right = multiply_adds(n, d)
    card = Card(
        _title(left, right, n, d),
        f"N = {n} tokens, d = {d} channels; every block has as much area as it has numbers",
        height=4.5,
    )
    row = _Row(card, n, d)
    row.draw(2.96, "(Q Kᵀ) V", "N × N", n, left, "#666666", "#444444")
    row.draw(1.06, "Q (Kᵀ V)", "d × d", d, right, COLOURS["linear"], SHADES["linear"])
    card.alt = (
        f"Two rows of blocks for N = {n}, d = {d}. First K and Q make a map of {n} x {n} = "
        f"{n * n:,} numbers, {left / 1e6:.2f} million multiply-adds in all; or K and V make "
        f"{d} x {d} = {d * d:,} numbers, {right / 1e6:.2f} million. "
        f"The result, {n} x {d}, is the same."
    )
    return card


def _title(left: int, right: int, n: int, d: int) -> str:
    if left == right:
        return "As many tokens as channels: both brackets cost the same"
    if left > right:
        return f"The same result with {n / d:.2g} times fewer multiply-adds"
    return f"Fewer tokens than channels: Q (Kᵀ V) costs {d / n:.2g} times more"


class _Row:
    """One way to set the brackets: three factors, what they make first, the result, the cost."""

    def __init__(self, card: Card, n: int, d: int) -> None:
        self.card, self.n, self.d = card, n, d

    def draw(
        self, y: float, name: str, shape: str, side: int, work: int, colour: str, shade: str
    ) -> None:
        """The row with its middle at the height y."""
        n, d = self.n, self.d
        self.card.write(0.2, y, name, 12.5, weight="bold", color=shade)
        factors = {"Q": (n, d), "Kᵀ": (d, n), "V": (n, d)}
        x = 1.35
        for i, (label, (high, wide)) in enumerate(factors.items()):
            first = i < 2 if side == n else i > 0
            x = self.block(x, y, high, wide, label, colour if first else RULE) + 0.1
        self.card.write(3.44, y, "→", 14, ha="center")
        self.block(3.72, y, side, side, shape, colour, filled=True)
        rest, high = ("V", n) if side == n else ("Q", n)
        self.card.write(5.45, y, f"then {rest}  →", 10.5, ha="center")
        self.block(5.9, y, high, d, "O", INK)
        self.card.write(6.4, y + 0.16, f"{work / 1e6:.2f} million", 12, weight="bold", color=shade)
        self.card.write(6.4, y - 0.08, "multiply-adds", 10.5, color=shade)
        width = 1.4 * work / (2 * LARGEST**2 * 64)
        self.card.box(6.4, y - 0.36, max(width, 0.01), 0.12, facecolor=colour, gid=name)

    def block(
        self,
        x: float,
        y: float,
        high: int,
        wide: int,
        label: str,
        colour: str,
        filled: bool = False,
    ) -> float:
        """A block of high x wide entries at x, in the middle y; returns its right edge."""
        height, width = high * _SCALE, wide * _SCALE
        self.card.box(
            x,
            y - height / 2,
            width,
            height,
            facecolor=colour if filled else "white",
            edgecolor=colour,
            linewidth=1.5,
        )
        self.card.write(x + width / 2, y - height / 2 - 0.12, label, 10, color=GREY, ha="center")
        return x + width
