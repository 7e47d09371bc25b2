"""Exercises of chapter 6, the focused module: a cost curve, both branches, numbers that hold."""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from . import plain
from .cases import F32, normal
from .chapter2 import FEATURE_MISTAKES, ROW_MISTAKES
from .chapter3 import FOCUS_MISTAKES
from .chapter5 import MAP, MAP_OF, MATRIX_OF, OF_MATRIX, equivalent_cases
from .exercise import Case, Exercise
from .plain_grid import Grid


def curve_cases(generator: Generator) -> list[Case]:
    """(tokens, seconds) on straight lines in log-log axes."""
    cases = []
    for slope, start in ((1.0, 2e-4), (2.0, 1e-6), (1.5, 3e-5), (0.0, 0.01), (1.08, 7e-4)):
        first = 49 + int(torch.randint(200, (), generator=generator))
        tokens = [first * 4**step for step in range(4)]
        cases.append(Case((tokens, [start * n**slope for n in tokens])))
    return cases


def growth(tokens: Sequence[float], seconds: Sequence[float], axes: str = "log log") -> float:
    """The slope of log seconds against log tokens, by least squares."""
    x = [math.log(n) if axes in ("log log", "log n") else n for n in tokens]
    y = [math.log(t) if axes in ("log log", "log t") else t for t in seconds]
    x, y = (y, x) if axes == "exchanged" else (x, y)
    if axes in ("inverse", "intercept"):
        x, y = [math.log(n) for n in tokens], [math.log(t) for t in seconds]
    if axes == "ratio":
        return seconds[-1] / seconds[0]
    if axes == "ratio of ratios":
        return (seconds[-1] / seconds[0]) / (tokens[-1] / tokens[0])
    if axes == "last alone":
        return math.log(seconds[-1]) / math.log(tokens[-1])
    if axes == "one step":
        return math.log(seconds[-1] / seconds[0])
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    slope = above / sum((a - mean_x) ** 2 for a in x)
    if axes == "intercept":
        return mean_y - slope * mean_x
    return 1 / slope if axes == "inverse" else slope


def branch_cases(generator: Generator) -> list[Case]:
    """(q, k, v, kernel, grid, p)."""
    cases = []
    for case in equivalent_cases(generator):
        q, k, kernel, grid, p = case.args
        v = normal(generator, *k.shape, dtype=k.dtype)
        cases.append(Case((q, k, v, kernel, grid, p), case.tags, finite=case.finite))
    return cases


def focused_with_branch(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    kernel: Tensor,
    grid: Grid,
    p: float,
    joined: str = "added",
    of: str = "v",
    **switches,
) -> Tensor:
    """Focused attention plus the depthwise convolution of the values, b h n d."""
    of_map = {name: value for name, value in switches.items() if name in MAP}
    of_matrix = {name: value for name, value in switches.items() if name not in MAP}
    mixed = plain.mix(MAP_OF(q, k, p, **of_map), q, k, v)
    matrix = MATRIX_OF(kernel, grid, **of_matrix)
    seen = {"q": q, "k": k, "mixed": mixed, "relu": v.relu()}.get(of, v).double()
    local = torch.einsum("nm, bhmd -> bhnd", matrix, seen)
    if of == "reshaped":
        b, h, n, d = v.shape
        local = (v.double().reshape(b, h, d, n) @ matrix.T).reshape(b, h, n, d)
    return {
        "added": lambda: mixed + local,
        "multiplied": lambda: mixed * local,
        "averaged": lambda: (mixed + local) / 2,
        "attention alone": lambda: mixed,
        "branch alone": lambda: local,
        "with v": lambda: mixed + local + v.double(),
        "first": lambda: plain.kernel_attention(q, k, local, p, **of_map),
        "subtracted": lambda: mixed - local,
    }[joined]()


