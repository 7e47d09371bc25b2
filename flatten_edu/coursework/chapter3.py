"""Exercises of chapter 3, the focused map: f_p, focused attention, and proposition 1 by search."""

from typing import Any

import torch
from torch import Generator, Tensor

from . import plain
from .cases import F32, F64, kernel_cases, normal
from .chapter2 import (
    FEATURE_MISTAKES,
    MEMORY_MISTAKES,
    MIX_MISTAKES,
    ROW_MISTAKES,
    SOFTMAX_INSTEAD,
)
from .compare import as_tensor
from .exercise import Case, Exercise

LENGTH_MISTAKES = {
    "the norm is taken after the power, so it is not restored": (
        {"length": "lost"},
        "The result is x ** p as it is. Its length should be that of x: take |x| before the "
        "power, |x ** p| after it, and multiply by the fraction.",
    ),
    "the result has length 1: |x| is missing": (
        {"length": "one"},
        "Dividing by |x ** p| makes every vector of length 1; the factor |x| gives x its length "
        "back.",
    ),
    "the fraction of the norms is upside down": (
        {"length": "upside down"},
        "The factor is |x| / |x ** p|, not |x ** p| / |x|.",
    ),
    "it is not divided by the new norm": (
        {"length": "times"},
        "The factor |x| is there; |x ** p| below it is missing.",
    ),
    "divided by the old norm, not by the new one": (
        {"length": "over"},
        "x ** p has the length |x ** p|: that one stands below, and |x| above.",
    ),
    "the norm is taken off before the power and not after it": (
        {"length": "before"},
        "x / |x| has length 1, but its power has not: divide by the norm after the power.",
    ),
    "only x / |x| is raised to the power": (
        {"length": "unit"},
        "The length of x is lost: neither |x ** p| is taken off nor |x| put back.",
    ),
    "the new norm is L1, the old one L2": (
        {"length": "L1 below"},
        "x ** p is divided by the sum of its entries; its length is the root of the squares' sum.",
    ),
    "the old norm is taken over all vectors": (
        {"length": "old over all"},
        "|x| is one number for all vectors here: it needs dim=-1, keepdim=True as well.",
    ),
    "the norm is raised to p, not the entries": (
        {"length": "norm to p"},
        "This is x / |x| ** p. The entries are raised to p, each for itself.",
    ),
    "the root of the fraction is taken": (
        {"length": "root"},
        "|x| / |x ** p| is used under a root; it belongs there as it is.",
    ),
    "the power is taken once more below": (
        {"length": "power below"},
        "The norm below is that of (x ** p) ** p. x ** p has the power already.",
    ),
    "the norms have lost their axis": (
        {"length": "axis lost"},
        "Without keepdim=True the norms have one axis less than x, and multiply the wrong one.",
    ),
    "the root of the norm is missing": (
        {"length": "squared"},
        "The sums of squares are divided; their square roots are the norms.",
    ),
}
NORM_MISTAKES = {
    "the L1 norm is taken, not L2": (
        {"order": 1},
        "The sum of the entries stands where the root of the sum of squares should.",
    ),
    "the L_p norm is taken, not L2": (
        {"order": 0},
        "The norm changes with p: x.norm(p) is the L_p norm. It is the L2 norm, for every p.",
    ),
    "the largest entry is taken, not the L2 norm": (
        {"order": float("inf")},
        "The largest entry is kept; it is the length (L2 norm) that should be.",
    ),
    "the norm runs over the tokens, not the channels": (
        {"axis": "tokens"},
        "The norm runs along the tokens. It belongs along the last axis, the channels.",
    ),
    "the norm runs over the heads, not the channels": (
        {"axis": "heads"},
        "The norm runs along axis 1. It belongs along the last axis, the channels: dim=-1.",
    ),
    "the norm runs over the first axis, not the channels": (
        {"axis": "first"},
        "The norm runs along axis 0. It belongs along the last axis, the channels: dim=-1.",
    ),
    "one norm is taken for all vectors": (
        {"axis": "all"},
        "One norm over all numbers: each vector along the last axis has its own. "
        "Use dim=-1, keepdim=True.",
    ),
}
POWER_MISTAKES = {
    "p is ignored": ({"power": "1"}, "The result does not change with p: x ** p is missing."),
    "p is always 2": ({"power": "2"}, "The square is taken whatever p is."),
    "p is always 3": ({"power": "3"}, "The third power is taken whatever p is."),
    "the power is p - 1": ({"power": "p - 1"}, "The power is one too small: x ** p is asked for."),
    "the power is p + 1": ({"power": "p + 1"}, "The power is one too large: x ** p is asked for."),
    "the power is taken twice": ({"power": "p p"}, "x is raised to p, and that to p again."),
    "the root is taken, not the power": ({"power": "1 / p"}, "This is x ** (1 / p)."),
    "multiplied by p, not raised to it": (
        {"power": "times", "length": "lost"},
        "p x turns nothing: take x ** p.",
    ),
    "p is raised to x, not x to p": ({"power": "base"}, "This is p ** x; x ** p is asked for."),
    "exp(p x) is taken, not the power": ({"power": "exp"}, "The power x ** p is asked for."),
}
FOCUS_MISTAKES = LENGTH_MISTAKES | NORM_MISTAKES | POWER_MISTAKES


