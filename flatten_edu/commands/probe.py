"""flatten-edu probe: what an attention mechanism can do, beside the built-in ones, in a picture."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..extras import need
from .compare import default_jobs

if TYPE_CHECKING:
    from ..comparison.probe import Profile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What stands after `flatten-edu probe`."""
    add = parser.add_argument
    add("attention", metavar="ATTENTION", help="module:function, or the name of an arm")
    add("--beside", default="softmax,linear,focused", help="others (softmax,linear,focused)")
    add("--output", type=Path, help="file of the picture (runs/probe-NAME.png)")
    add("--jobs", type=int, default=default_jobs(), help="runs side by side (cores)")
    add("--epochs", type=int, default=1, help="of 300 steps each (1)")
    add("--batch-size", type=int, default=32, help="samples a step (32)")


def run(arguments: argparse.Namespace) -> int:
    """Probe, print the profile, draw it."""
    from ..comparison.probe import probe
    from ..files import written_whole

    need("matplotlib", extra="lab")
    name = re.sub(r"[^\w-]+", "-", arguments.attention)
    path = arguments.output or Path("runs", f"probe-{name}.png")
    if path.exists() and arguments.output:
        raise FileExistsError(f"output {path} is there already: choose another file")
    found = probe(
        arguments.attention,
        [other for other in arguments.beside.split(",") if other],
        jobs=arguments.jobs,
        report=lambda line: sys.stdout.write(line + "\n"),
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
    )
    from ..plots.profile import profile

    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as part:
        profile(found).savefig(part, format="png")
    sys.stdout.write(f"\n{table(found)}\nthe picture is {path}\n")
    return 0


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