BRANCH_MISTAKES = {
    "the convolution acts on the output of the attention": (
        {"of": "mixed"},
        "The branch convolves what the attention gives; it should convolve the values: DWC(v).",
    ),
    "the output of the attention is convolved, and nothing added": (
        {"of": "mixed", "joined": "branch alone"},
        "The branches stand side by side: attention(q, k, v) + DWC(v).",
    ),
    "the values are convolved before the attention": (
        {"joined": "first"},
        "The attention gets convolved values. The branches stand side by side: "
        "attention(q, k, v) + DWC(v).",
    ),
    "the values are reshaped, not moved": (
        {"of": "reshaped"},
        "b h n d cannot become (b h d) 1 y x by a reshape alone: the channels have to move in "
        "front of the tokens first. Use rearrange(v, 'b h (y x) d -> (b h d) 1 y x', y=grid[0]).",
    ),
    "the queries are convolved, not the values": ({"of": "q"}, "The branch convolves v, not q."),
    "the keys are convolved, not the values": ({"of": "k"}, "The branch convolves v, not k."),
    "ReLU is taken of the values as well": ({"of": "relu"}, "The branch sees v as it is."),
    "the two are multiplied, not added": ({"joined": "multiplied"}, "The outputs are added."),
    "the mean is taken, not the sum": ({"joined": "averaged"}, "The outputs are added, no half."),
    "the branch is subtracted": ({"joined": "subtracted"}, "The outputs are added."),
    "the depthwise branch is missing": (
        {"joined": "attention alone"},
        "This is the attention alone; DWC(v) is added to it.",
    ),
    "the attention is missing": (
        {"joined": "branch alone"},
        "This is the branch alone; the attention is added to it.",
    ),
    "the values are added once more": (
        {"joined": "with v"},
        "There is a v too many: it is attention(q, k, v) + DWC(v).",
    ),
}


def extreme_cases(generator: Generator) -> list[Case]:
    """(x, p) in float32, from 0.001 to 300, p up to 32, rows of zeros among them."""
    cases = []
    sizes = ((3, 1.0, 0), (3, 0.001, 0), (8, 0.01, 0), (8, 100.0, 0), (32, 0.1, 0), (32, 300.0, 0))
    for p, size, _ in (*sizes, (3, 1.0, 1), (32, 0.01, 1)):
        x = ((normal(generator, 2, 3).abs() + 0.1) * size).to(F32)
        cases.append(Case((x, p), frozenset({"small numbers"} if size < 0.1 else ())))
    zero = cases[0].args[0].clone()
    zero[1] = 0
    # So far apart that the small row's powers are 0, whatever is multiplied or divided first.
    unlike = cases[0].args[0] * torch.tensor([[1e-4], [300.0]])
    words = frozenset({"small and large rows side by side"})
    return [*cases, Case((zero, 3), frozenset({"a row of zeros"})), Case((unlike, 8), words)]


def stable_focus(x: Tensor, p: float, **switches) -> Tensor:
    """f_p in float64, where nothing here overflows but a row of zeros has no direction."""
    if not switches:
        unit = x.double() / x.double().amax(-1, keepdim=True).clamp_min(1e-300)
        return plain.focus(unit, p).nan_to_num(0) * x.double().amax(-1, keepdim=True)
    return plain.focus(x, p, **switches).nan_to_num(0)


def one_unit(x: Tensor, p: float) -> Tensor:
    """The mistake of one largest entry for all rows, in float32."""
    sharp = (x / x.amax()).float() ** p
    below = torch.linalg.vector_norm(sharp, dim=-1, keepdim=True)
    return (torch.linalg.vector_norm(x, dim=-1, keepdim=True) * sharp / below).nan_to_num(0)


def naive(x: Tensor, p: float, eps: float = 0.0, keep: bool = False) -> Tensor:
    """f_p as it is written down, in float32."""
    x = x.float()
    sharp = x**p
    below = torch.linalg.vector_norm(sharp, dim=-1, keepdim=True) + eps
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    if keep:
        return sharp / below * length
    return sharp * (length / below)


HOLD = (
    "Divide each row by its largest entry before the power: f_p(c x) = c f_p(x), so nothing is "
    "lost, and no power can leave the range. "
)
STABLE_MISTAKES: dict = {
    "a row of zeros gives nan": (
        plain.focus,
        "A row of zeros has no direction: 0 / 0 is nan. It should stay zero: clamp_min the "
        "largest entry, and the norm, at the smallest number (torch.finfo(x.dtype).tiny).",
    ),
    "all rows are divided by one largest entry": (
        one_unit,
        "One largest entry for all rows: beside a large row, the powers of a small one vanish. "
        "Each row has its own: amax(-1, keepdim=True).",
    ),
    "nan_to_num hides what is lost": (
        lambda x, p: naive(x, p).nan_to_num(),
        f"{HOLD}nan_to_num puts numbers where none are known any more.",
    ),
    "the power leaves the range of float32": (
        naive,
        f"{HOLD}Here x ** p overflows to inf or vanishes to 0, and inf / inf or 0 / 0 is nan.",
    ),
    "the power leaves the range of float32 (divided first)": (
        lambda x, p: naive(x, p, keep=True),
        f"{HOLD}Here x ** p overflows to inf or vanishes to 0, and inf / inf or 0 / 0 is nan.",
    ),
}
for small in (1e-6, 1e-8, 1e-10, 1e-12, 1e-5, 1e-9, 1e-4, 1e-7, 1e-3):
    for divided_first in (False, True):
        key = f"{small:g} below hides the small numbers" + (" too" if divided_first else "")
        STABLE_MISTAKES[key] = (
            lambda x, p, eps=small, keep=divided_first: naive(x, p, eps, keep),
            f"{HOLD}Adding {small:g} to the norm avoids 0 / 0, but the norms of small inputs to a "
            "high power are smaller than that, and the result is far too short.",
        )

