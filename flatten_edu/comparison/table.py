"""The table of a comparison: a line an arm, with the mean over seeds and their spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from .results import Row

HEADS = (
    "arm", "test accuracy", "mIoU", "seeds", "seconds", "parameters", "entropy", "rank", "rank M_eq"
)  # fmt: skip


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
        lines.append(
            [
                arm,
                per_cent(runs, "test_accuracy"),
                per_cent(runs, "mean_iou"),
                str(len(runs)),
                cell(runs, "seconds", ".0f"),
                cell(runs, "parameters", ",.0f"),
                cell(runs, "entropy", ".2f"),
                cell(runs, "rank", ".0f"),
                cell(runs, "equivalent_rank", ".0f"),
            ]
        )
    return lines


def per_cent(runs: Sequence[Row], name: str) -> str:
    """Mean and spread of a share, or a dash where the task has no such thing.

    >>> per_cent([{"a": 0.5}, {"a": 0.52}], "a"), per_cent([{"a": 0.5}], "a")
    ('51.0 ± 1.4 %', '50.0 %')
    """
    shares = [100 * row[name] for row in runs if row.get(name) is not None]
    if not shares:
        return "-"
    spread = f" ± {statistics.stdev(shares):.1f}" if len(shares) > 1 else ""
    return f"{statistics.mean(shares):.1f}{spread} %"


def average(runs: Sequence[Row], name: str) -> float:
    """The mean of a number over runs."""
    return statistics.mean(row[name] for row in runs)


def cell(runs: Sequence[Row], name: str, form: str) -> str:
    """A mean in this form, or a dash where the arm has no such thing."""
    return "-" if any(row.get(name) is None for row in runs) else format(average(runs, name), form)


def filled(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """The table with its heads, without the columns in which no arm has anything.

    >>> filled([["dwc", "97.0 %", "-", "3", "40", "69,082", "-", "0", "49"]])[0]
    ['arm', 'test accuracy', 'seeds', 'seconds', 'parameters', 'rank', 'rank M_eq']
    """
    held = [any(line[column] not in ("", "-") for line in lines) for column in range(len(HEADS))]
    return [
        [cell for cell, kept in zip(line, held, strict=True) if kept] for line in (HEADS, *lines)
    ]


def plain(lines: Sequence[Sequence[str]]) -> str:
    """The table in columns of spaces, names to the left and numbers to the right.

    >>> print(plain([["focused", "97.0 %", "-", "3", "40", "69,082", "0.70", "16", "49"]]))
    arm      test accuracy  seeds  seconds  parameters  entropy  rank  rank M_eq
    focused         97.0 %      3       40      69,082     0.70    16         49
    """
    table = filled(lines)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    )


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """The table for a README.

    >>> print(markdown([["dwc", "97.0 %", "-", "3", "40", "69,082", "-", "0", "49"]]))
    | arm | test accuracy | seeds | seconds | parameters | rank | rank M_eq |
    | --- | ---: | ---: | ---: | ---: | ---: | ---: |
    | dwc | 97.0 % | 3 | 40 | 69,082 | 0 | 49 |
    """
    heads, *rest = filled(lines)
    table = [heads, ["---", *["---:"] * (len(heads) - 1)], *rest]
    return "\n".join("| " + " | ".join(line) + " |" for line in table)


def across(rows: Sequence[Row]) -> str:
    """Test accuracy of every arm on every task that there are rows of, in Markdown.

    >>> print(across([{"task": "recall", "arm": "dwc", "test_accuracy": 0.16}]))
    | arm | recall |
    | --- | ---: |
    | dwc | 16.0 % |
    """
    tasks, arms = (list(dict.fromkeys(row[name] for row in rows)) for name in ("task", "arm"))
    lines = [["arm", *tasks], ["---", *["---:"] * len(tasks)]]
    for arm in arms:
        of_arm = [row for row in rows if row["arm"] == arm]
        cells = [
            per_cent([row for row in of_arm if row["task"] == task], "test_accuracy")
            for task in tasks
        ]
        lines.append([arm, *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
