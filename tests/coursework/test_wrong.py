"""Every wrong solution is caught, and nearly all of them by the name of their mistake."""

from collections import Counter

import pytest

from flatten_edu.coursework import check, judge
from flatten_edu.coursework.checks import exercises
from flatten_edu.coursework.exercise import SEED

from .more_wrong import WRONG
from .test_right import tried

NAMES = [f"{exercise}-{function.__name__}" for exercise, function, _ in WRONG]


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """On a busy machine two mistakes at once take longer to find."""
    monkeypatch.setattr(judge, "PATIENCE", 60.0)


def test_there_are_wrong_solutions_for_every_exercise():
    counts = Counter(exercise for exercise, _, _ in WRONG)
    assert set(counts) == set(exercises())
    assert min(counts.values()) >= 2 and len(WRONG) >= 60


@pytest.mark.parametrize(("exercise", "function", "mistake"), WRONG, ids=NAMES)
def test_wrong_solutions_are_caught_and_named(exercise, function, mistake):
    result = tried(exercise, function, SEED)
    assert not result.passed
    if mistake is not None:
        assert result.mistake == mistake, result


@pytest.mark.parametrize("name", exercises())
def test_the_check_itself_says_the_same(name):
    function, mistake = next((f, m) for exercise, f, m in WRONG if exercise == name)
    result = getattr(check, name)(function)
    assert not result.passed and result.mistake == mistake


def test_most_mistakes_are_known_by_name():
    known = sum(mistake is not None for _, _, mistake in WRONG)
    assert known >= 0.9 * len(WRONG)


@pytest.mark.long
@pytest.mark.parametrize(("exercise", "function", "mistake"), WRONG, ids=NAMES)
def test_wrong_solutions_are_caught_and_named_for_any_seed(exercise, function, mistake):
    for seed in range(1, 11):
        result = tried(exercise, function, seed)
        assert not result.passed, seed
        assert mistake is None or result.mistake == mistake, (seed, result)
