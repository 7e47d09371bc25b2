"""SIGTERM and Ctrl-C become a question that the loop asks after each step."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Signals:
    """What came so far."""

    def __init__(self):
        self.number = 0

    def came(self) -> bool:
        """Whether a signal asked the run to stop."""
        return self.number != 0

    @property
    def exit_code(self) -> int:
        """What shells give for a process that this signal ended."""
        return 128 + self.number


@contextmanager
def stop_on_signals() -> Iterator[Signals]:
    """In the block, the first SIGTERM or Ctrl-C is noted; a second Ctrl-C interrupts at once."""
    signals = Signals()

    def note(number: int, frame) -> None:
        if signals.came() and number == signal.SIGINT:
            raise KeyboardInterrupt
        signals.number = number

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
