"""What a check says: passed or not, which mistake, and a message that shows itself."""

import html
import textwrap
from dataclasses import dataclass
from typing import Any

# Green and vermilion of the course's pictures, safe for colour-blind readers; the words say it too.
COLOURS = {"passed": "#009E73", "not yet": "#D55E00", "not started yet": "#808080"}
MARKS = {"passed": "✓", "not yet": "✗", "not started yet": "○"}


@dataclass(frozen=True)
class Result:
    """The answer of a check.

    Args:
        exercise: its name.
        passed: whether every hidden example came out right.
        mistake: a short name of the typical mistake it looks like, or None.
        message: what is wrong, for a student, with the smallest example that shows it.
        status: "passed", "not yet" or "not started yet".
        printed: what the function printed while it was tried.
    """

    exercise: str
    passed: bool
    mistake: str | None
    message: str
    status: str = ""
    printed: str = ""

    def __post_init__(self):
        if not self.status:
            object.__setattr__(self, "status", "passed" if self.passed else "not yet")

    def __bool__(self) -> bool:
        """Whether it passed: `assert check.focus(focus)`."""
        return self.passed

    def __repr__(self) -> str:
        parts = [f"{MARKS[self.status]} {self._head()}", textwrap.indent(self.message, "  ")]
        if self.printed:
            parts.append("  It printed:\n" + textwrap.indent(self.printed, "    "))
        return "\n".join(parts)

    def _head(self) -> str:
        mistake = f": {self.mistake}" if self.mistake else ""
        return f"{self.exercise}: {self.status}{mistake}"

    def _repr_html_(self) -> str:
        words, _, example = self.message.partition("\n")
        return card(self._head(), words, example, self.status, self.printed)


def card(head: str, words: str, example: str, status: str, printed: str = "") -> str:
    """A message as a card that reads on light and dark pages: a coloured edge, a sign, words."""
    colour = COLOURS[status]
    pre = "white-space:pre-wrap;margin:.5em 0 0;background:none;color:inherit"
    parts = [
        f'<div role="status" style="border-left:5px solid {colour};padding:.4em .9em;'
        'margin:.3em 0;max-width:60em">',
        f'<strong><span style="color:{colour}" aria-hidden="true">{MARKS[status]}</span> '
        f"{html.escape(head)}</strong>",
        f'<div style="margin-top:.3em">{html.escape(words)}</div>',
    ]
    if example:
        parts.append(f'<pre style="{pre}">{html.escape(example)}</pre>')
    if printed:
        parts.append(
            f"<details><summary>What it printed</summary>"
            f'<pre style="{pre}">{html.escape(printed)}</pre></details>'
        )
    return "".join([*parts, "</div>"])


class Words(str):
    """Text that shows itself without quotes."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f'<div style="padding:.4em .9em;max-width:60em">{html.escape(self)}</div>'


def not_started(exercise: str) -> Result:
    """For a stub."""
    return Result(
        exercise,
        passed=False,
        mistake=None,
        message=f"not started yet. Write the function's body, then run this cell again. "
        f"A first step: check.{exercise}.hint(1)",
        status="not started yet",
    )


def not_a_function(exercise: str, given: Any) -> Result:
    """For a number, a tensor or nothing in the place of the function."""
    if given is None or given is Ellipsis:
        return not_started(exercise)
    return Result(
        exercise,
        passed=False,
        mistake="no function was given",
        message=f"This check wants the function itself, not its result: check.{exercise}"
        f"({exercise}) without brackets after the name. It was given: {type(given).__name__}.",
    )
