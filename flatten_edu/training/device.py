"""Where a run computes: a CPU, a GPU, or several processes side by side, through Accelerate."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ..extras import need

# Parameters below which a model is small; deit_nano has 69 thousand, deit_tiny 6 million.
SMALL = 1_000_000


@dataclass(frozen=True)
class Device:
    """One process's place among all.

    Args:
        device: where its tensors are.
        process, processes: its number, and how many there are.
        accelerator: what keeps them together; None for a process alone.
    """

    device: torch.device
    process: int = 0
    processes: int = 1
    accelerator: Any = None

    @staticmethod
    def of(model: nn.Module) -> Device:
        """Where the model is, alone."""
        return Device(next((p.device for p in model.parameters()), torch.device("cpu")))

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.process == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes."""
        return tensor if self.processes == 1 else self.accelerator.reduce(tensor, "sum")

    def union(self, names: set[str]) -> set[str]:
        """The names that any process has."""
        if self.processes == 1:
            return names
        return set(need("accelerate.utils").gather_object(sorted(names)))

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.processes > 1:
            self.accelerator.wait_for_everyone()


def open_device(name: str = "auto", precision: str = "no") -> Device:
    """The place that Accelerate finds, or the CPU if `name` is "cpu".

    Under torchrun each process gets its own.

    Raises:
        ValueError: see `check_device`.
        ImportError: if Accelerate is missing; the line names the extra.
    """
    check_device(name, precision)
    accelerate = need("accelerate")
    forget_settings(alone="WORLD_SIZE" not in os.environ)
    accelerator = accelerate.Accelerator(mixed_precision=precision, cpu=name == "cpu")
    if accelerator.num_processes > 1:
        leave_group_at_exit()
    return Device(
        accelerator.device, accelerator.process_index, accelerator.num_processes, accelerator
    )


@cache
def leave_group_at_exit() -> None:
    """Take leave of the other processes before Python ends, whatever ends it.

    Else torch warns of what it had to leave behind.
    """
    atexit.register(leave_group)


def leave_group() -> None:
    """End the group of processes that this one belongs to, if there is one."""
    group = torch.distributed
    if group.is_available() and group.is_initialized():
        group.destroy_process_group()


def check_device(name: str, precision: str) -> None:
    """Raise a ValueError in one line if there is no such device, or it cannot be so precise."""
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be 'auto', 'cpu' or 'cuda', but is {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but torch finds no GPU here; say 'cpu' or 'auto'")
    if precision == "fp16" and (name == "cpu" or not torch.accelerator.is_available()):
        raise ValueError("precision 'fp16' needs a GPU; on a CPU say 'bf16' or 'no'")


@contextmanager
def threads_for(model: nn.Module, place: Device) -> Iterator[None]:
    """One thread in the block if a small model computes on a CPU; else all that torch has.

    Its steps are too short to be shared out: on a busy machine two threads were five times slower
    than one. And with one thread the numbers do not depend on how many cores there are.
    """
    before = torch.get_num_threads()
    small = sum(parameter.numel() for parameter in model.parameters()) < SMALL
    if small and place.device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def forget_settings(alone: bool) -> None:
    """Let a second run in this Python have another precision or device than the first.

    Accelerate keeps both for the life of the interpreter, and has no public way to change them.
    """
    state = need("accelerate.state")
    state.AcceleratorState._reset_state(reset_partial_state=alone)
