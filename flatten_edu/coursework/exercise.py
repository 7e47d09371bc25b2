"""What an exercise is: a name, hidden cases, a plain right form, and the mistakes it knows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from typing import Any

import torch
from torch import Generator

from .compare import TOLERANCE, agrees
from .judge import Outcome, judge
from .result import Result, Words, not_a_function
from .sandbox import run

POINTS = {"warm-up": 1, "core": 2, "stretch": 3}
SEED = 0


@dataclass(frozen=True)
class Case:
    """One hidden example.

    Args:
        args: what the function is called with.
        tags: what is particular about it, in words: {"n and m differ", "float64"}.
        family: one of several forms of input, of which a function may know one only.
        finite: (mistake, sentence) if finite numbers alone are asked for, not certain ones.
        remark: said to somebody who is right but for this case, which is not asked for.
        watch: "sizes" to look at the largest tensor that is made, "gradient" whether one flows.
    """

    args: tuple
    tags: frozenset[str] = frozenset()
    family: str = ""
    finite: tuple[str, str] | None = None
    remark: str = ""
    watch: str = ""


@dataclass(frozen=True)
class Mistake:
    """A wrong form with its name, the sentence that a student reads, and how to compute it."""

    name: str
    sentence: str
    variant: Callable
    switches: frozenset[str] = frozenset()


@dataclass
class Exercise:
    """`check.<name>`: call it with a student's function, or ask it for a hint.

    Args:
        name: of the function, as in `check.focus`.
        signature: as the student writes it.
        chapter: number of the chapter it belongs to.
        level: "warm-up", "core" or "stretch".
        minutes: that it should take.
        cases: the hidden examples for a random generator, small ones first.
        right: the plain right form, called like the student's; with switches it makes a mistake.
        mistakes: name -> (switches of `right`, or a function of its own, or a list of them; a
            sentence).
        hints: three, each says more.
        returns: what comes out, in words.
        inspect: (value, args) -> None or (mistake, sentence), where many results are right.
        families: forms of input; the first that the function can take decides.
        every_family: all that it can take must be right.
        flat: whether the result's shape may differ as long as its numbers are in order.
        tolerance: largest difference, as a share of the largest right number.
        by_row: whether it is a share of the largest right number of each row instead.
        after: (records, cases) -> None, a remark for somebody whose numbers are right, or
            (mistake, sentence) if they are not enough.
    """

    name: str
    signature: str
    chapter: int
    level: str
    minutes: int
    cases: Callable[[Generator], list[Case]]
    right: Callable
    mistakes: Mapping[str, tuple[Any, str]]
    hints: tuple[str, str, str]
    returns: str = ""
    inspect: Callable[[Any, tuple], tuple[str, str] | None] | None = None
    families: Sequence[str] = ("",)
    every_family: bool = False
    flat: bool = False
    tolerance: float = TOLERANCE
    by_row: bool = False
    after: Callable[[list[dict], list[Case]], str | tuple[str, str] | None] | None = None
    table: list[Mistake] = field(init=False)

    def __post_init__(self):
        self.table = [
            self._mistake(name, one, sentence)
            for name, (how, sentence) in self.mistakes.items()
            for one in (how if isinstance(how, list) else [how])
        ]
        self.__doc__ = (
            f"{self.signature} -> {self.returns}. Chapter {self.chapter}, {self.level}, "
            f"{self.minutes} minutes. Hints: check.{self.name}.hint(1), (2), (3)."
        )

    def _mistake(self, name: str, how: dict | Callable, sentence: str) -> Mistake:
        if isinstance(how, dict):
            return Mistake(name, sentence, partial(self.right, **how), frozenset(how))
        return Mistake(name, sentence, how)

    @property
    def points(self) -> int:
        """What it is worth: 1, 2 or 3 by level."""
        return POINTS[self.level]

    @property
    def parameters(self) -> list[str]:
        """Names of the arguments, from the signature."""
        inside = self.signature.partition("(")[2].rpartition(")")[0]
        return [name.strip() for name in inside.split(",") if name.strip()]

    def pairs(self) -> list[Mistake]:
        """Two mistakes at once, where they do not exclude each other."""
        single = [mistake for mistake in self.table if mistake.switches]
        return [
            Mistake(
                f"{one.name}; {other.name}",
                f"{one.sentence} And: {other.sentence}",
                partial(one.variant, **other.variant.keywords),  # pyright: ignore
            )
            for one, other in combinations(single, 2)
            if not one.switches & other.switches
        ]

    def drawn(self, seed: int = SEED) -> list[Case]:
        """The hidden cases of a seed."""
        return self.cases(Generator().manual_seed(seed))

    def __call__(self, function: Callable) -> Result:
        """Try the function on the hidden cases and say what is wrong, if anything is."""
        if not callable(function):
            return not_a_function(self.name, function)
        with torch.device("cpu"):
            return self._tried(function)

    def _tried(self, function: Callable) -> Result:
        cases = self.drawn()
        watch = {number: case.watch for number, case in enumerate(cases) if case.watch}
        ran = run(function, [case.args for case in cases], watch=watch)
        outcome = Outcome(ran.records, ran.late, ran.died, ran.printed, ran.replaced)
        return judge(self, cases, outcome)

    def agrees(self, value: Any, want: Any) -> bool:
        """Whether a result counts as the right one."""
        return agrees(value, want, self.flat, self.tolerance, self.by_row)

    def hint(self, step: int = 1) -> Words:
        """Hint 1, 2 or 3, each says more."""
        if step not in (1, 2, 3):
            raise ValueError(f"hint must be 1, 2 or 3, not {step!r}; check.{self.name}.hint(1)")
        return Words(f"Hint {step} of 3. {self.hints[step - 1]}")

    def __repr__(self) -> str:
        return f"check.{self.name}: {self.__doc__}"
