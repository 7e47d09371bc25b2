"""Everything that is drawn by chance in a run, as a function of the seed, the epoch and the step.

Nothing is carried along from step to step. So a run that was stopped goes on with the numbers that
it would have had, and several processes share one order.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor


def derive(seed: int, *parts: int | str) -> int:
    """A seed for one purpose, from the seed of the run and what the purpose is called.

    >>> derive(0, "order", 3) == derive(0, "order", 3)
    True
    >>> derive(0, "order", 3) == derive(1, "order", 3)
    False
    """
    text = " ".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])


def generator(seed: int, *parts: int | str) -> torch.Generator:
    """A generator for one purpose; see `derive`."""
    return torch.Generator().manual_seed(derive(seed, *parts))


@contextmanager
def own_randomness(device: torch.device | None = None) -> Iterator[None]:
    """Leave the caller's random state as it was: what models draw in the block is the run's own."""
    cuda = device is not None and device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        yield


@dataclass(frozen=True)
class Epoch:
    """The order of one epoch, and how far each image is moved in it.

    Args:
        order: indices of the training samples, whole batches only.
        offsets: rows and columns that each image is moved by, samples 2.
        batch_size: samples a step, over all processes.
    """

    order: Tensor
    offsets: Tensor
    batch_size: int

    @property
    def steps(self) -> int:
        """Batches in the epoch."""
        return len(self.order) // self.batch_size

    def part(self, step: int, process: int = 0, processes: int = 1) -> slice:
        """Where this process's share of the step's batch stands in `order`."""
        share = self.batch_size // processes
        start = step * self.batch_size + process * share
        return slice(start, start + share)


def draw_epoch(samples: int, batch_size: int, shift: int, seed: int, epoch: int) -> Epoch:
    """The order of an epoch; the last images of a shuffle that fill no batch are left out.

    >>> draw_epoch(samples=10, batch_size=4, shift=0, seed=0, epoch=0).order.shape
    torch.Size([8])
    """
    source = generator(seed, "order", epoch)
    order = torch.randperm(samples, generator=source)[: samples // batch_size * batch_size]
    offsets = torch.randint(-shift, shift + 1, (len(order), 2), generator=source)
    return Epoch(order, offsets, batch_size)


def move(images: Tensor, offsets: Tensor) -> Tensor:
    """Images b c y x moved by whole pixels, offsets b 2 (down, right); black comes in.

    >>> move(torch.eye(3).reshape(1, 1, 3, 3), torch.tensor([[1, 0]]))[0, 0]
    tensor([[0., 0., 0.],
            [1., 0., 0.],
            [0., 1., 0.]])
    """
    reach = int(offsets.abs().max()) if offsets.numel() else 0
    if reach == 0:
        return images
    height, width = images.shape[-2:]
    padded = F.pad(images, (reach,) * 4)
    down, right = (rearrange(reach - offset, "b -> b 1") for offset in offsets.unbind(-1))
    rows = rearrange(torch.arange(height) + down, "b y -> b y 1").to(images.device)
    columns = rearrange(torch.arange(width) + right, "b x -> b 1 x").to(images.device)
    batch = rearrange(torch.arange(len(images), device=images.device), "b -> b 1 1")
    return rearrange(padded[batch, :, rows, columns], "b y x c -> b c y x")
