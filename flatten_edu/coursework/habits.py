"""What a wrong function does whatever the exercise: it rounds, draws at random, knows one size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .compare import TOLERANCE, agrees, as_tensor, shape_of

if TYPE_CHECKING:
    from .exercise import Exercise
    from .judge import Trial

Named = tuple[str, str] | None
# Half precision keeps three digits; no known mistake is as small as this.
COARSE = 2e-2
# What is particular about a case -> the mistake's name, if exactly such cases fail, and how they
# fail: any way, with an error, or with wrong numbers.
GRANTED = {
    "n and m differ": ("it takes n = m for granted", ""),
    "a grid that is no square": ("it takes a square grid for granted", ""),
    "several heads": ("it takes one head for granted", ""),
    "several images": ("it takes one image for granted", ""),
    "one head": ("it does not work with one head", ""),
    "float64": ("it takes float32 for granted", "error"),
    "p is not 3": ("p is taken as 3", "wrong"),
}


def habit(exercise: Exercise, trials: list[Trial]) -> Named:
    """(mistake, sentence) of the first of these that fits."""
    wrong = [t for t in trials if t.state == "wrong"]
    # Plain examples, without a reference: nothing to compare with.
    values = [t for t in wrong if t.want is not None]
    named = unsteady(trials) or taken_for_granted(trials)
    if named or not values:
        return named
    if not any(other_than_0(t) for t in values):
        return "everything is 0", "Every number that it returns is 0."
    precise = exercise.tolerance == TOLERANCE
    found = unchanged(values) or (coarse(trials) if precise else None) or rounded(values)
    return found or unfilled(values) or one_size(trials)


def other_than_0(trial: Trial) -> int:
    """How many numbers are not 0; anything else counts as one."""
    tensor = as_tensor(trial.value)
    return 1 if tensor is None or not tensor.numel() else int(tensor.count_nonzero())


def unsteady(trials: list[Trial]) -> Named:
    """If a second call with the same inputs gave something else."""
    if not any(t.unsteady for t in trials):
        return None
    return (
        "two calls give different results",
        "Called twice with the same inputs it gives different numbers: look for dropout, random "
        "numbers, or something that is kept from one call to the next.",
    )


def taken_for_granted(trials: list[Trial]) -> Named:
    """If all cases with one property fail, and no others."""
    failing = {number for number, t in enumerate(trials) if t.state != "right"}
    if len(failing) == len(trials):
        return None
    for tag, (name, state) in GRANTED.items():
        tagged = {n for n, t in enumerate(trials) if tag in t.case.tags}
        fits = all(state in ("", trials[n].state) for n in failing)
        if tagged and tagged == failing and fits:
            return name, f"It is right except where this holds: {tag}. So {name}."
    return None


def unchanged(wrong: list[Trial]) -> Named:
    """If every result is an input as it was, or the same for all inputs."""
    for place in range(len(wrong[0].case.args)):
        if all(agrees(t.value, t.case.args[place]) for t in wrong):
            return "an input is returned as it is", "It returns one of its inputs unchanged."
    first = wrong[0]
    same = len(wrong) > 2 and all(agrees(t.value, first.value) for t in wrong)
    if same and not all(agrees(t.want, first.want) for t in wrong):
        return "the result is always the same", "It returns the same for all inputs."
    return None


def coarse(trials: list[Trial]) -> Named:
    """If every number is right in its first two digits."""
    told = [t for t in trials if t.want is not None]
    near = all(t.state == "right" or agrees(t.value, t.want, tolerance=COARSE) for t in told)
    if len(told) < 4 or not near or any(t.state == "error" for t in trials):
        return None
    return (
        "too few digits are right",
        "Every number is nearly right, but not to three digits. Is it computed in half precision "
        "(float16), or rounded? float32 and float64 are precise enough.",
    )


def rounded(wrong: list[Trial]) -> Named:
    """If every result is the right one, rounded or cut."""
    pairs = [same_shape(t) for t in wrong]
    if any(pair is None for pair in pairs):
        return None
    for unit in (1, 10, 100, 1000):
        scaled = [(got * unit, want * unit) for got, want in pairs]  # pyright: ignore
        if not all(torch.allclose(got, got.round()) for got, _ in scaled):
            continue
        nearest = all(((got - want).abs() < 0.501).all() for got, want in scaled)
        cut = all(torch.allclose(got, want.trunc()) for got, want in scaled)
        if nearest or cut:
            words = "The numbers are rounded, or cut. Leave them as they are."
            return "the result is rounded", words
    return None


def unfilled(wrong: list[Trial]) -> Named:
    """If the first numbers are right, and all after them are 0."""
    for trial in wrong:
        pair = same_shape(trial)
        if pair is None:
            return None
        got, want = (side.flatten() for side in pair)
        filled = int((got != 0).nonzero().amax()) + 1 if got.any() else 0
        if not 0 < filled < len(got) or not agrees(got[:filled], want[:filled]):
            return None
    return (
        "only the first part is filled",
        "The first numbers are right, and after them there are zeros: is the return line "
        "indented into the loop?",
    )


def one_size(trials: list[Trial]) -> Named:
    """If nothing but the first case is right."""
    states = [t.state for t in trials]
    shapes = {shapes_of(t.case.args) for t in trials}
    if states[0] != "right" or "right" in states[1:] or len(shapes) < 4:
        return None
    return (
        "it is right for one size only",
        f"It is right for {' and '.join(shapes_of(trials[0].case.args)) or 'one input'} alone. "
        "Are sizes written as numbers, or is one axis taken for another?",
    )


def shapes_of(args: tuple) -> tuple[str, ...]:
    """The inputs' shapes in words."""
    return tuple(dict.fromkeys(shape_of(value) for value in args if isinstance(value, Tensor)))


def same_shape(trial: Trial) -> tuple[Tensor, Tensor] | None:
    """Value and right value as tensors, if they are of one shape."""
    got, want = as_tensor(trial.value), as_tensor(trial.want)
    return None if got is None or want is None or got.shape != want.shape else (got, want)
