"""What pictures of singular values share: a logarithmic axis over the index, and the bound."""

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from .style import GREY, GRID_LINE, INK

MECHANISMS = ("softmax", "linear", "focused")
# Style and width of a mechanism's curve.
LINES = {
    "softmax": ("-", 2.6),
    "linear": ("-", 2.6),
    "focused": ((0, (3, 1.2)), 2.2),
    "equivalent": ("-", 1.8),
}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def spectrum_axes(axes: Axes, bound: int, lowest: float, step: int, left: float = 0) -> Line2D:
    """Lay out axes for up to 196 values between `lowest` and 1; returns the line at the bound.

    Args:
        axes: to be laid out.
        bound: where the line stands.
        lowest: lower end of the axis.
        step: powers of ten between two names.
        left: where the index begins.
    """
    axes.set(xlim=(left, 200), yscale="log", ylim=(lowest, 4), xticks=(1, 64, 128, 196))
    axes.minorticks_off()
    ticks = [power for power in range(0, -18, -step) if float(f"1e{power}") >= lowest]
    names = [f"10{str(power).translate(_RAISED)}" if power else "1" for power in ticks]
    axes.set_yticks([float(f"1e{power}") for power in ticks], names)
    axes.set_xlabel("index", color=GREY)
    axes.grid(axis="y", color=GRID_LINE, linewidth=0.8)
    return axes.axvline(bound, color=INK, linewidth=1.3)