# Here x has two axes: axis 1 is the last.
OF_ROWS = {name: e for name, e in FOCUS_MISTAKES.items() if e[0] != {"axis": "heads"}}

EXERCISES = [
    Exercise(
        name="growth",
        signature="growth(tokens, seconds)",
        chapter=6,
        level="warm-up",
        minutes=10,
        returns="one number, the exponent s in seconds ~ tokens ** s",
        cases=curve_cases,
        right=growth,
        mistakes={
            "the axes are not logarithmic": (
                {"axes": "linear"},
                "This is seconds a token. The exponent is a slope of logarithms, on both axes.",
            ),
            "only the seconds are logarithmic": (
                {"axes": "log t"},
                "Take the logarithm of the tokens too.",
            ),
            "only the tokens are logarithmic": (
                {"axes": "log n"},
                "Take the logarithm of the seconds too.",
            ),
            "the fraction is upside down": (
                {"axes": "inverse"},
                "The slope is the change of log seconds over the change of log tokens.",
            ),
            "the ratio is returned, not the exponent": (
                {"axes": "ratio"},
                "This is how many times longer it takes; the exponent is log of that over log of "
                "the ratio of tokens.",
            ),
            "the ratios are divided, not their logarithms": (
                {"axes": "ratio of ratios"},
                "Divide log(seconds ratio) by log(tokens ratio).",
            ),
            "it is not divided by the logarithm of the tokens": (
                {"axes": "one step"},
                "Divide by log(last tokens / first tokens).",
            ),
            "only the last measurement is used": (
                {"axes": "last alone"},
                "log(seconds) / log(tokens) of one point is no slope: take the change between two.",
            ),
            "the intercept is returned, not the slope": (
                {"axes": "intercept"},
                "A line has two numbers; the exponent is its slope.",
            ),
        },
        hints=(
            "If seconds = c tokens ** s, what is log seconds?",
            "log seconds = log c + s log tokens: a straight line. s is its slope.",
            "(log t_last - log t_first) / (log n_last - log n_first), or a least-squares line.",
        ),
    ),
    Exercise(
        name="focused_with_branch",
        signature="focused_with_branch(q, k, v, kernel, grid, p)",
        chapter=6,
        level="core",
        minutes=30,
        returns="b h n d with n = y x",
        cases=branch_cases,
        right=focused_with_branch,
        mistakes=BRANCH_MISTAKES | OF_MATRIX | ROW_MISTAKES | FOCUS_MISTAKES | FEATURE_MISTAKES,
        hints=(
            "Two branches see the same values, and their outputs are added.",
            "For the convolution the tokens of v must lie on their grid: "
            "rearrange(v, 'b h (y x) d -> (b h d) 1 y x', y=grid[0]).",
            "torch.nn.functional.conv2d(image, kernel[None, None], padding=len(kernel) // 2), "
            "then back to b h (y x) d, plus your focused_attention.",
        ),
    ),
    Exercise(
        name="stable_focus",
        signature="stable_focus(x, p)",
        chapter=6,
        level="stretch",
        minutes=20,
        returns="a tensor of the shape of x, finite, in float32",
        cases=extreme_cases,
        right=stable_focus,
        mistakes=STABLE_MISTAKES | OF_ROWS,
        tolerance=1e-3,
        by_row=True,
        hints=(
            "Compute 300.0 ** 32 and 0.01 ** 32 in float32. What comes out?",
            "f_p(c x) = c f_p(x) for every c > 0. Which c keeps every power between 0 and 1?",
            "Divide by the largest entry of each row, focus, multiply by it again; clamp_min "
            "keeps a row of zeros from 0 / 0.",
        ),
    ),
]
