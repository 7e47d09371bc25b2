"""What a student sees: stubs, mistakes, errors, hints, and results that show themselves."""

import functools

import pytest
import torch

import flatten_edu as fe
from flatten_edu.coursework import check
from flatten_edu.coursework.checks import exercises
from flatten_edu.coursework.wire import decode, encode

from .test_right import tried

ALL = list(exercises())


def stub_of(exercise, body):
    space = {}
    exec(f"def {exercise.signature}:\n    {body}\n", space)
    return space[exercise.name]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "body", ['"""Not yet."""', "...", "pass", "raise NotImplementedError", "return ..."]
)
def test_a_stub_is_not_started_yet(name, body):
    function = stub_of(exercises()[name], body)
    result = getattr(check, name)(function) if body == "..." else tried(name, function, 0)
    assert not result.passed and result.mistake is None
    assert result.message.startswith("not started yet") and "not started yet" in repr(result)


@pytest.mark.parametrize("name", ALL)
def test_every_exercise_says_what_it_asks(name):
    exercise = exercises()[name]
    assert exercise.level in ("warm-up", "core", "stretch") and 5 <= exercise.minutes <= 60
    hints = [exercise.hint(step) for step in (1, 2, 3)]
    assert len(set(hints)) == 3 and all(30 < len(hint) < 400 for hint in hints)
    assert repr(hints[0]).startswith("Hint 1 of 3. ")
    with pytest.raises(ValueError, match="hint must be 1, 2 or 3"):
        exercise.hint(4)


def test_there_are_three_exercises_in_each_of_nine_chapters():
    levels = {}
    for exercise in exercises().values():
        levels.setdefault(exercise.chapter, []).append(exercise.level)
    assert levels == {chapter: ["warm-up", "core", "stretch"] for chapter in range(1, 10)}


@pytest.mark.parametrize("name", ALL)
def test_cases_are_of_every_kind(name):
    exercise = exercises()[name]
    drawn = [repr([encode(case.args) for case in exercise.drawn(3)]) for _ in range(2)]
    assert drawn[0] == drawn[1]
    tags = set().union(*(case.tags for case in exercise.drawn()))
    if "q" in exercise.parameters and name not in ("own_attention", "causal_linear_attention"):
        wanted = {"a grid that is no square"} if "grid" in exercise.parameters else set()
        wanted |= {"several heads"} if wanted else {"several heads", "n and m differ", "float64"}
        assert wanted <= tags


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("softmax_attention", fe.attention.softmax_attention),
        ("linear_attention", fe.attention.linear_attention),
        ("focus", fe.attention.focus),
        ("focused_attention", fe.attention.focused_attention),
        ("row_entropy", fe.analysis.row_entropy),
        ("numerical_rank", fe.analysis.numerical_rank),
        ("effective_rank", fe.analysis.effective_rank),
        ("depthwise_matrix", fe.attention.depthwise_matrix),
    ],
)
def test_the_plain_forms_agree_with_the_library(name, function):
    exercise = exercises()[name]
    for seed in range(20):
        for case in exercise.drawn(seed):
            if not case.finite:
                assert exercise.agrees(function(*case.args), exercise.right(*case.args))


@pytest.mark.parametrize("name", ALL)
def test_every_known_mistake_shows_in_the_hidden_cases(name):
    exercise = exercises()[name]
    cases = [case for case in exercise.drawn() if not case.finite]

    def values(mistake):
        found = []
        for case in cases:
            try:
                found.append(mistake.variant(*case.args))
            except (RuntimeError, ValueError, IndexError, ZeroDivisionError):
                found.append(None)
        return found

    for mistake in exercise.table:
        pairs = zip(values(mistake), cases, strict=True)
        wrong = [v is None or not exercise.agrees(v, exercise.right(*c.args)) for v, c in pairs]
        assert any(wrong), f"{mistake.name} is no mistake"


def test_an_error_is_shown_with_the_students_line_and_no_other():
    def helper(x):
        return x.reshape(7, 11)

    def mine(x, p):
        y = x**p
        return helper(y)

    result = check.focus(mine)
    assert "line 3 of mine: return helper(y)" in result.message
    assert "line 2 of helper: return x.reshape(7, 11)" in result.message
    assert "functional.py" not in result.message and "trial" not in result.message


