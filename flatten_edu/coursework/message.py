"""The words of a check: one sentence first, then the smallest example in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .compare import shown

if TYPE_CHECKING:
    from .exercise import Case, Exercise
    from .judge import Outcome, Trial


def passed(trials: list[Trial], outcome: Outcome, said: list[str | None]) -> str:
    """For a function that is right everywhere."""
    tags = dict.fromkeys(tag for trial in trials for tag in sorted(trial.case.tags))
    among = f", among them: {'; '.join(tags)}" if tags else ""
    words = f"Right on all {len(trials)} hidden examples{among}."
    remarks = [*said]
    if any(record.get("changed") for record in outcome.records):
        remarks.append(
            "One remark: it changes its inputs in place (such as q /= 2), so that a second call "
            "with the same tensors gives something else; q = q / 2 does not."
        )
    if outcome.replaced:
        remarks.append(f"One remark: it replaced {outcome.replaced[0]}, which was put back.")
    return "\n".join([words, *filter(None, remarks)])


def with_example(exercise: Exercise, sentence: str, trial: Trial) -> str:
    """The sentence, the smallest example that shows it, and where more help is."""
    parts = [sentence, example(exercise, trial)]
    if trial.error:
        parts += [f"There it stops with {said(trial.error)}", *where(trial.error)]
    return "\n".join([*parts, f"Stuck? check.{exercise.name}.hint(1)"])


def example(exercise: Exercise, trial: Trial) -> str:
    """Inputs, the student's result and the right one, in figures."""
    rows = [
        (name, shown(value))
        for name, value in zip(exercise.parameters, trial.case.args, strict=True)
    ]
    if trial.state == "wrong":
        rows.append(("yours", shown(trial.value)))
        if trial.want is not None:
            rows.append(("right", shown(trial.want)))
    width = max((len(name) for name, _ in rows), default=0)
    title = "The smallest hidden example that shows it:" if rows else ""
    return "\n".join([title, *(f"  {name:<{width}} = {text}" for name, text in rows)])


def raised(exercise: Exercise, trial: Trial, printed: str = "") -> tuple[str, str]:
    """(mistake, message) for an exception of the student's, or for nothing at all."""
    stuck = f"Stuck? check.{exercise.name}.hint(1)"
    if trial.error is None:
        words = "It returns nothing (None): is the return line missing?"
        if printed:
            words += " What is printed can be read, but not used: return it."
        return "nothing is returned", "\n".join([words, stuck])
    error = trial.error
    words = f"It stops with {said(error)}"
    if "bitwise_xor" in words or "for ^:" in words:
        words += " In Python a power is x ** p; x ^ p is something else."
    sizes = [
        f"{name} {tuple(value.shape)}"
        for name, value in zip(exercise.parameters, trial.case.args, strict=True)
        if hasattr(value, "shape")
    ]
    inputs = f"It was called with shapes: {', '.join(sizes)}." if sizes else ""
    parts = [words, *where(error), inputs, stuck]
    return f"it stops with {error.get('type')}", "\n".join(part for part in parts if part)


def where(error: dict) -> list[str]:
    """The student's own lines that led to an exception."""
    lines = error.get("lines") or []
    told = [f"  line {line['line']} of {line['function']}: {line['text']}" for line in lines]
    return ["In your code:", *told] if told else []


def said(error: dict) -> str:
    """An exception on one line that is not too long."""
    text = " ".join(f"{error.get('type')}: {error.get('words', '')}".split())
    return text if len(text) < 300 else text[:300] + " ..."


def signature(exercise: Exercise, found: str) -> tuple[str, str]:
    """(mistake, message) for a function that takes other arguments."""
    return (
        "the arguments are not those asked for",
        f"It should be called as {exercise.signature}, but is declared as {found}.",
    )


def stopped(exercise: Exercise, case: Case, late: bool) -> tuple[str, str]:
    """(mistake, message) for a function that did not come back."""
    shapes = [str(tuple(value.shape)) for value in case.args if hasattr(value, "shape")]
    called = f" It was called with shapes {', '.join(shapes)}." if shapes else ""
    if late:
        return (
            "it takes too long",
            "It did not come back in time and was stopped: is there a loop that never ends, "
            f"or one over every number?{called}",
        )
    return (
        "it ends Python",
        "The process that ran it ended without a result: it asked for too much memory, called "
        f"exit, or crashed.{called}",
    )
