"""What can be said of a wrong result that no known mistake gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .compare import TOLERANCE, agrees, as_tensor, figure, shape_of
from .wire import Other

if TYPE_CHECKING:
    from .exercise import Exercise
    from .judge import Trial


def clue(exercise: Exercise, trial: Trial) -> tuple[str | None, str]:
    """(mistake or None, sentence) for a wrong value."""
    got, want = as_tensor(trial.value), as_tensor(trial.want)
    returns = f" It should be {exercise.returns}." if exercise.returns else ""
    if isinstance(trial.want, str):
        return None, f"The answer is another one.{returns}"
    if isinstance(trial.value, (tuple, list)) and any(agrees(v, want) for v in trial.value):
        words = f"{len(trial.value)} things are returned, and the right one is among them."
        return "more than the result is returned", f"{words}{returns}"
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
    """(mistake, sentence) for what holds of the numbers of every wrong case."""
    pairs = [(as_tensor(t.value), as_tensor(t.want)) for t in wrong]
    same = [(a, b) for a, b in pairs if a is not None and b is not None and a.shape == b.shape]
    if len(same) < len(pairs):
        return None
    return scaled(same) or zeros(same)


def scaled(pairs: list[tuple[Tensor, Tensor]]) -> tuple[str, str] | None:
    """If each result is a number times the right one, or plus a number."""
    few = max(want.numel() for _, want in pairs) < 6
    if few:  # with so few numbers only one factor for all cases says something
        if sum(want.numel() for _, want in pairs) < 4:
            return None
        pairs = [tuple(torch.cat([pair[n].flatten() for pair in pairs]) for n in (0, 1))]  # pyright: ignore
    factors = [constant((got / want)[(got != 0) | (want != 0)]) for got, want in pairs]
    if all(factor is not None for factor in factors):
        if all(factor == -1 for factor in factors):
            return "the sign is turned", "Every number is the right one with its sign turned."
        return "a factor is wrong", f"Every number is {figure(factors[0])} times the right one."  # pyright: ignore
    shifts = [constant(got - want) for got, want in pairs]
    if all(shift is not None for shift in shifts):
        return "a constant is added", f"Every number is the right one plus {figure(shifts[0])}."  # pyright: ignore
    return None


def zeros(pairs: list[tuple[Tensor, Tensor]]) -> tuple[str, str] | None:
    """If results differ only by zeros: too many of them, or too few."""
    far = [(got, want, (got - want).abs() > TOLERANCE * want.abs().amax()) for got, want in pairs]
    got, _, differs = far[0]
    where = f"The first is at index {differs.nonzero()[0].tolist()}." if got.ndim else ""
    if all((got[differs] == 0).all() for got, _, differs in far):
        return "numbers are missing", f"Zeros stand where other numbers belong. {where}"
    if all((want[differs] == 0).all() for _, want, differs in far):
        return "numbers stand where 0 belongs", f"Some numbers should be 0. {where}"
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
    if not tensor.isfinite().all() or not tensor.numel():
        return None
    spread = float(tensor.max() - tensor.min())
    middle = float(tensor.mean())
    return round(middle, 9) if spread < 1e-4 * max(1.0, abs(middle)) else None