def test_an_error_for_some_shapes_names_what_is_taken_for_granted():
    def square_only(q, k, v):
        scores = q @ k.mT / q.shape[-1] ** 0.5
        eye = torch.eye(q.shape[2], dtype=q.dtype)
        return (scores @ eye).softmax(-1) @ v

    result = check.softmax_attention(square_only)
    assert result.mistake == "it takes n = m for granted"
    assert "line 4 of square_only" in result.message


def test_a_forgotten_return_is_no_stub():
    def forgot(x, p):
        x = x**p

    result = check.focus(forgot)
    assert not result.passed and "return line" in result.message


def test_other_arguments_are_explained():
    result = check.focus(lambda x: x)
    assert result.mistake == "the arguments are not those asked for"
    assert "focus(x, p)" in result.message
    assert check.focus(lambda x, p, extra=1: fe.attention.focus(x, p)).passed
    assert check.focus(functools.partial(lambda e, x, p: fe.attention.focus(x, p), 1)).passed


@pytest.mark.parametrize("given", [3, torch.ones(2), "focus", [1]])
def test_a_result_in_the_place_of_the_function(given):
    result = check.focus(given)
    assert result.mistake == "no function was given" and "check.focus(focus)" in result.message


def test_nothing_in_the_place_of_the_function_is_not_started():
    assert check.focus(None).message.startswith("not started yet")


@pytest.mark.parametrize(
    "value", [3.0, None, "word", [1, [2]], {}, torch.zeros(0), torch.tensor(1j), object(), 10**400]
)
@pytest.mark.parametrize("name", ALL)
def test_strange_results_are_no_exception(name, value):
    result = tried(name, lambda *args: value, seed=0)
    assert not result.passed and result.message


def test_a_result_shows_itself_and_is_true_when_passed():
    good, bad = check.focus(fe.attention.focus), check.focus(lambda x, p: x**p)
    assert good and not bad
    assert repr(good).startswith("✓ focus: passed") and "✗ focus: not yet" in repr(bad)
    page = bad._repr_html_()
    assert 'role="status"' in page and "not yet" in page and "✗" in page
    assert bad.mistake in page and "#D55E00" in page and "#009E73" in good._repr_html_()


def test_a_students_words_are_escaped():
    def mean(x, p):
        print("<b>loud</b>")
        raise ValueError("<script>alert(1)</script>")

    page = check.focus(mean)._repr_html_()
    assert "<script>" not in page and "&lt;script&gt;" in page and "<b>" not in page


def test_the_smallest_example_is_small():
    message = check.softmax_attention(lambda q, k, v: q @ k.mT @ v).message
    assert "(1, 1, 2, 2)" in message and "yours" in message and "right" in message
    assert len(message) < 900


def test_the_list_and_unknown_names():
    assert "check.focused_attention(q, k, v, p)" in repr(check)
    assert set(ALL) <= set(dir(check))
    with pytest.raises(AttributeError, match=r"did you mean check\.focus\?"):
        check.focuss


def test_moved_brackets_are_praised_and_others_get_a_remark():
    def moved(q, k, v):
        q, k = q.relu() + 1e-6, k.relu() + 1e-6
        return q @ (k.mT @ v) / (q * k.sum(2, keepdim=True)).sum(-1, keepdim=True)

    def not_moved(q, k, v):
        weights = (q.relu() + 1e-6) @ (k.relu() + 1e-6).mT
        return weights / weights.sum(-1, keepdim=True) @ v

    assert "brackets are moved" in check.linear_attention(moved).message
    assert "n x m map is still made" in check.linear_attention(not_moved).message


def test_a_singular_value_of_0_gives_a_remark_where_it_gives_nan():
    def as_written(map):
        share = torch.linalg.svdvals(map)
        share = share / share.sum()
        return torch.exp(-(share * share.log()).sum())

    result = check.effective_rank(as_written)
    assert result.passed and "exactly 0 gives nan" in result.message
    assert "nan" not in check.effective_rank(fe.analysis.effective_rank).message


def test_a_caret_is_no_stub_and_no_power():
    result = check.focus(lambda x, p: x ^ p)
    assert result.status == "not yet" and "a power is x ** p" in result.message


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"kind": "tensor", "dtype": "float64", "shape": [3], "values": [1.0]},
        {"kind": "tensor", "dtype": "bogus", "shape": [], "values": [1.0]},
        {"kind": "plain", "value": [1]},
        {"kind": "other"},
        {"kind": "list", "items": 3},
    ],
)
def test_garbage_from_a_process_is_refused(message):
    with pytest.raises((KeyError, ValueError, TypeError, RuntimeError)):
        decode(message)
