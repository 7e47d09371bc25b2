"""The loop: epochs of steps, metrics and weights after each, and a place to go on from.

Python's and the library's random numbers are the run's own inside, and untouched outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..data import Data
from .batches import Batches
from .device import Device
from .evaluation import Scores, evaluate
from .folder import RunFolder
from .learner import Learner, check_finite
from .order import own_randomness
from .position import Position
from .progress import Quiet
from .recipe import Recipe

# How often the loss is looked at: on a GPU a look waits for all work before it.
LOOK = 20


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
        self.data, self.recipe, self.device = data, recipe, device
        self.folder, self.progress, self.stop = folder, progress, stop
        self.steps = len(data.train) // recipe.batch_size
        self.learner = Learner(model, recipe, recipe.epochs * self.steps, device)
        self.batches = Batches(data, recipe, seed, device, workers)
        self.position, self.stopping = Position(), False

    def run(self) -> bool:
        """Train; True if the run came to its end, False if it was stopped."""
        try:
            return self.go()
        finally:
            self.folder.end()

    def go(self) -> bool:
        """`run`, with the folder held."""
        # Nothing is written before it is sure that the run can go on from what is there.
        self.go_on_from(self.folder.load_state())
        # All have looked at the folder before the first process writes to it.
        self.device.wait()
        self.folder.begin(self.position.rows)
        self.device.wait()
        done = self.position.epoch * self.steps + self.position.step
        self.progress.begin(self.recipe.epochs, self.steps, self.recipe.batch_size, done)
        try:
            with own_randomness(self.device.device):
                return self.learn()
        finally:
            self.progress.end()

    def learn(self) -> bool:
        """The epochs that are left; False if the run was stopped before their end."""
        while self.position.epoch < self.recipe.epochs:
            if self.stopping:
                return False
            if self.learn_epoch():
                self.finish_epoch()
            else:
                self.folder.save_state(self.state())
        return True

    def learn_epoch(self) -> bool:
        """The steps of the epoch that are left; False if the run was stopped between two."""
        place = self.position
        total = torch.tensor(place.loss, dtype=torch.float64, device=self.device.device)
        self.learner.model.train()
        for images, labels in self.batches.of(place.epoch, place.step):
            torch.manual_seed(self.batches.seed_of("step", place.epoch, place.step))
            loss = self.learner.step(images, labels, place.epoch * self.steps + place.step)
            total += loss
            look = place.step % LOOK == 0
            if look:
                check_finite(loss, place.epoch + 1, place.step)
            self.progress.step(place.epoch + 1, float(loss) if look else None)
            place.step += 1
            if self.wants_stop():
                break
        place.loss = float(self.device.sum(total)) / self.device.processes
        check_finite(total, place.epoch + 1, place.step - 1)
        return place.step == self.steps

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
            "seconds": round(self.position.elapsed(), 3),
        }

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on from here."""
        parts = self.data.train, self.data.validation, self.data.test
        found = self.position.skipped.union(*(part.skipped for part in parts))
        self.position.skipped = self.device.union(found)
        return self.learner.state() | self.position.state()

    def go_on_from(self, state: dict[str, Any] | None) -> None:
        """Take up a state that was written down; None is a fresh start."""
        if state is None:
            return
        try:
            self.learner.load(state)
            self.position = Position.of(state, self.recipe.epochs, self.steps)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise self.folder.damaged() from error

    def wants_stop(self) -> bool:
        """Whether any process was asked to stop: all stop after the same step."""
        flag = torch.tensor(int(self.stop()), device=self.device.device)
        self.stopping = bool(self.device.sum(flag))
        return self.stopping
