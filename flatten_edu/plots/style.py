"""The card that every picture is drawn on: the mechanisms' colours, the type, places in inches.

A picture's axes stand at fixed places, so that nothing but the data moves under a slider. Nothing
here touches pyplot or rcParams.
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

WIDTH, HEIGHT = 8.0, 4.2  # inches, at 100 dots an inch

# One colour a mechanism, the same in every picture, safe for colour-blind readers.
COLOURS = {
    "softmax": "#0072B2",
    "linear": "#E69F00",
    "focused": "#009E73",
    "depthwise": "#CC79A7",
    "equivalent": "#D55E00",
    "query": "#1A1A1A",
}
# The same for words, dark enough on white (a contrast of 4.5 and more).
SHADES = {
    "softmax": "#005E94",
    "linear": "#946200",
    "focused": "#00704F",
    "depthwise": "#A0437A",
    "equivalent": "#B34A00",
    "query": "#1A1A1A",
}
INK, GREY, RULE, GRID_LINE = "#1A1A1A", "#595959", "#8A8A8A", "#E4E4E4"


class Card(Figure):
    """A white card with a title and a subtitle; `alt` says in words what is drawn on it.

    Args:
        title: what is seen, in one line.
        subtitle: of which data, in one line.
        height: in inches; the width is always 8.
    """

    def __init__(self, title: str, subtitle: str, height: float = HEIGHT) -> None:
        super().__init__(figsize=(WIDTH, height), dpi=100, facecolor="white")
        self.alt = ""
        self.write(0.2, height - 0.26, title, size=14, color="#111111", weight="bold")
        self.write(0.2, height - 0.55, subtitle, size=10, color=GREY)

    def place(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes at this place in inches from the lower left corner, with quiet spines."""
        size = self.get_size_inches()
        axes = self.add_axes((left / size[0], bottom / size[1], width / size[0], height / size[1]))
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(RULE)
        axes.tick_params(length=0, labelsize=10, labelcolor=GREY, pad=5)
        axes.set_axisbelow(True)
        return axes

    def write(self, x: float, y: float, text: str, size: float = 10.5, **style: Any) -> Text:
        """Text at this place in inches, its middle at the height y."""
        style = {"color": INK, "va": "center_baseline", **style}
        width, height = self.get_size_inches()
        return self.text(x / width, y / height, text, fontsize=size, **style)

    def box(self, left: float, bottom: float, width: float, height: float, **style: Any) -> None:
        """A rectangle at this place in inches."""
        inches = self.dpi_scale_trans
        self.add_artist(Rectangle((left, bottom), width, height, transform=inches, **style))


def frame(axes: Axes, colour: str, width: float = 2.0) -> None:
    """Take the ticks away and put a frame in this colour round a map."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=width)


def percent(share: float) -> str:
    """A share in per cent, with one decimal where it is near 0 or near 100.

    >>> [percent(x) for x in (0.749, 0.992, 0.0061, 0.00003, 0)]
    ['75 %', '99.2 %', '0.6 %', '0.0 %', '0 %']
    """
    value = float(100 * share)
    decimals = 1 if 0 < value < 0.95 or 99.05 < value < 99.95 else 0
    return f"{value:.{decimals}f} %"