def focus_cases(generator: Generator) -> list[Case]:
    """(x, p): vectors one after another, and heads of them; non-negative, some entries 0."""
    cases = []
    flat = [(1, 2), (1, 2), (2, 3), (3, 3), (2, 4), (5, 4)]
    shapes = [*flat, (1, 1, 2, 3), (2, 3, 4, 5), (1, 2, 3, 4)]
    for number, (shape, p) in enumerate(zip(shapes, (3, 2, 2, 4, 3, 1, 3, 5, 8), strict=True)):
        x = normal(generator, *shape).abs() + 0.1
        x[..., -1] += 0.5
        if number > 3:  # a few zeros
            x[..., 0] = normal(generator, *shape[:-1]).relu()
        words = frozenset({"p is not 3"} if p != 3 else ()) | {"float64"}
        kind = F32 if number in (0, 3) else F64
        family = "b h n d" if len(shape) == 4 else "n d"
        cases.append(Case((x.to(kind), p), words - {"float64"} if kind == F32 else words, family))
    return cases


def power_of_map(q: Tensor, k: Tensor, v: Tensor, p: float) -> Tensor:
    """The mistake of raising the weights, not the features."""
    weights = plain.kernel_weights(q, k, rows="none") ** p
    return plain.mix(weights / weights.sum(-1, keepdim=True), q, k, v)


def one_sided(q: Tensor, k: Tensor, v: Tensor, p: float, side: str) -> Tensor:
    """The mistake of focusing one side alone; the other has plain features."""
    left = plain.features(q, p if side == "q" else 1)
    right = plain.features(k, p if side == "k" else 1)
    scores = torch.einsum("bhnd, bhmd -> bhnm", left, right)
    return plain.mix(scores / scores.sum(-1, keepdim=True), q, k, v)


FOCUSED_MISTAKES: dict = {
    "ReLU comes after the power": (
        {"phi": "after"},
        "f_p is taken of q and k with their negative entries, and the ReLU comes after it. "
        "phi_p(x) = f_p(ReLU(x) + 1e-6): ReLU first.",
    ),
    "only the queries are focused": (
        lambda *args: one_sided(*args, side="q"),
        "f_p is applied to the queries only; the keys need it as well.",
    ),
    "only the keys are focused": (
        lambda *args: one_sided(*args, side="k"),
        "f_p is applied to the keys only; the queries need it as well.",
    ),
    "the norms are taken over all heads together": (
        {"axis": "width"},
        "The norm runs over the channels of all heads, as in the published module. This exercise "
        "sees one head at a time: the norm runs over the last axis alone.",
    ),
    "the power is taken of the weights, not of the features": (
        power_of_map,
        "The map is raised to p. f_p turns each query and key before their product, so that the "
        "brackets may still move.",
    ),
    "f_p is taken of the values as well": (
        lambda q, k, v, p: plain.kernel_attention(q, k, v, p, mixed=f"phi {p}"),
        "Only queries and keys get features; the values stay as they are.",
    ),
    **MEMORY_MISTAKES,
    **SOFTMAX_INSTEAD,
}


