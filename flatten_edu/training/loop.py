"""The loop: epochs of steps, metrics and weights after each, and a place to go on from.

Python's and the library's random numbers are the run's own inside, and untouched outside.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..data import Data
from ..data.streams import Stream
from .augment import Augment
from .device import Device
from .evaluation import Scores, evaluate
from .folder import RunFolder
from .learner import Learner, check_finite
from .order import Epoch, derive, draw_epoch, generator, move, own_randomness
from .progress import Quiet
from .recipe import Recipe

# How often the loss is looked at: on a GPU a look waits for all work before it.
LOOK = 20
# What is measured after each epoch.
METRICS = ("train_loss", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy",
           "learning_rate", "seconds")  # fmt: skip


@dataclass
class Position:
    """Where a run stands: what stands in the state beside the weights.

    Args:
        epoch: epochs that are finished.
        step: steps of the next one that are made.
        loss: sum of their losses.
        seconds: time that the run has taken, over all its parts.
        rows: metrics of the finished epochs.
    """

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)

    @property
    def best(self) -> dict[str, float]:
        """The row with the highest validation accuracy; of equals the one with the lowest loss."""
        return max(self.rows, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))


class Loop:
    """A run in motion; `run` goes to the end, or to where `stop` says so.

    Args:
        model: what learns.
        data: what from.
        recipe: how.
        seed: of order, augmentation and everything that the model draws.
        device: where.
        folder: where results go.
        progress: whom to tell.
        stop: asked after each step; True ends the run there, with its state written.
        workers: processes that read images while others compute.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Data,
        recipe: Recipe,
        seed: int,
        device: Device,
        folder: RunFolder,
        progress: Quiet,
        stop: Callable[[], bool],
        workers: int = 0,
    ):
        self.data, self.recipe, self.seed, self.device = data, recipe, seed, device
        self.folder, self.progress, self.stop = folder, progress, stop
        self.workers = workers
        self.steps = len(data.train) // recipe.batch_size
        self.learner = Learner(model, recipe, recipe.epochs * self.steps, device)
        self.augment = Augment(recipe, data)
        self.position, self.stopping = Position(), False
        self.started = time.monotonic()

    def run(self) -> bool:
        """Train; True if the run came to its end, False if it was stopped."""
        try:
            return self.go()
        finally:
            self.folder.end()

    def go(self) -> bool:
        """`run`, with the folder held."""
        # All have looked at the folder before the first process writes to it.
        self.device.wait()
        state = self.folder.begin()
        try:
            self.go_on_from(state)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise self.folder.damaged() from error
        self.device.wait()
        done = self.position.epoch * self.steps + self.position.step
        self.progress.begin(self.recipe.epochs, self.steps, self.recipe.batch_size, done)
        try:
            with own_randomness(self.device.device):
                while self.position.epoch < self.recipe.epochs:
                    if self.stopping:
                        return False
                    if self.learn_epoch():
                        self.finish_epoch()
                    else:
                        self.folder.save_state(self.state())
            return True
        finally:
            self.progress.end()

    def learn_epoch(self) -> bool:
        """The steps of the epoch that are left; False if the run was stopped between two."""
        samples, recipe = len(self.data.train), self.recipe
        epoch = draw_epoch(samples, recipe.batch_size, recipe.shift, self.seed, self.position.epoch)
        if isinstance(self.data.train, Stream):  # which draws its order itself
            epoch = dataclasses.replace(epoch, order=epoch.order.sort().values)
        total = torch.tensor(self.position.loss, dtype=torch.float64, device=self.device.device)
        self.learner.model.train()
        for images, labels in self.batches(epoch):
            torch.manual_seed(self.derive("step", self.device.process))
            number = self.position.epoch * self.steps + self.position.step
            loss = self.learner.step(images, labels, number)
            total += loss
            look = self.position.step % LOOK == 0
            if look:
                check_finite(loss, self.position.epoch + 1, self.position.step)
            self.progress.step(self.position.epoch + 1, float(loss) if look else None)
            self.position.step += 1
            if self.wants_stop():
                break
        self.position.loss = float(self.device.sum(total)) / self.device.processes
        check_finite(total, self.position.epoch + 1, self.position.step - 1)
        return self.position.step == self.steps

    def batches(self, epoch: Epoch) -> Iterator[tuple[Tensor, Tensor]]:
        """What is left of the epoch, this process's share of each batch."""
        parts = [
            epoch.part(step, self.device.process, self.device.processes)
            for step in range(self.position.step, epoch.steps)
        ]
        seed = derive(self.seed, "crop", self.position.epoch)
        loader = DataLoader(
            self.data.train.drawn(seed, self.recipe.crop),
            batch_sampler=[epoch.order[part].tolist() for part in parts],
            collate_fn=as_they_are,  # pyright: ignore[reportArgumentType]
            generator=generator(self.seed, "loader", self.position.epoch),
            num_workers=self.workers,
            pin_memory=self.device.device.type == "cuda",
        )
        for part, (images, labels) in zip(parts, loader, strict=True):
            images = images.to(self.device.device, non_blocking=True)
            labels = labels.to(self.device.device, non_blocking=True)
            if self.recipe.shift:
                images = move(images, epoch.offsets[part])
            if self.data.augment is not None:
                source = torch.Generator().manual_seed(self.derive("augment", self.device.process))
                images, labels = self.data.augment(images, labels, source)
            yield self.augment(images, labels, self.derive("recipe", self.device.process))

    def finish_epoch(self) -> None:
        """Measure, write metrics and weights, then the state that goes with them."""
        position, model = self.position, self.learner.judged
        validation = evaluate(model, self.data.validation, device=self.device)
        same = self.data.test is self.data.validation
        test = validation if same else evaluate(model, self.data.test, device=self.device)
        position.rows.append(self.row(validation, test))
        position.epoch, position.step, position.loss = position.epoch + 1, 0, 0.0
        row = position.rows[-1]
        self.folder.add(row)
        if position.best is row:
            self.folder.save_weights("best", self.learner.weights(), row)
        self.folder.save_weights("last", self.learner.weights(), row)
        self.folder.save_state(self.state())
        self.progress.epoch(row)

    def row(self, validation: Scores, test: Scores) -> dict[str, float]:
        """The metrics of the epoch that ends; accuracies between 0 and 1."""
        return {
            "epoch": self.position.epoch + 1,
            "train_loss": self.position.loss / self.steps,
            "validation_loss": validation.loss,
            "validation_accuracy": validation.accuracy,
            "test_loss": test.loss,
            "test_accuracy": test.accuracy,
            "learning_rate": self.learner.optimizer.param_groups[0]["lr"],
            "seconds": round(self.seconds(), 3),
        }

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on from here; all of it by value."""
        return self.learner.state() | {
            "epoch": self.position.epoch,
            "step": self.position.step,
            "loss": self.position.loss,
            "seconds": self.seconds(),
            "rows": self.position.rows,
        }

    def go_on_from(self, state: dict[str, Any] | None) -> None:
        """Take up a state that was written down; None is a fresh start."""
        if state is not None:
            self.learner.load(state)
            self.position = Position(
                *(state[name] for name in ("epoch", "step", "loss", "seconds", "rows"))
            )
            self.check_position()

    def check_position(self) -> None:
        """Raise a ValueError unless the place is one that this run can stand at."""
        place, kinds = self.position, (int, float)
        within = 0 <= place.epoch <= self.recipe.epochs and 0 <= place.step < self.steps
        told = all(isinstance(row[name], kinds) for row in place.rows for name in METRICS)
        if not (
            within and told and len(place.rows) == place.epoch and isinstance(place.seconds, kinds)
        ):
            raise ValueError("no place of this run")

    def seconds(self) -> float:
        """Time that the run has taken, over all its parts, measuring included."""
        return self.position.seconds + time.monotonic() - self.started

    def derive(self, purpose: str, process: int) -> int:
        """A seed for the step that comes, on this process."""
        return derive(self.seed, purpose, self.position.epoch, self.position.step, process)

    def wants_stop(self) -> bool:
        """Whether any process was asked to stop: all stop after the same step."""
        flag = torch.tensor(int(self.stop()), device=self.device.device)
        self.stopping = bool(self.device.sum(flag))
        return self.stopping


def as_they_are(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """What the samples gave is a batch already."""
    return batch
