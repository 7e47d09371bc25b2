"""Small maps in a picture: the digit, scores, a row of weights, frames and colour bars."""

from collections.abc import Sequence

from einops import rearrange
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from torch import Tensor

from .style import GREY, RULE, Card, frame
from .tokens import GRID

# A few steps of colour: they can be told apart on the bar, and a small palette holds all of them.
WEIGHTS, SIGNED = colormaps["viridis"].resampled(24), colormaps["PuOr"].resampled(25)


def show_digit(axes: Axes, image: Tensor) -> AxesImage:
    """A digit in black on white, over axes that count patches."""
    shown = axes.imshow(image.numpy(), cmap="gray_r", vmin=0, vmax=1, extent=_extent())
    frame(axes, RULE, 0.8)
    return shown


def show_scores(axes: Axes, scores: Tensor, limit: float) -> AxesImage:
    """Signed numbers y x, white at zero."""
    shown = axes.imshow(scores.numpy(), cmap=SIGNED, vmin=-limit, vmax=limit, extent=_extent())
    frame(axes, RULE, 0.8)
    return shown


def show_weights(axes: Axes, row: Tensor, colour: str = RULE, width: float = 0.8) -> AxesImage:
    """A row of weights over the grid, in shares of the even weight 1 / n, log2 from 1/4 to 16."""
    image = rearrange(_shares(row), "(y x) -> y x", y=GRID[0]).numpy()
    shown = axes.imshow(image, cmap=WEIGHTS, vmin=-2, vmax=4, extent=_extent())
    frame(axes, colour, width)
    return shown


def show_map(axes: Axes, map: Tensor, colour: str = RULE) -> AxesImage:
    """A whole map n m, coloured as its rows."""
    shown = axes.imshow(_shares(map).numpy(), cmap=WEIGHTS, vmin=-2, vmax=4)
    axes.autoscale(False)
    frame(axes, colour, 2)
    return shown


def _shares(weights: Tensor) -> Tensor:
    """log2 of the weights in shares of the even one, 1 / m."""
    return (weights * weights.shape[-1]).clamp_min(1e-9).log2()


def mark(axes: Axes, query: tuple[int, int], colour: str = "black") -> None:
    """A frame in black on white round the query's patch."""
    for edge, width in (("white", 3.6), (colour, 1.6)):
        axes.add_patch(
            Rectangle((query[1], query[0]), 1, 1, fill=False, edgecolor=edge, linewidth=width)
        )


def colour_bar(
    card: Card,
    shown: ScalarMappable,
    left: float,
    bottom: float,
    width: float,
    at: Sequence[float],
    words: Sequence[str],
) -> None:
    """A flat colour bar with words at its ends and between."""
    axes = card.place(left, bottom, width, 0.11)
    low, high = shown.get_clim()
    axes.imshow([range(shown.cmap.N)], cmap=shown.cmap, aspect="auto", extent=(low, high, 0, 1))
    frame(axes, RULE, 0.6)
    for place, word in zip(at, words, strict=True):
        edge = {low: "left", high: "right"}.get(place, "center")
        axes.annotate(
            word,
            (place, 0),
            (0, -4),
            textcoords="offset points",
            ha=edge,
            va="top",
            fontsize=9.5,
            color=GREY,
        )


def _extent() -> tuple[float, float, float, float]:
    """Axes in patches: column 0 is from 0 to 1, rows go down."""
    return (0, GRID[1], GRID[0], 0)
