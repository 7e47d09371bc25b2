"""What is measured, and how."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..attention import make_mechanism

DTYPES = ("float32", "float64", "bfloat16", "float16")
CLOCKS = ("wall", "cpu")
ALLOCATORS = ("keep", "system")


@dataclass(frozen=True)
class Settings:
    """The sizes, the forms and the patience of a measurement.

    Args:
        width, heads, batch: channels of a token, heads, images at once.
        tokens: numbers of tokens of the layer in the forward pass, squares.
        training: numbers of tokens in forward and backward together.
        compiled: numbers of tokens at which the compiled form is measured.
        attention: other mechanisms by name, measured as layers beside the paper's, forward and in
            training.
        models: names of networks, measured with softmax and with focused attention.
        images: sides of the images that networks see.
        compile_models: those of the networks that are measured with compiled blocks as well.
        rounds, seconds: each form is measured so often, and as long as this lasts.
        device, dtype, threads: where and how to compute; threads are those of a CPU.
        clock: "wall", or "cpu": the time that the thread really ran, for a machine with other work.
        allocator: "keep" lets this process keep memory that was freed, as a program with layers
            larger than these does by itself; "system" leaves it to the system's habit, by which
            what a call costs depends on the largest piece that was freed before it. Only glibc
            can be told; elsewhere both are the same.

    Raises:
        ValueError: for a number of tokens that is no square, an unknown mechanism, a network to
            compile that is none of the networks, a device that is not there, or a clock that
            cannot be used.
    """

    width: int = 128
    heads: int = 2
    batch: int = 2
    tokens: tuple[int, ...] = (49, 100, 196, 324, 484, 784, 1600, 3136, 12544)
    training: tuple[int, ...] = (196, 784, 3136)
    compiled: tuple[int, ...] = (784, 3136)
    attention: tuple[str, ...] = ()
    models: tuple[str, ...] = ("deit_tiny", "pvt_tiny", "pvt_v2_b1", "swin_tiny", "cswin_tiny")
    images: tuple[int, ...] = (224, 448)
    compile_models: tuple[str, ...] = ()
    rounds: int = 7
    seconds: float = 1.0
    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    clock: str = "wall"
    allocator: str = "keep"

    def __post_init__(self):
        for number in (*self.tokens, *self.training, *self.compiled):
            side(number)
        for name in self.attention:
            make_mechanism(name, self.width, 14, heads=self.heads)
        for name in self.compile_models:
            if name not in self.models:
                raise ValueError(
                    f"compile_models must be among models ({', '.join(self.models) or 'none'}), "
                    f"but one is {name!r}"
                )
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"device {self.device!r} cannot be used here: {reason}") from error
        if self.clock == "cpu" and (self.device != "cpu" or self.threads != 1):
            raise ValueError(
                "clock='cpu' counts the time of one thread, so it needs device='cpu' and "
                f"threads=1, but they are {self.device!r} and {self.threads}"
            )

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype itself."""
        return getattr(torch, self.dtype)

    @property
    def timer(self) -> Callable[[], float]:
        """What tells the time."""
        return time.thread_time if self.clock == "cpu" else time.perf_counter

    def groups(self) -> int:
        """How many groups of forms are measured, one after the other."""
        layers = len(self.tokens) + len(self.training) + len(self.compiled)
        return layers + len(self.models) * len(self.images)


def side(tokens: int) -> int:
    """The side of the square grid of so many tokens.

    >>> side(196)
    14
    """
    root = math.isqrt(max(tokens, 0))
    if tokens < 1 or root * root != tokens:
        raise ValueError(
            f"tokens must be squares, such as {max(root, 1) ** 2}, but one is {tokens}"
        )
    return root