def is_counterexample(value: Any, args: tuple) -> tuple[str, str] | None:
    """x, y >= 0 with one largest entry at the same place, whose product p makes smaller."""
    p = args[0]
    pair = as_tensor(value)
    if pair is None or pair.ndim != 2 or len(pair) != 2 or not pair.isfinite().all():
        return "two vectors are asked for", "Return two vectors of equal length: return x, y."
    if (pair < 0).any():
        return "an entry is negative", "Both vectors must have no negative entry."
    x, y = pair
    top = [vector.sort(descending=True).values for vector in (x, y)]
    if pair.shape[1] < 2 or any(t[0] - t[1] <= 1e-6 * t[0] for t in top):
        return "there is no single largest entry", "Each vector needs one entry above all others."
    if x.argmax() != y.argmax():
        return (
            "the largest entries are at different places",
            "With largest entries at different places a smaller product is what the proposition "
            "says. Look for a pair that has them at the same place.",
        )
    before, after = float(x @ y), float(plain.focus(x, p) @ plain.focus(y, p))
    if after >= before * (1 - 1e-6):
        return (
            "the product does not get smaller",
            f"With p = {p} the product of this pair goes from {before:.4g} to {after:.4g}. It "
            "should get smaller. Which vectors does the power drive apart?",
        )
    return None


EXERCISES = [
    Exercise(
        name="focus",
        signature="focus(x, p)",
        chapter=3,
        level="warm-up",
        minutes=10,
        returns="a tensor of the shape of x",
        cases=focus_cases,
        right=plain.focus,
        mistakes=FOCUS_MISTAKES,
        families=("n d", "b h n d"),
        every_family=True,
        hints=(
            "Do it on paper for x = (3, 4), p = 2: the power, its length, the old length.",
            "Two norms are needed, one before and one after the power, along the last axis. "
            "keepdim=True keeps the axis for the product.",
            "sharp = x ** p, then sharp * x.norm(dim=-1, keepdim=True) / sharp.norm(...).",
        ),
    ),
    Exercise(
        name="focused_attention",
        signature="focused_attention(q, k, v, p)",
        chapter=3,
        level="core",
        minutes=25,
        returns="b h n d, the values mixed for each query",
        cases=lambda generator: kernel_cases(generator, powers=(3, 2, 3, 4)),
        right=plain.kernel_attention,
        mistakes=FOCUSED_MISTAKES | FOCUS_MISTAKES | FEATURE_MISTAKES | ROW_MISTAKES | MIX_MISTAKES,
        hints=(
            "It is linear attention with other features. Which line of yours changes?",
            "phi_p(x) = f_p(ReLU(x) + 1e-6) for queries and for keys; f_p restores the norm of "
            "each vector. The values stay as they are.",
            "q, k = (focus(x.relu() + 1e-6, p) for x in (q, k)), then as in linear attention: "
            "k^T v first, and divide by q . sum of k.",
        ),
    ),
    Exercise(
        name="counterexample",
        signature="counterexample(p)",
        chapter=3,
        level="stretch",
        minutes=30,
        returns="two vectors x, y",
        cases=lambda generator: [Case((p,), frozenset({f"p = {p}"})) for p in (2, 3, 4)],
        right=lambda p: None,
        mistakes={},
        inspect=is_counterexample,
        hints=(
            "Two numbers each are enough: x = (1, a), y = (1, b) a, b below 1. Draw the arrows.",
            "The power makes every entry below 1 smaller, but not all by the same factor. Where "
            "does it change an entry most: near 0 or near 1?",
            "Search: draw a and b at random between 0.5 and 1, keep the pair when the product of "
            "focus(x, p) and focus(y, p) is below that of x and y.",
        ),
    ),
]
