"""What the steps learn from: this process's share of each batch, read, changed, on its device."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from ..data import Data
from ..data.streams import Stream
from .augment import Augment
from .device import Device
from .order import Epoch, derive, draw_epoch, generator, move
from .recipe import Recipe


class Batches:
    """The batches of a run.

    Args:
        data: what they are taken from.
        recipe: how large they are, and how they are changed.
        seed: of order and changes.
        device: where they are needed.
        workers: processes that read images while others compute. A stream is read by the run
            itself: `datasets` gives each of several processes rows and an order of its own.
    """

    def __init__(self, data: Data, recipe: Recipe, seed: int, device: Device, workers: int):
        self.data, self.recipe, self.seed, self.device = data, recipe, seed, device
        self.workers = 0 if isinstance(data.train, Stream) else workers
        self.augment = Augment(recipe, data)

    def of(self, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels of an epoch's steps, from the step `first` on."""
        order, device = self.order(epoch), self.device
        steps = range(first, order.steps)
        parts = [order.part(step, device.process, device.processes) for step in steps]
        batches = self.read(epoch, [order.order[part].tolist() for part in parts])
        for step, part, (images, labels) in zip(steps, parts, batches, strict=True):
            images = images.to(device.device, non_blocking=True)
            labels = labels.to(device.device, non_blocking=True)
            if self.recipe.shift:
                images = move(images, order.offsets[part])
            if self.data.augment is not None:
                source = torch.Generator().manual_seed(self.seed_of("augment", epoch, step))
                images, labels = self.data.augment(images, labels, source)
            yield self.augment(images, labels, self.seed_of("recipe", epoch, step))

    def order(self, epoch: int) -> Epoch:
        """The order of an epoch; a stream draws its own."""
        samples, recipe = len(self.data.train), self.recipe
        drawn = draw_epoch(samples, recipe.batch_size, recipe.shift, self.seed, epoch)
        if isinstance(self.data.train, Stream):
            return dataclasses.replace(drawn, order=drawn.order.sort().values)
        return drawn

    def read(self, epoch: int, batches: list[list[int]]) -> DataLoader:
        """Images and labels as they are read, a pair a batch."""
        samples = self.data.train.drawn(derive(self.seed, "crop", epoch), self.recipe.crop)
        return DataLoader(
            samples,
            batch_sampler=batches,
            collate_fn=as_they_are,  # pyright: ignore[reportArgumentType]
            generator=generator(self.seed, "loader", epoch),
            num_workers=self.workers,
            worker_init_fn=leave_signals,
            pin_memory=self.device.device.type == "cuda",
        )

    def seed_of(self, purpose: str, epoch: int, step: int) -> int:
        """A seed for what is drawn at a step, on this process."""
        return derive(self.seed, purpose, epoch, step, self.device.process)


def leave_signals(worker: int) -> None:
    """A process that reads lives until the run lets it go.

    Terminals and clusters send signals to all processes of a job; the run stops for them between
    two steps, and needs its readers until then.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def as_they_are(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """What the samples gave is a batch already."""
    return batch
