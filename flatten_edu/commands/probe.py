"""flatten-edu probe: what an attention mechanism can do, beside others, in a table and a picture.

With --all it probes every mechanism that has a name, and keeps the survey in a folder.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..extras import need
from .compare import default_jobs
from .drawing import draw

if TYPE_CHECKING:
    from ..comparison.probe import Profile
    from ..comparison.survey import Survey


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What stands after `flatten-edu probe`."""
    add = parser.add_argument
    add("attention", nargs="?", metavar="ATTENTION", help="module:function, or an arm's name")
    add("--all", action="store_true", help="every mechanism that has a name, without its branch")
    add("--seeds", type=int, default=3, help="with --all: runs of each probe (3)")
    add("--beside", default="softmax,linear,focused", help="others (softmax,linear,focused)")
    add("--output", type=Path, help="the picture (runs/probe-NAME.png); a folder with --all")
    add("--jobs", type=int, default=default_jobs(), help="runs side by side (cores)")
    add("--epochs", type=int, default=1, help="of 300 steps each (1)")
    add("--batch-size", type=int, default=32, help="samples a step (32)")


def run(arguments: argparse.Namespace) -> int:
    """Probe, print the profile, draw it."""
    if arguments.all == (arguments.attention is not None):
        raise ValueError("probe takes either the name of an attention, or --all")
    if arguments.all:
        return run_all(arguments)
    from ..comparison.probe import probe

    need("matplotlib", extra="lab")
    name = re.sub(r"[^\w-]+", "-", arguments.attention)
    path = arguments.output or Path("runs", f"probe-{name}.png")
    if path.exists() and arguments.output:
        raise FileExistsError(f"output {path} is there already: choose another file")
    found = probe(
        arguments.attention,
        [other for other in arguments.beside.split(",") if other],
        jobs=arguments.jobs,
        report=report,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
    )
    from ..plots.profile import profile

    draw(lambda: profile(found), path)
    sys.stdout.write(f"\n{table(found)}\nthe picture is {path}\n")
    return 0


def run_all(arguments: argparse.Namespace) -> int:
    """Probe all of them; a table and a picture beside the results."""
    from ..comparison.survey import run_survey
    from ..files import write_text
    from .bench import command_of

    need("matplotlib", extra="lab")
    folder = arguments.output or Path("runs", "probe_all")
    found = run_survey(
        folder,
        seeds=arguments.seeds,
        jobs=arguments.jobs,
        command=command_of(sys.argv[1:]),
        report=report,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
    )
    from ..plots.abilities import abilities

    draw(lambda: abilities(found), folder / "survey.png")
    write_text(folder / "table.md", page(found))
    sys.stdout.write(f"\n{page(found)}\neverything is in {folder}\n")
    return 0


def report(line: str) -> None:
    """A line on the screen at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def page(found: Survey) -> str:
    """The survey as a Markdown table, a line a mechanism, and how it was made."""
    from ..comparison.survey import LABELS
    from ..timing import in_words

    sizes = [f"{tokens:,}" for tokens in found.times.sizes]
    heads = ["mechanism", *LABELS, "rank of 196", "evenness", *(f"ms, {n}" for n in sizes)]
    heads += [f"MiB, {sizes[-1]}"]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for arm in found.arms:
        cells = [spread(found.values(arm, label)) for label in LABELS]
        rank, even = found.rank[arm], found.entropy[arm]
        cells += ["-" if rank is None else f"{rank:.0f}", "-" if even is None else f"{even:.2f}"]
        cells += [in_words(seconds).removesuffix(" ms") for seconds in found.times.seconds[arm]]
        lines.append(f"| {arm} | " + " | ".join([*cells, f"{found.memory[arm][-1]:.1f}"]) + " |")
    start = found.starts[-1]
    versions = ", ".join(f"{name} {version}" for name, version in start["versions"].items())
    made = f"`{start['command']}`, {start['date'][:10]}, {start['device']}, {versions}."
    seeds = max(len(found.values(found.arms[0], label)) for label in LABELS)
    over = "one seed" if seeds == 1 else f"mean ± standard deviation over {seeds} seeds"
    words = (
        f"Test accuracy in %, {over}; chance is 12.5. Each mechanism "
        "without its branch. Rank and evenness (row entropy over log N) are of untrained maps; "
        f"none where weights are negative. Times: {found.times.what}, {found.times.where}."
    )
    return "\n".join([*lines, "", words, "", *found.notes, "", made, ""])


def spread(values: list[float]) -> str:
    """Mean and standard deviation in per cent.

    >>> spread([0.5, 0.52]), spread([1.0]), spread([])
    ('51.0 ± 1.4', '100.0', '-')
    """
    if not values:
        return "-"
    mean = f"{100 * statistics.mean(values):.1f}"
    return f"{mean} ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else mean


def table(found: Profile) -> str:
    """The profile in columns: a line an ability, a column an arm."""
    from ..plots.profile import rows_of, short
    from ..timing import in_words

    lines = [["", *map(short, found.arms)]]
    for label, values in rows_of(found):
        cells = [f"{values[arm]:.0f} %" if arm in values else "-" for arm in found.arms]
        lines.append([label, *cells])
    for place, tokens in enumerate(found.times.sizes):
        times = [in_words(found.times.seconds[arm][place]) for arm in found.arms]
        lines.append([f"time at {tokens:,} tokens", *times])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = "\n".join(
        line[0].ljust(widths[0])
        + "".join(
            "  " + cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)
        )
        for line in lines
    )
    return "\n".join([text, *found.notes])
