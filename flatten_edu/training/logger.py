"""Metrics for TensorBoard, beside the lines or the bar of a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .progress import Quiet, make_progress

FOLDER = "tensorboard"


class Tensorboard(Quiet):
    """Writes each epoch's metrics, and now and then the loss, into OUTPUT/tensorboard.

    Args:
        output: the folder of the run.
        shown: what stands on the screen besides; None is a bar or lines.

    Raises:
        ImportError: if tensorboard is missing; the line says how to get it.
    """

    def __init__(self, output: str | Path, shown: Quiet | None = None):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                "logger 'tensorboard' needs the package tensorboard: pip install tensorboard; "
                "metrics.jsonl is written without it"
            ) from error
        self.kind, self.path = SummaryWriter, Path(output) / FOLDER
        self.first = os.environ.get("RANK", "0") == "0"
        self.shown = shown or (make_progress() if self.first else Quiet())
        self.writer: Any = None
        self.number = 0

    def begin(self, epochs: int, steps: int, batch_size: int, done: int) -> None:
        """Open the file; what a stopped run wrote beyond its state is hidden."""
        self.number = done
        if self.first:
            self.writer = self.kind(str(self.path), purge_step=done + 1)
        self.shown.begin(epochs, steps, batch_size, done)

    def step(self, epoch: int, loss: float | None) -> None:
        """The loss, where it is known."""
        self.number += 1
        if loss is not None and self.writer is not None:
            self.writer.add_scalar("loss", loss, self.number)
        self.shown.step(epoch, loss)

    def epoch(self, row: dict[str, float]) -> None:
        """All metrics of the epoch, over its last step."""
        if self.writer is not None:
            for name, value in row.items():
                if name != "epoch":
                    self.writer.add_scalar(f"epoch/{name}", value, self.number)
            self.writer.flush()
        self.shown.epoch(row)

    def note(self, line: str) -> None:
        """On the screen alone."""
        self.shown.note(line)

    def end(self) -> None:
        """Close the file."""
        if self.writer is not None:
            self.writer.close()
        self.shown.end()
