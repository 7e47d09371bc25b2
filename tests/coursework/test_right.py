"""No right solution is refused: every exercise, several ways, several draws of the hidden cases."""

import pytest
import torch

from flatten_edu.coursework import check
from flatten_edu.coursework.checks import exercises
from flatten_edu.coursework.judge import Outcome, judge
from flatten_edu.coursework.trial import attempts

from .more_right import RIGHT

EVERY = [(name, function) for name, functions in RIGHT.items() for function in functions]


def tried(name, function, seed):
    """The check in this process, with hidden cases of another seed."""
    exercise = exercises()[name]
    cases = exercise.drawn(seed)
    watch = {number: case.watch for number, case in enumerate(cases) if case.watch}
    records = list(attempts(function, [case.args for case in cases], watch))
    return judge(exercise, cases, Outcome(records))


def test_every_exercise_has_two_right_solutions():
    assert set(RIGHT) == set(exercises()) and len(exercises()) == 27
    assert all(len(functions) >= 2 for functions in RIGHT.values())


@pytest.mark.parametrize(("name", "function"), EVERY, ids=lambda x: getattr(x, "__name__", x))
def test_right_solutions_pass(name, function):
    torch.manual_seed(0)
    result = getattr(check, name)(function)
    assert result.passed and result.mistake is None, result


@pytest.mark.long
@pytest.mark.parametrize(("name", "function"), EVERY, ids=lambda x: getattr(x, "__name__", x))
def test_right_solutions_pass_for_any_seed(name, function):
    torch.manual_seed(0)
    for seed in range(1, 11):
        result = tried(name, function, seed)
        assert result.passed, (seed, result)
