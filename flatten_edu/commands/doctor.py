"""flatten-edu doctor: what the course needs of this machine, and what to do where it is missing."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What stands after `flatten-edu doctor`: nothing."""


def run(arguments: argparse.Namespace) -> int:
    """Tell each finding as it comes; 0 if everything in the course will run here, else 1."""
    from ..doctor import Finding, examine

    # Older kernels' debugger writes a warning of its own otherwise.
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")

    def tell(finding: Finding) -> None:
        sys.stdout.write(f"{finding}\n")
        sys.stdout.flush()

    with silence():
        report = examine(tell)
    sys.stdout.write(f"\n{report.summary}\n")
    return 0 if report.ok else 1


@contextmanager
def silence() -> Iterator[None]:
    """What libraries grumble about, a finding says with what to do."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
