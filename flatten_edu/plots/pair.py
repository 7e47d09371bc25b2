"""Proposition 1 for one pair: two arrows in a quarter plane, and their inner product against p."""

import math

import numpy as np
import torch
from einops import rearrange
from matplotlib.axes import Axes

from ..attention import focus
from .arguments import asks, power, within
from .plane import Arrow, quarter_plane
from .proposition1 import POWERS, closeness, power_axis
from .style import COLOURS, GREY, INK, RULE, Card


@asks(y_angle=within(0, 90), p=power, x_angle=within(0, 90))
def pair(y_angle: float = 44, p: float = 3, x_angle: float = 20) -> Card:
    """Two arrows of length 1 in a quarter plane and their inner product against p.

    Args:
        y_angle, x_angle: in degrees, 0 to 90; below 45 the first entry is the largest.
        p: focusing power, at least 1.
    """
    x, y = x_angle, y_angle
    angles = torch.tensor([x, y], dtype=torch.float64).deg2rad()
    a, b = rearrange([angles.cos(), angles.sin()], "entry v -> v entry")
    curve = np.array([float(closeness(a, b, power)) for power in POWERS])
    before, now = float(closeness(a, b, 1)), float(closeness(a, b, p))
    same = (x < 45) == (y < 45)
    axes_in_words = "the same axis" if same else "different axes"
    card = Card(
        f"{axes_in_words.capitalize()}, p = {p:g}: {_change(before, now)}",
        f"Two arrows of length 1 at {x:g}° and {y:g}°.  "
        f"Proposition 1: for some p it is {'larger' if same else 'smaller'}",
    )
    arrows = {
        name: Arrow(tuple(v.tolist()), tuple(focus(v, p).tolist()), place)
        for name, v, place in (("x", a, _name_at(x, y)), ("y", b, _name_at(y, x)))
    }
    quarter_plane(card.place(0.28, 0.34, 3.2, 3.2), arrows)
    _curve(card.place(4.45, 0.6, 2.65, 2.6), p, now, curve)
    card.write(4.05, 3.38, "inner product of x and y after focusing", 10.5, color=INK)
    card.alt = (
        f"Two arrows at {x:g} and {y:g} degrees, nearest to {axes_in_words}, turned by p = {p:g}. "
        f"Their inner product goes from {before:.3f} to {now:.3f}; over p from 1 to 32 it lies "
        f"between {curve.min():.3f} and {curve.max():.3f}."
    )
    return card


def _name_at(angle: float, other: float) -> tuple[float, float]:
    """Where an arrow's name stands, in dots from its tip: clear of the other arrow and its arc."""
    if angle >= 45:
        return (17, -15) if angle > other else (-14, -15)
    return (16, 12) if angle > other else (22, -11)


def _change(before: float, now: float) -> str:
    if abs(now - before) < 5e-4:
        return f"the inner product is {before:.2f}, as before"
    return (
        f"the inner product {'rises' if now > before else 'falls'} from {before:.2f} to {now:.2f}"
    )


def _curve(axes: Axes, p: float, now: float, curve: np.ndarray) -> None:
    power_axis(axes)
    axes.axhspan(curve[0], 1.04, color=COLOURS["focused"], alpha=0.08, linewidth=0)
    axes.axhline(curve[0], color=RULE, linewidth=1.2)
    axes.plot(np.log2(POWERS), curve, color=COLOURS["focused"], linewidth=3, clip_on=False)
    axes.plot(
        math.log2(p),
        now,
        "o",
        color=COLOURS["focused"],
        markersize=9,
        clip_on=False,
        markeredgecolor="white",
        zorder=5,
    )
    axes.text(5.28, curve[0], f"p = 1:\n{curve[0]:.2f}", va="center", color=GREY, fontsize=10)
