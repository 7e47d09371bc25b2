"""Where a run stands: what its state holds beside the weights."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

# What is measured after each epoch.
METRICS = ("train_loss", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy",
           "learning_rate", "seconds")  # fmt: skip
_NUMBER = (int, float)


@dataclass
class Position:
    """A place in a run.

    Args:
        epoch: epochs that are finished.
        step: steps of the next one that are made.
        loss: sum of their losses.
        seconds: time that the run had taken when this part of it started.
        rows: metrics of the finished epochs.
        skipped: images of a stream that could not be read.
    """

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)
    started: float = field(default_factory=time.monotonic)

    @property
    def best(self) -> dict[str, float]:
        """The row with the highest validation accuracy; of equals the one with the lowest loss."""
        return max(self.rows, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))

    def elapsed(self) -> float:
        """Time that the run has taken, over all its parts, measuring included."""
        return self.seconds + time.monotonic() - self.started

    def state(self) -> dict[str, Any]:
        """All of it by value, for a file."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "loss": self.loss,
            "seconds": self.elapsed(),
            "rows": self.rows,
            "skipped": sorted(self.skipped),
        }

    @staticmethod
    def of(state: dict[str, Any], epochs: int, steps: int) -> Position:
        """The place that was written down.

        Raises:
            KeyError, TypeError, ValueError: if no run of so many epochs and steps can stand there.
        """
        kept = {name: state[name] for name in ("epoch", "step", "loss", "seconds", "rows")}
        place = Position(**kept, skipped=set(state.get("skipped", ())))
        within = 0 <= place.epoch <= epochs and 0 <= place.step < steps
        told = all(isinstance(row[name], _NUMBER) for row in place.rows for name in METRICS)
        listed = isinstance(state.get("skipped", []), list)
        named = listed and all(isinstance(name, str) for name in place.skipped)
        whole = len(place.rows) == place.epoch and isinstance(place.seconds, _NUMBER)
        if not (within and told and named and whole):
            raise ValueError("no place of this run")
        return place
