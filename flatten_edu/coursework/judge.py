"""From what came out of the calls to a sentence: right, or which mistake it looks like."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from . import message
from .clues import clue, common, habit, taken_for_granted
from .compare import as_tensor, finite
from .result import Result, not_started
from .wire import decode

if TYPE_CHECKING:
    from .exercise import Case, Exercise, Mistake


# Seconds for looking through pairs of mistakes.
PATIENCE = 3.0


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
    missing = next((t for t in trials if t.state == "missing"), None)
    chosen = choose_family(exercise, [t for t in trials if t.state != "missing"])
    if not all(t.state == "right" for t in chosen):
        return result(False, *diagnosis(exercise, chosen))
    if missing:
        return result(False, *message.stopped(exercise, missing.case, outcome.late))
    after = exercise.after(outcome.records, cases) if exercise.after else None
    if isinstance(after, tuple):
        return result(False, *after)
    return result(True, None, message.passed(chosen, outcome, after))


def trial(exercise: Exercise, case: Case, record: dict | None) -> Trial:
    """What came of one case."""
    if record is None:
        return Trial(case)
    if "value" not in record:
        return Trial(case, "error", error=record.get("error"))
    try:
        value = decode(record["value"])
    except (KeyError, ValueError, TypeError, RuntimeError, RecursionError, OverflowError):
        return Trial(case)
    if case.finite:
        return Trial(case, "right" if finite(value) else "wrong", value)
    if exercise.inspect is not None:
        named = exercise.inspect(value, case.args)
        return Trial(case, "wrong" if named else "right", value, named=named)
    want = exercise.right(*case.args)
    state = "right" if exercise.agrees(value, want) else "wrong"
    return Trial(case, state, value, want)


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


def diagnosis(exercise: Exercise, trials: list[Trial]) -> tuple[str | None, str]:
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
    mistake = known_mistake(exercise, trials)
    if mistake:
        return mistake.name, message.with_example(exercise, mistake.sentence, smallest)
    granted = taken_for_granted(trials)
    if granted:
        return granted[0], message.with_example(exercise, granted[1], failing[0])
    if not wrong:
        return None, message.raised(exercise, smallest)
    name, words = habit(wrong) or common(wrong) or clue(exercise, smallest)
    return name, message.with_example(exercise, words, smallest)


def known_mistake(exercise: Exercise, trials: list[Trial]) -> Mistake | None:
    """The mistake, or the two mistakes, that give the same numbers in every case with a value."""
    told = [t for t in trials if t.state in ("right", "wrong") and not t.case.finite]
    # Wrong cases first: most candidates leave at the first of them.
    told.sort(key=lambda t: t.state != "wrong")
    if not told or told[0].state != "wrong" or any(count(t.value) is None for t in told):
        return None
    for mistake in exercise.table:
        if all(exercise.agrees(t.value, variant(mistake, t)) for t in told):
            return mistake
    sizes = {count(variant(mistake, told[0])) for mistake in exercise.table}
    if count(told[0].value) not in sizes | {count(told[0].want)}:
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
