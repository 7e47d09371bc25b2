"""The table of a comparison: a line an arm, with the mean over seeds and their spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from .results import Row

HEADS = ("arm", "test accuracy", "seeds", "seconds", "parameters", "entropy", "rank", "rank M_eq")


def summarise(rows: Sequence[Row], task: str, arms: Sequence[str]) -> list[list[str]]:
    """Cells of the table of one task, a list an arm, in the order of the arms.

    The spread is the standard deviation over seeds (of the sample, n - 1).
    """
    lines = []
    for arm in arms:
        runs = [row for row in rows if (row["task"], row["arm"]) == (task, arm)]
        if not runs:
            lines.append([arm, *[""] * (len(HEADS) - 1)])
            continue
        accuracy = [100 * row["test_accuracy"] for row in runs]
        spread = f" ± {statistics.stdev(accuracy):.1f}" if len(runs) > 1 else ""
        lines.append(
            [
                arm,
                f"{statistics.mean(accuracy):.1f}{spread} %",
                str(len(runs)),
                f"{average(runs, 'seconds'):.0f}",
                f"{runs[0]['parameters']:,}",
                cell(runs, "entropy", ".2f"),
                cell(runs, "rank", ".0f"),
                cell(runs, "equivalent_rank", ".0f"),
            ]
        )
    return lines


def average(runs: Sequence[Row], name: str) -> float:
    """The mean of a number over runs."""
    return statistics.mean(row[name] for row in runs)


def cell(runs: Sequence[Row], name: str, form: str) -> str:
    """A mean in this form, or a dash where the arm has no such thing."""
    return "-" if any(row[name] is None for row in runs) else format(average(runs, name), form)


def plain(lines: Sequence[Sequence[str]]) -> str:
    """The table in columns of spaces, names to the left and numbers to the right.

    >>> print(plain([["focused", "97.0 %", "3", "40", "69,082", "0.70", "16", "49"]]))
    arm      test accuracy  seeds  seconds  parameters  entropy  rank  rank M_eq
    focused         97.0 %      3       40      69,082     0.70    16         49
    """
    table = [HEADS, *lines]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEADS))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    )


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """The table for a README.

    >>> print(markdown([["dwc", "97.0 %", "3", "40", "69,082", "-", "0", "49"]]).splitlines()[2])
    | dwc | 97.0 % | 3 | 40 | 69,082 | - | 0 | 49 |
    """
    table = [HEADS, ["---", *["---:"] * (len(HEADS) - 1)], *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in table)
