"""The depthwise branch as the matrix that it is, border rows included, and the rank it restores."""

from einops import rearrange
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from torch import Tensor

from ..analysis import attention_map, equivalent_map, numerical_rank
from ..attention import depthwise_matrix
from .arguments import asks, one_of
from .branch import branch_kernel, show_signed
from .maps import colour_bar
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card
from .tokens import digit_tokens

SIDE, CHANNELS, LIMIT = 7, 16, 0.25
CORNER, MIDDLE = 0, 24  # tokens


@asks(kernel_size=one_of(1, 3, 5, 7))
def depthwise(kernel_size: int = 5) -> Card:
    """M_DWC on 7 x 7 tokens, two of its rows as maps, and the ranks with and without it.

    Args:
        kernel_size: side of the kernel, 1, 3, 5 or 7.
    """
    kernel, square = branch_kernel(kernel_size), f"{kernel_size} × {kernel_size}"
    matrix = depthwise_matrix(kernel, (SIDE, SIDE))
    tokens = digit_tokens(d=CHANNELS, patch=4)
    map = attention_map(tokens.q, tokens.k, "focused")[0, 0]
    both = equivalent_map(map, kernel, (SIDE, SIDE))
    ranks = [int(numerical_rank(x)) for x in (map, both, matrix)]
    card = Card(
        f"The branch is a banded matrix that lifts rank {ranks[0]} to {ranks[1]}",
        f"Random {square} kernel, zero padding, 7 × 7 = 49 tokens; focused map of a digit "
        f"with d = {CHANNELS}, p = 3",
    )
    counts = _matrix_and_rows(card, matrix, kernel_size)
    _sum(card, map, both, ranks)
    card.alt = (
        f"A banded 49 by 49 matrix with the weights of a {square} kernel, rank {ranks[2]}. "
        f"Its row for the corner token has {counts[0]} weights, the row for the middle token "
        f"{counts[1]}. The focused map has rank {ranks[0]}, with the branch added {ranks[1]}."
    )
    return card


def _matrix_and_rows(card: Card, matrix: Tensor, kernel_size: int) -> list[int]:
    axes = card.place(0.42, 0.62, 2.6, 2.6)
    shown = show_signed(axes, matrix, LIMIT, COLOURS["depthwise"])
    _grid(axes, 49)
    card.write(
        0.42, 3.38, r"$\mathbf{M_{DWC}}$: 49 × 49", 11, weight="bold", color=SHADES["depthwise"]
    )
    card.write(1.72, 0.42, "token read", 10, color=GREY, ha="center")
    card.write(0.26, 1.92, "token written", 10, color=GREY, ha="center", rotation=90)
    counts = []
    for token, name, y in ((CORNER, "corner", 2.05), (MIDDLE, "middle", 0.62)):
        row = matrix[token]
        counts.append(int((row != 0).sum()))
        words = f"{name}: {counts[-1]} of {kernel_size**2}"
        card.write(3.6, y + 1.3, words, 10.5)
        small = card.place(3.6, y, 1.17, 1.17)
        show_signed(small, rearrange(row, "(y x) -> y x", y=SIDE), LIMIT)
        _grid(small, SIDE)
        place = token % SIDE, token // SIDE
        small.add_patch(Rectangle(place, 1, 1, fill=False, edgecolor=INK, linewidth=1.5))
        axes.add_patch(
            Rectangle((0, token), 49, 1, fill=False, edgecolor=INK, lw=1.2, clip_on=False)
        )
        _leader(card, 3.22 - 2.6 * (token + 0.5) / 49, y + 0.58)
    colour_bar(card, shown, 3.6, 0.34, 1.17, (-LIMIT, 0, LIMIT), ("−¼", "0", "¼"))
    return counts


def _leader(card: Card, start: float, end: float) -> None:
    """A thin line from a row of the matrix to its map."""
    width, height = card.get_size_inches()
    xs, ys = [3.03 / width, 3.58 / width], [start / height, end / height]
    card.add_artist(Line2D(xs, ys, color=INK, linewidth=1))


def _grid(axes: Axes, tokens: int) -> None:
    """Lines between the rows of the token grid."""
    for at in range(SIDE if tokens > SIDE else 1, tokens, SIDE if tokens > SIDE else 1):
        axes.axhline(at, color=GRID_LINE, linewidth=0.6)
        axes.axvline(at, color=GRID_LINE, linewidth=0.6)


def _sum(card: Card, map: Tensor, both: Tensor, ranks: list[int]) -> None:
    rows = (("focused", "focused", map, 2.05), ("equivalent", r"sum $\mathbf{M_{eq}}$", both, 0.62))
    for (mechanism, name, values, y), rank in zip(rows, ranks, strict=False):
        show_signed(card.place(5.3, y, 1.17, 1.17), values, LIMIT, COLOURS[mechanism])
        card.write(5.3, y + 1.3, name, 11, weight="bold", color=SHADES[mechanism])
        card.write(6.65, y + 0.9, "rank", 11, color=GREY)
        card.write(6.65, y + 0.5, f"{rank}", 32, weight="bold", color=SHADES[mechanism])
    card.write(6.65, 1.86, "↓ + branch", 11, weight="bold", color=SHADES["depthwise"])
