"""What can be said of a wrong result that no known mistake gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .compare import agrees, as_tensor, figure, shape_of
from .wire import Other

if TYPE_CHECKING:
    from .exercise import Exercise
    from .judge import Trial

# What is particular about a case -> the mistake's name, if exactly such cases fail.
GRANTED = {
    "n and m differ": "it takes n = m for granted",
    "a grid that is no square": "it takes a square grid for granted",
    "several heads": "it takes one head for granted",
    "several images": "it takes one image for granted",
    "one head": "it does not work with one head",
    "float64": "it takes float32 for granted",
    "p is not 3": "p is taken as 3",
}


def taken_for_granted(trials: list[Trial]) -> tuple[str, str] | None:
    """(mistake, sentence) if all cases with one property fail, and no others."""
    failing = {number for number, t in enumerate(trials) if t.state != "right"}
    if len(failing) == len(trials):
        return None
    for tag, name in GRANTED.items():
        tagged = {n for n, t in enumerate(trials) if tag in t.case.tags}
        if tagged and tagged == failing:
            return name, f"It is right except where this holds: {tag}. So {name}."
    return None


def habit(wrong: list[Trial]) -> tuple[str, str] | None:
    """(mistake, sentence) if every result is an input as it was, or the same for all inputs."""
    for place in range(len(wrong[0].case.args)):
        if all(agrees(t.value, t.case.args[place]) for t in wrong):
            return "an input is returned as it is", "It returns one of its inputs unchanged."
    first = wrong[0]
    same = len(wrong) > 2 and all(agrees(t.value, first.value) for t in wrong)
    if same and not all(agrees(t.want, first.want) for t in wrong):
        return "the result is always the same", "It returns the same for all inputs."
    return None


def clue(exercise: Exercise, trial: Trial) -> tuple[str | None, str]:
    """(mistake or None, sentence) for a wrong value."""
    got, want = as_tensor(trial.value), as_tensor(trial.want)
    returns = f" It should be {exercise.returns}." if exercise.returns else ""
    if isinstance(trial.want, str):
        return None, f"The answer is another one.{returns}"
    if got is None or want is None or isinstance(trial.value, Other):
        return "no numbers are returned", f"It returns {shape_of(trial.value)}.{returns}"
    turned = exchanged(got, want)
    if turned is not None:
        words = f"The numbers are right, but axes {turned[0]} and {turned[1]} are exchanged."
        return "two axes are exchanged", f"{words}{returns}"
    if got.shape != want.shape and not (exercise.flat and got.numel() == want.numel()):
        found = f"It returns {shape_of(got)} where {shape_of(want)} is right."
        return "the shape is wrong", f"{found}{returns}"
    if not got.isfinite().all():
        return (
            "nan or infinite numbers",
            "Some numbers are nan or infinite: look for 0 / 0, log 0, or too large a power.",
        )
    return numbers(got.reshape(want.shape), want)


def common(wrong: list[Trial]) -> tuple[str, str] | None:
    """(mistake, sentence) if every result is a number times the right one, or plus a number."""
    pairs = [(as_tensor(t.value), as_tensor(t.want)) for t in wrong]
    if not all(a is not None and b is not None and a.shape == b.shape for a, b in pairs):
        return None
    if max(b.numel() for _, b in pairs if b is not None) < 6:
        return None
    factors = [constant(a / b) for a, b in pairs]  # pyright: ignore
    if all(factor is not None for factor in factors):
        if all(factor == -1 for factor in factors):
            return "the sign is turned", "Every number is the right one with its sign turned."
        return "a factor is wrong", f"Every number is {figure(factors[0])} times the right one."  # pyright: ignore
    shifts = [constant(a - b) for a, b in pairs]  # pyright: ignore
    if all(shift is not None for shift in shifts):
        return "a constant is added", f"Every number is the right one plus {figure(shifts[0])}."  # pyright: ignore
    return None


def exchanged(got: Tensor, want: Tensor) -> tuple[int, int] | None:
    """The two axes whose exchange makes the result right."""
    for one in range(got.ndim):
        for other in range(one):
            if agrees(got.transpose(one, other), want):
                return other, one
    return None


def numbers(got: Tensor, want: Tensor) -> tuple[str | None, str]:
    """(mistake or None, sentence) for numbers that differ."""
    far = int((got - want).abs().argmax())
    there = tuple(int(i) for i in torch.unravel_index(torch.tensor(far), want.shape))
    value, right = float(got[there]), float(want[there])
    if not there:
        return None, f"It returns {figure(value)} where {figure(right)} is right."
    return None, (
        f"Numbers differ, most at index {list(there)}: "
        f"{figure(value)} where {figure(right)} is right."
    )


def constant(tensor: Tensor) -> float | None:
    """The number that fills the tensor, if one does."""
    if not tensor.isfinite().all():
        return None
    spread = float(tensor.max() - tensor.min())
    middle = float(tensor.mean())
    return round(middle, 9) if spread < 1e-4 * max(1.0, abs(middle)) else None
