"""A finding of the doctor: what was looked at, how it is, and what to do about it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "wrong"]
WIDTH = 88


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Args:
        about: what, in a word or two.
        state: "ok"; "note" if the course runs but something is good to know; "wrong" if a part
            of the course will not run.
        says: how it is, in a sentence.
        do: what to do about it; empty if nothing is to be done.

    >>> print(Finding("disk", "wrong", "90 MB free", "make room: 500 MB are needed"))
    WRONG  disk          90 MB free
                         do: make room: 500 MB are needed
    """

    about: str
    state: State
    says: str
    do: str = ""

    def __str__(self) -> str:
        mark = self.state.upper() if self.state == "wrong" else self.state
        lines = textwrap.wrap(self.says, WIDTH - 21, break_long_words=False) or [""]
        if self.do:
            lines += textwrap.wrap(f"do: {self.do}", WIDTH - 21, break_long_words=False,
                                   break_on_hyphens=False)  # fmt: skip
        first = f"{mark:<7}{self.about:<14}{lines[0]}"
        return "\n".join([first, *(" " * 21 + line for line in lines[1:])])


@dataclass(frozen=True)
class Report:
    """All findings; `ok` if nothing is wrong. Shows itself as plain text."""

    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> list[Finding]:
        """What keeps a part of the course from running."""
        return [finding for finding in self.findings if finding.state == "wrong"]

    @property
    def ok(self) -> bool:
        """Whether everything in the course will run here."""
        return not self.wrong

    @property
    def summary(self) -> str:
        """The last line: what is wrong, or that nothing is."""
        if self.ok:
            return "Everything that the course needs is here."
        names = ", ".join(dict.fromkeys(finding.about for finding in self.wrong))
        return f"To mend: {names}. The lines after 'do:' say how."

    def __repr__(self) -> str:
        return "\n".join([*map(str, self.findings), "", self.summary])
