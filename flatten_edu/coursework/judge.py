"""From what came out of the calls to a sentence: right, or which mistake it looks like."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from . import message
from .clues import clue, common
from .compare import agrees, as_tensor, finite
from .habits import habit
from .result import Result, not_started
from .wire import decode

if TYPE_CHECKING:
    from .exercise import Case, Exercise, Mistake


# Seconds for looking through pairs of mistakes.
PATIENCE = 5.0


@dataclass
class Outcome:
    """The records of the calls, and how the run ended."""

    records: list[dict]
    late: bool = False
    died: bool = False
    printed: str = ""
    replaced: list[str] = field(default_factory=list)
    absent: bool = False


@dataclass
class Trial:
    """One case with what came of it: "right", "wrong", "error", or "missing" if it never came."""

    case: Case
    state: str = "missing"
    value: Any = None
    want: Any = None
    error: dict | None = None
    unsteady: bool = False
    named: tuple[str, str] | None = None


def judge(exercise: Exercise, cases: list[Case], outcome: Outcome) -> Result:
    """The result of an exercise for these records."""
    first = outcome.records[0] if outcome.records else {}
    if "stub" in first:
        return not_started(exercise.name)

    def result(passed: bool, mistake: str | None, words: str) -> Result:
        return Result(exercise.name, passed, mistake, words, printed=outcome.printed)

    if "signature" in first:
        return result(False, *message.signature(exercise, first["signature"]))
    trials = [
        trial(exercise, case, outcome.records[number] if number < len(outcome.records) else None)
        for number, case in enumerate(cases)
    ]
    beside = [t for t in trials if t.case.remark]
    trials = [t for t in trials if not t.case.remark]
    missing = next((t for t in trials if t.state == "missing"), None)
    chosen = choose_family(exercise, [t for t in trials if t.state != "missing"])
    if not all(t.state == "right" for t in chosen):
        return result(False, *diagnosis(exercise, chosen, outcome.printed))
    if missing:
        return result(False, *message.stopped(exercise, missing.case, outcome.late))
    after = exercise.after(outcome.records, cases) if exercise.after else None
    if isinstance(after, tuple):
        return result(False, *after)
    said = [
        t.case.remark for t in beside if t.state == "wrong" and t.case.family == family_of(chosen)
    ]
    return result(True, None, message.passed(chosen, outcome, [after, *said[:1]]))


def trial(exercise: Exercise, case: Case, record: dict | None) -> Trial:
    """What came of one case."""
    if record is None:
        return Trial(case)
    if "value" not in record:
        return Trial(case, "error", error=record.get("error"))
    try:
        value = decode(record["value"])
        again = decode(record.get("again", record["value"]))
    except (KeyError, ValueError, TypeError, RuntimeError, RecursionError, OverflowError):
        return Trial(case)
    if case.finite:
        return Trial(case, "right" if finite(value) else "wrong", value)
    if exercise.inspect is not None:
        named = exercise.inspect(value, case.args)
        return Trial(case, "wrong" if named else "right", value, named=named)
    want = exercise.right(*case.args)
    state = "right" if exercise.agrees(value, want) else "wrong"
    steady = agrees(again, value, tolerance=1e-6) or as_tensor(value) is None
    return Trial(case, state, value, want, unsteady=not steady)


def choose_family(exercise: Exercise, trials: list[Trial]) -> list[Trial]:
    """The trials that count: of the first family that the function takes, or of all it takes."""
    taken = []
    for family in exercise.families:
        members = [t for t in trials if t.case.family == family]
        if members and not all(t.state == "error" for t in members):
            taken.append(members)
    if not taken:
        return [t for t in trials if t.case.family == exercise.families[0]]
    return list(chain(*taken)) if exercise.every_family else taken[0]


def family_of(trials: list[Trial]) -> str:
    """The form of input that these trials have."""
    return trials[0].case.family if trials else ""


def diagnosis(exercise: Exercise, trials: list[Trial], printed: str) -> tuple[str | None, str]:
    """(mistake, message) for trials of which one at least is not right."""
    failing = [t for t in trials if t.state != "right"]
    wrong = [t for t in failing if t.state == "wrong"]
    smallest = (wrong or failing)[0]
    named = next((t for t in wrong if t.named), None)
    if named:
        return named.named[0], message.with_example(exercise, named.named[1], named)  # pyright: ignore
    if smallest.case.finite and all(t.case.finite for t in failing):
        name, sentence = smallest.case.finite
        return name, message.with_example(exercise, sentence, smallest)
    told = informative(trials)
    mistake = one_mistake(exercise, told)
    found = (mistake.name, mistake.sentence) if mistake else habit(exercise, trials)
    if found:
        return found[0], message.with_example(exercise, found[1], (failing, wrong)[bool(wrong)][0])
    mistake = two_mistakes(exercise, told)
    if mistake:
        return mistake.name, message.with_example(exercise, mistake.sentence, smallest)
    if not wrong:
        return message.raised(exercise, smallest, printed)
    name, words = common(wrong) or clue(exercise, smallest)
    return name, message.with_example(exercise, words, smallest)


def informative(trials: list[Trial]) -> list[Trial]:
    """Those with a value that the known mistakes can be compared with, wrong ones first.

    Most candidates leave at the first wrong case. None, if a result is no tensor of numbers.
    """
    told = [t for t in trials if t.state in ("right", "wrong") and not t.case.finite]
    told.sort(key=lambda t: t.state != "wrong")
    known = told and told[0].state == "wrong" and all(count(t.value) is not None for t in told)
    return told if known else []


def one_mistake(exercise: Exercise, told: list[Trial]) -> Mistake | None:
    """The mistake that gives the same numbers in every case with a value."""
    # The same with the finite ones alone: float32 may overflow where float64 does not.
    clear = [t for t in told if finite(t.value)]
    for trials in (told, clear if sum(t.state == "wrong" for t in clear) > 2 else []):
        for mistake in exercise.table if trials else []:
            if all(exercise.agrees(t.value, variant(mistake, t)) for t in trials):
                return mistake
    return None


def two_mistakes(exercise: Exercise, told: list[Trial]) -> Mistake | None:
    """The two mistakes that together give the same numbers in every case with a value."""
    sizes = {count(variant(mistake, told[0])) for mistake in exercise.table} if told else set()
    if not told or count(told[0].value) not in sizes | {count(told[0].want)}:
        return None
    deadline = time.monotonic() + PATIENCE
    for mistake in exercise.pairs():
        if time.monotonic() > deadline:
            return None
        if all(exercise.agrees(t.value, variant(mistake, t)) for t in told[:6]):
            return mistake
    return None


def variant(mistake: Mistake, trial: Trial) -> Any:
    """What the mistake gives in this trial; None if it cannot be made with these shapes."""
    try:
        return mistake.variant(*trial.case.args)
    except (RuntimeError, ValueError, IndexError, ZeroDivisionError, KeyError, OverflowError):
        return None


def count(value: Any) -> int | None:
    """How many numbers there are; None if there is anything else."""
    tensor = as_tensor(value)
    return None if tensor is None else tensor.numel()
