"""flatten-edu models: every network with its parameters and multiply-adds, beside the paper's."""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What stands after `flatten-edu models`."""
    parser.add_argument("family", nargs="?", default="", help="one family alone, such as swin")


def run(arguments: argparse.Namespace) -> int:
    """Count on shapes alone, and print a table in Markdown."""
    from ..backbones import list_models
    from ..complexity import PAPER, each_model, markdown_lines, measure

    known = list_models(arguments.family)
    if not known:
        raise ValueError(
            f"no model begins with {arguments.family!r}; known are {', '.join(list_models())}"
        )
    of_family = (measure(*key) for key in PAPER if key[0] in known)
    rows = of_family if arguments.family else each_model()
    for line in markdown_lines(rows):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0
