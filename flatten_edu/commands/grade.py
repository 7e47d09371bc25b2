"""flatten-edu grade: marks for a folder of submitted notebooks, each in its own process."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What stands after `flatten-edu grade`."""
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="submitted notebooks, in any depth")
    add("--output", type=Path, help="the table as CSV, and a .txt beside it (FOLDER/grades.csv)")
    add("--seconds", type=float, default=120.0, help="limit for a notebook (120)")
    add("--cell-seconds", type=float, default=30.0, help="limit for a cell (30)")
    add("--function-seconds", type=float, default=15.0, help="limit for a function (15)")
    add("--memory", type=float, default=4.0, help="limit in GB (4)")
    add("--jobs", type=int, default=2, help="notebooks at once (2)")
    add("--own", type=Path, help="solved source files with exercises of your own")
    add("--seed", type=int, default=1, help="draws the hidden examples (1)")


def run(arguments: argparse.Namespace) -> int:
    """Mark, write the table, and show it."""
    from ..coursework.grade import as_table, grade, save
    from ..coursework.jail import Limits

    for name in ("seconds", "cell_seconds", "function_seconds", "memory", "jobs"):
        if getattr(arguments, name) <= 0:
            flag = "--" + name.replace("_", "-")
            raise ValueError(f"{flag} must be above 0, but is {getattr(arguments, name)}")
    output = arguments.output or arguments.folder / "grades.csv"
    if output.suffix != ".csv":
        raise ValueError(f"--output must end in .csv, such as grades.csv, but is {output}")
    limits = Limits(
        arguments.seconds,
        arguments.cell_seconds,
        arguments.function_seconds,
        int(arguments.memory * 2**30),
    )

    def told(line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    rows = grade(arguments.folder, arguments.seed, limits, arguments.jobs, arguments.own, told)
    csv, readable = save(rows, output)
    sys.stdout.write(f"{as_table(rows)}\nThe table is in {csv} and {readable}\n")
    return 0
