"""What a run says while it goes: a bar with rates and remaining time, or a line an epoch."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from ..extras import need


class Quiet:
    """Says nothing. The others say something at the same moments."""

    def begin(self, epochs: int, steps: int, batch_size: int, done: int) -> None:
        """The run starts: epochs in all, steps an epoch, images a step, steps done before."""

    def step(self, epoch: int, loss: float | None) -> None:
        """One more step was made; the loss where it is known."""

    def epoch(self, row: dict[str, float]) -> None:
        """An epoch is finished, with these metrics."""

    def note(self, line: str) -> None:
        """Something that is worth a line, before the run starts."""

    def end(self) -> None:
        """The run is over or was stopped."""


def line_of(row: dict[str, float], epochs: int) -> str:
    """The metrics of an epoch in one line.

    >>> line_of({"epoch": 1, "train_loss": 1.25, "validation_accuracy": 0.9,
    ...          "test_accuracy": 0.875, "seconds": 3.0}, epochs=12)
    'epoch  1/12  train loss 1.250  validation 90.0 %  test 87.5 %  3 s'
    """
    width = len(str(epochs))
    return (
        f"epoch {row['epoch']:>{width}}/{epochs}  train loss {row['train_loss']:.3f}  "
        f"validation {100 * row['validation_accuracy']:.1f} %  "
        f"test {100 * row['test_accuracy']:.1f} %  {row['seconds']:.0f} s"
    )


def duration(seconds: float) -> str:
    """A time in the two largest units that it has.

    >>> duration(7), duration(125), duration(90_000)
    ('7 s', '2 min 5 s', '1 d 1 h')
    """
    left, parts = round(seconds), []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


class Lines(Quiet):
    """A plain line an epoch, with rate and remaining time, for logs and pipes."""

    def __init__(self, stream: TextIO):
        self.stream, self.epochs, self.images, self.first = stream, 0, 0, 0
        self.started = time.monotonic()

    def begin(self, epochs: int, steps: int, batch_size: int, done: int) -> None:
        """Remember how many epochs and images there are, and when it began."""
        self.epochs, self.images, self.first = epochs, steps * batch_size, done * batch_size
        self.started = time.monotonic()

    def epoch(self, row: dict[str, float]) -> None:
        """The line."""
        seen = row["epoch"] * self.images - self.first
        rate = seen / max(time.monotonic() - self.started, 1e-9)
        left = (self.epochs - row["epoch"]) * self.images / rate
        words = f"  {rate:.0f} images/s" + (f"  {duration(left)} left" if left else "")
        self.note(line_of(row, self.epochs) + words)

    def note(self, line: str) -> None:
        """A line of its own."""
        self.stream.write(line + "\n")
        self.stream.flush()


class Bar(Lines):
    """A bar over all steps, under a line an epoch, for a terminal."""

    def __init__(self, stream: TextIO):
        super().__init__(stream)
        rich, console = need("rich.progress"), need("rich.console").Console(file=stream)
        self.bar: Any = rich.Progress(
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.TaskProgressColumn(),
            rich.TextColumn("{task.fields[rate]}"),
            rich.TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.task: Any = None
        self.batch_size = 0

    def begin(self, epochs: int, steps: int, batch_size: int, done: int) -> None:
        """Draw the bar."""
        super().begin(epochs, steps, batch_size, done)
        self.batch_size = batch_size
        self.task = self.bar.add_task("", total=epochs * steps, completed=done, rate="")
        self.bar.start()

    def step(self, epoch: int, loss: float | None) -> None:
        """Move the bar."""
        speed = self.bar.tasks[0].speed
        rate = f"{speed * self.batch_size:.0f} images/s" if speed else ""
        words = {} if loss is None else {"description": f"epoch {epoch} loss {loss:.3f}"}
        self.bar.update(self.task, advance=1, rate=rate, **words)

    def epoch(self, row: dict[str, float]) -> None:
        """The line, above the bar."""
        self.bar.console.print(line_of(row, self.epochs), highlight=False, markup=False)

    def note(self, line: str) -> None:
        """A line, above the bar."""
        self.bar.console.print(line, highlight=False, markup=False)

    def end(self) -> None:
        """Take the bar away."""
        self.bar.stop()


def make_progress(stream: Any = None) -> Quiet:
    """A bar if the stream is a terminal, else lines; standard output if no stream is given."""
    if stream is None:
        stream = sys.stdout
    return Bar(stream) if stream.isatty() else Lines(stream)
