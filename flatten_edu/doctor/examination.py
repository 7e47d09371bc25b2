"""The examination: every look at the machine, in order, and nothing that can end it early."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import lab, machine, packages, trial
from .finding import Finding, Report

Found = Finding | Iterator[Finding] | None

LOOKS: tuple[Callable[[], Found], ...] = (
    machine.python,
    machine.shadows,
    machine.memory,
    machine.disk,
    machine.writing,
    packages.packages,
    lab.jupyterlab,
    lab.kernel,
    lab.widgets,
    lab.browser,
    lab.fonts,
    trial.parts,
)


def examine(tell: Callable[[Finding], object] = lambda finding: None) -> Report:
    """Look at everything that the course needs, and try each of its parts.

    Args:
        tell: called with each finding as it comes.

    Returns:
        `Report`, with `.ok` and `.findings`; it shows itself as text.

    >>> report = examine()  # doctest: +SKIP
    """
    findings = []
    for look in LOOKS:
        for finding in seen(look):
            findings.append(finding)
            tell(finding)
    return Report(tuple(findings))


def seen(look: Callable[[], Found]) -> Iterator[Finding]:
    """What one look finds; if it fails, that is a finding as well."""
    name = look.__name__.replace("_", " ")
    try:
        found = look()
        if isinstance(found, Finding):
            yield found
        elif found is not None:
            yield from found
    except Exception as error:
        told = " ".join(str(error).split())
        yield Finding(name, "note", f"could not be looked at: {type(error).__name__}: {told}",
                      "please report this line")  # fmt: skip
