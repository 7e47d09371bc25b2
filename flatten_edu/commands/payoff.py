"""flatten-edu payoff: time, memory and accuracy of arms on images that grow, each in one minute."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..extras import need
from .bench import command_of
from .drawing import draw


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What stands after `flatten-edu payoff`."""
    from ..comparison.payoff import ARMS, SECONDS, SIZES

    sizes, arms = ",".join(map(str, SIZES)), ",".join(ARMS)
    add = parser.add_argument
    add("--sizes", default=sizes, help=f"sides in pixels, with commas between them ({sizes})")
    add("--arms", default=arms, help=f"names with commas between them ({arms})")
    add("--seeds", type=int, default=1, help="how many (1)")
    add("--seconds", type=float, default=SECONDS, help=f"of training for each run ({SECONDS:g})")
    add("--output", type=Path, default=Path("runs", "payoff"), help="folder (runs/payoff)")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (cpu)")


def run(arguments: argparse.Namespace) -> int:
    """Measure and train, with a line a run; a table and a picture in the folder at the end."""
    from ..comparison.payoff import payoff, table
    from ..files import write_text

    need("matplotlib", extra="lab")
    output = arguments.output
    try:
        rows = payoff(
            [whole(size) for size in arguments.sizes.split(",")],
            arguments.arms.split(","),
            arguments.seeds,
            seconds=arguments.seconds,
            output=output,
            device=arguments.device,
            command=command_of(sys.argv[1:]),
            report=told,
        )
    except KeyboardInterrupt:
        sys.stderr.write(
            f"flatten-edu: stopped; finished runs are in {output}, and the same command goes on\n"
        )
        return 130
    from ..plots.payoff import payoff as picture

    text = table(rows)
    write_text(output / "table.md", text + "\n")
    draw(lambda: picture(rows, arguments.seconds), output / "payoff.png")
    sys.stdout.write(f"\n{text}\neverything is in {output}\n")
    return 0


# An image of more pixels a side was a mistake, and would fill any memory.
LARGEST = 2**14


def whole(text: str) -> int:
    """A whole number, or one line that says it is none."""
    if not text.strip().isdecimal() or int(text) > LARGEST:
        raise ValueError(
            f"--sizes must be whole numbers, such as 64,128, but has {text!r}; "
            f"the largest is {LARGEST:,}"
        )
    return int(text)


def told(rows: list[dict], runs: int) -> None:
    """A line for the run that is finished."""
    if rows:
        row = rows[-1]
        sys.stdout.write(
            f"{len(rows)}/{runs}  {row['size']} px  {row['arm']}  "
            f"{row['step_seconds']:.3f} s and {row['memory']:.0f} MiB a step  "
            f"{row['steps']} steps  test {100 * row['test_accuracy']:.1f} %\n"
        )
        sys.stdout.flush()
