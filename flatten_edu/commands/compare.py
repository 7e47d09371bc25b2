"""flatten-edu compare: arms beside each other on a task, with every seed's result kept."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arms import ARMS
from ..comparison.results import rows_of
from ..comparison.table import filled, markdown, plain, summarise
from ..extras import need
from ..training.recipe import Recipe
from .bench import command_of
from .drawing import draw
from .train import pair

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..comparison.results import Row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What stands after `flatten-edu compare`."""
    add = parser.add_argument
    add("--task", required=True, help="a name of list_tasks(), or several: a,b,c")
    add("--arms", default=",".join(ARMS), help=f"names with commas between them ({','.join(ARMS)})")
    add("--seeds", type=int, default=3, help="how many (3)")
    add("--output", type=Path, help="folder for the results (runs/compare-TASK)")
    add("--jobs", type=int, default=default_jobs(), help="runs side by side (cores; 1 on a GPU)")
    add("--option", action="append", default=[], metavar="NAME=VALUE", help="of the task")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (auto)")
    for field in dataclasses.fields(Recipe):
        kind = type(getattr(Recipe(), field.name))
        flag, words = "--" + field.name.replace("_", "-"), "in place of the task's recipe's"
        how: dict[str, Any] = {"type": kind}
        if kind is bool:
            how = {"action": argparse.BooleanOptionalAction}
        add(flag, **how, default=argparse.SUPPRESS, help=words)


def default_jobs() -> int:
    """As many runs side by side as there are cores; one where a GPU does the work."""
    import torch

    return 1 if torch.cuda.is_available() else os.cpu_count() or 1


def run(arguments: argparse.Namespace) -> int:
    """Compare, with a table as it goes, and a table and a picture in the folder at the end."""
    from ..comparison import compare
    from ..tasks import load_task

    tasks, arms = arguments.task.split(","), arguments.arms.split(",")
    options = dict(pair(text) for text in arguments.option)
    output = arguments.output or Path("runs", "compare-" + "-".join(tasks))
    changes = {key: value for key, value in vars(arguments).items() if key in Recipe.names()}
    show = Tables(tasks, arms, output)
    try:
        compare(
            tasks,
            arms,
            arguments.seeds,
            output=output,
            jobs=arguments.jobs,
            options=options,
            device=arguments.device,
            command=command_of(sys.argv[1:]),
            report=show.update,
            **changes,
        )
    except KeyboardInterrupt:
        sys.stderr.write(
            f"flatten-edu: stopped; finished runs are in {output}, and the same command goes on\n"
        )
        return 130
    finally:
        show.end()
    # All that the folder holds: runs of more arms or seeds, asked for earlier, stand beside these.
    rows = rows_of(output / "results.jsonl")
    write_tables(rows, tasks, output)
    questions = {task: load_task(task).question for task in tasks}
    draw(lambda: picture(rows, questions), output / "arms.png")
    sys.stdout.write(f"everything is in {output}\n")
    return 0


def write_tables(rows: list[Row], tasks: list[str], output: Path) -> None:
    """The tables on the screen and as Markdown in the folder."""
    from ..files import write_text

    parts, arms = [], list(dict.fromkeys(row["arm"] for row in rows))
    for task in tasks:
        lines = summarise(rows, task, arms)
        sys.stdout.write(f"\n{task}\n{plain(lines)}\n")
        parts.append(f"## {task}\n\n{markdown(lines)}\n")
    write_text(output / "table.md", "\n".join(parts))


def picture(rows: list[Row], questions: dict[str, str]) -> Figure:
    """A dot for every seed, a panel a task."""
    from ..plots.arms import arms

    return arms(rows, questions)


class Tables:
    """What stands on the screen while runs go on: a live table in a terminal, else a line a run."""

    def __init__(self, tasks: list[str], arms: list[str], output: Path):
        self.tasks, self.arms, self.shown = tasks, arms, -1
        self.live: Any = None
        if sys.stdout.isatty():
            self.live = need("rich.live").Live(refresh_per_second=2)

    def update(self, rows: list[Row], runs: int) -> None:
        """One more run is finished."""
        if self.live is not None:
            self.live.start()
            self.live.update(self.tables(rows, runs), refresh=True)
        elif self.shown < 0:
            if rows:
                sys.stdout.write(f"{len(rows)} runs are there already\n")
        elif rows:
            row = rows[-1]
            sys.stdout.write(
                f"run {len(rows)}/{runs}  {row['task']}  {row['arm']}  seed {row['seed']}  "
                f"test {100 * row['test_accuracy']:.1f} %  {row['seconds']:.0f} s\n"
            )
            sys.stdout.flush()
        self.shown = len(rows)

    def tables(self, rows: list[Row], runs: int) -> Any:
        """The tables as they stand now, one a task."""
        library = need("rich.table")
        tables = []
        for task in self.tasks:
            table = library.Table(title=f"{task}, {len(rows)} of {runs} runs", box=None)
            heads, *lines = filled(summarise(rows, task, self.arms))
            for number, head in enumerate(heads):
                table.add_column(head, justify="right" if number else "left")
            for line in lines:
                table.add_row(*line)
            tables.append(table)
        return need("rich.console").Group(*tables)

    def end(self) -> None:
        """Give the screen back."""
        if self.live is not None:
            self.live.stop()
