"""f_p in half and single precision: the textbook's form beside the library's, over the power p."""

from functools import cache

import torch
from matplotlib.axes import Axes
from torch import Tensor

from ..attention import focus
from .arguments import above, asks, floats, one_of, power
from .style import COLOURS, GREY, GRID_LINE, INK, SHADES, Card

POWERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
DTYPES = {"float32": torch.float32, "float16": torch.float16}
_BROKEN, _LEAST = 20.0, 1e-8  # where non-finite and exact results are drawn
_BAD = 0.01
_STYLE = {"float32": ("-", "o"), "float16": ((0, (2.2, 1.1)), "s")}
_FORMS = {"textbook": ("#8A8A8A", "#4D4D4D"), "library": (COLOURS["focused"], SHADES["focused"])}


@asks(x=floats(1), p=power)
def textbook_focus(x: Tensor, p: float) -> Tensor:
    """f_p as it stands in equation (6): right on paper, and what the library's form mends.

    >>> textbook_focus(torch.tensor([3.0, 4.0]), 3).round(decimals=2)
    tensor([1.9400, 4.6100])
    >>> textbook_focus(torch.tensor([30.0, 40.0]).half(), 3)
    tensor([0., 0.], dtype=torch.float16)
    """
    sharp = x**p
    return x.norm(dim=-1, keepdim=True) / sharp.norm(dim=-1, keepdim=True) * sharp


@asks(form=one_of("textbook", "library"), dtype=one_of(*DTYPES), p=power, size=above(0))
@cache
def focus_error(form: str, dtype: str, p: float, size: float = 1) -> float:
    """Relative error of f_p against float64 for features from 0 to `size`; inf where not finite.

    Args:
        form: "textbook" or "library".
        dtype: "float32" or "float16".
        p: focusing power.
        size: of the largest features.

    >>> focus_error("library", "float16", 32, size=100) < 1e-3
    True
    >>> focus_error("textbook", "float16", 32, size=100)
    inf
    """
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(256, 64, generator=generator) * size).to(DTYPES[dtype])
    found = (textbook_focus if form == "textbook" else focus)(x, p).double()
    exact = focus(x.double(), p)
    error = float((found - exact).norm() / exact.norm())
    return error if found.isfinite().all() else float("inf")


@asks(size=above(0))
def precision(size: float = 1) -> Card:
    """The error of both forms in both precisions over p, for features of this size.

    Args:
        size: of the largest features, above 0.
    """
    first = {
        (form, dtype): next((p for p in POWERS if focus_error(form, dtype, p, size) > _BAD), None)
        for form in _FORMS
        for dtype in DTYPES
    }
    broken = first["textbook", "float16"]
    card = Card(
        f"Features up to {size:g}: "
        + (f"the textbook's form breaks at p = {broken} in float16" if broken
           else "both forms hold, up to p = 32"),
        "256 random feature vectors, d = 64; error of $f_p$ against float64, relative",
    )  # fmt: skip
    axes = card.place(0.95, 0.62, 4.45, 2.75)
    _axes(axes)
    for (form, dtype), at in first.items():
        values = [focus_error(form, dtype, p, size) for p in POWERS]
        heights = [_BROKEN if v > 1e3 else max(v, _LEAST) for v in values]
        line, marker = _STYLE[dtype]
        axes.plot(POWERS, heights, linestyle=line, marker=marker, markersize=5,
                  color=_FORMS[form][0], linewidth=2.4, clip_on=False,
                  gid=f"{form} {dtype}")  # fmt: skip
        _legend(card, form, dtype, at)
    words = "; ".join(
        f"{form} in {dtype} {'fails from p = ' + str(at) + ' on' if at else 'holds for every p'}"
        for (form, dtype), at in first.items()
    )
    card.alt = f"Error of f_p against p from 1 to 32, for features up to {size:g}: {words}."
    return card


def _axes(axes: Axes) -> None:
    axes.set(xscale="log", yscale="log", xlim=(0.93, 34), ylim=(_LEAST, 60))
    axes.minorticks_off()
    axes.set_xticks([1, 2, 3, 4, 8, 16, 32], ["1", "2", "3", "4", "8", "16", "32"])
    ticks = {1e-8: "≤ 10⁻⁸", 1e-6: "10⁻⁶", 1e-4: "10⁻⁴", 1e-2: "1 %", 1: "100 %"}
    axes.set_yticks([*ticks, _BROKEN], [*ticks.values(), "nan, inf"])
    axes.grid(color=GRID_LINE, linewidth=0.8)
    axes.set_xlabel("focusing power p", color=GREY)
    axes.axhspan(_BAD, 60, color="#F3F3F3", linewidth=0, zorder=0)
    axes.text(1, 0.05, "wrong", color=GREY, va="center")


def _legend(card: Card, form: str, dtype: str, at: float | None) -> None:
    """A line of its kind, the name, and from which p on it fails."""
    row = list(_FORMS).index(form) * 2 + list(DTYPES).index(dtype)
    y = 3.1 - 0.66 * row
    colour, shade = _FORMS[form]
    key = card.place(5.65, y - 0.1, 0.34, 0.2)
    key.axis("off")
    line, marker = _STYLE[dtype]
    key.plot((0, 1, 2), (0, 0, 0), linestyle=line, marker=marker, markevery=[1], markersize=5,
             color=colour, linewidth=2.4)  # fmt: skip
    card.write(6.08, y, f"{form}, {dtype}", 10.5, weight="bold", color=shade)
    words = f"wrong from p = {at:g} on" if at else "right for every p"
    card.write(6.08, y - 0.22, words, 10.5, color=INK)
