"""What every mechanism expects of its input, and the one line that says what was wrong instead."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")


def shown(value: object, most: int = 60) -> str:
    """A value in one short line, as it stands in messages.

    >>> shown(torch.zeros(2, 3)), shown("a name")
    ('a tensor of shape (2, 3)', "'a name'")
    """
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    line = " ".join(repr(value).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def check_whole(name: str, value: int, least: int = 1, most: int = 2**16) -> None:
    """Raise a ValueError in one line unless the value is a whole number from least to most.

    What is larger was a mistake, and would fill any memory.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}, but is {shown(value)}"
        )
    if value > most:
        raise ValueError(f"{name} must be at most {most:,}, but is {shown(value)}")


def check_flag(name: str, value: bool | None, none: str = "") -> None:
    """Raise a TypeError in one line unless the value is True or False, or None where that means
    something: `none` says what."""
    if not isinstance(value, bool) and not (none and value is None):
        also = f", or None ({none})" if none else ""
        raise TypeError(f"{name} must be True or False{also}, not {shown(value)}")


def check_floats(name: str, tensor: Tensor) -> None:
    """Raise in one line unless this is a tensor ... d of floating-point numbers."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name} must be a tensor ... d, not {type(tensor).__name__}")
    if not tensor.ndim or not tensor.shape[-1] or not tensor.is_floating_point():
        raise ValueError(
            f"{name} must be ... d in floating-point numbers, but is {tensor.dtype} of shape "
            f"{tuple(tensor.shape)}"
        )


def check_dtype(name: str, tensor: Tensor, weight: Tensor) -> None:
    """Raise a TypeError in one line unless a tensor and the weights that it meets have one dtype.

    Under autocast they need not.
    """
    if tensor.dtype != weight.dtype and not is_autocast(tensor.device.type):
        raise TypeError(
            f"{name} must be {weight.dtype} as the weights are, but is {tensor.dtype}; cast it "
            f"first: {name}.to({weight.dtype})"
        )


def check_qkv(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Raise a ValueError in one line unless q is b h n d, k is b h m d and v is b h m e."""
    for name, tensor in (("q", q), ("k", k), ("v", v)):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} must be a tensor b h n d, not {type(tensor).__name__}")
        if tensor.ndim != 4:
            raise ValueError(
                f"{name} must be b h n d (batch, heads, tokens, channels of a head), "
                f"but has shape {tuple(tensor.shape)}; split heads first: "
                "rearrange(x, 'b n (h d) -> b h n d', h=heads)"
            )
        if 0 in tensor.shape[1:]:
            raise ValueError(
                f"{name} must have at least one head, token and channel, but is b h n d = "
                f"{tuple(tensor.shape)}"
            )
        if not tensor.is_floating_point():
            raise ValueError(
                f"{name} must hold floating-point numbers, not {tensor.dtype}; cast it first: "
                f"{name}.float()"
            )
    wrong = [
        f"{axis} differs between {left} and {right}"
        for axis, index, left, right, a, b in (
            ("b", 0, "q", "k", q, k),
            ("h", 1, "q", "k", q, k),
            ("d", 3, "q", "k", q, k),
            ("b", 0, "k", "v", k, v),
            ("h", 1, "k", "v", k, v),
            ("m", 2, "k", "v", k, v),
        )
        if a.shape[index] != b.shape[index]
    ]
    if wrong:
        raise ValueError(
            f"{wrong[0]}: q is b h n d = {tuple(q.shape)}, k is b h m d = {tuple(k.shape)}, "
            f"v is b h m e = {tuple(v.shape)}"
        )
    if not q.dtype == k.dtype == v.dtype and not is_autocast(q.device.type):
        raise ValueError(
            f"q, k and v must have one dtype, but are {q.dtype}, {k.dtype} and {v.dtype}; "
            "cast them first: k.to(q.dtype)"
        )


def check_power(p: float) -> float:
    """p, a whole one as an int; raise in one line unless it is a finite number of at least 1.

    A compiler takes an int for a constant, a float for a number that may change: there it would
    start twice. Numbers beyond what a tensor takes as an int stay floats.
    """
    if isinstance(p, bool) or not isinstance(p, (int, float)):
        raise TypeError(f"p must be a number of at least 1, not {shown(p)}; the paper uses p=3")
    if not 1 <= p <= sys.float_info.max:
        raise ValueError(f"p must be finite and at least 1, but is {shown(p)}; the paper uses p=3")
    return int(p) if p == int(p) and p < 2**53 else float(p)


def check_grid(grid: int | tuple[int, int] | None, why: str = "grid") -> tuple[int, int]:
    """The grid as (rows, columns); an int means a square. Raise in one line otherwise."""
    if isinstance(grid, int) and not isinstance(grid, bool):
        grid = (grid, grid)
    sides = tuple(grid) if isinstance(grid, (tuple, list)) else ()
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
    if len(sides) != 2 or not whole or not all(1 <= side < 2**16 for side in sides):
        raise ValueError(
            f"{why} must be (rows, columns) with whole numbers above 0, such as (14, 14), "
            f"but is {shown(grid)}"
        )
    return sides[0], sides[1]


def check_kernel_size(size: int, name: str = "kernel_size") -> None:
    """Raise a ValueError in one line unless the size is odd, so that a kernel has a centre."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1 or size % 2 == 0:
        nearest = (
            f"; the nearest odd sizes are {size - 1} and {size + 1}"
            if (isinstance(size, int) and size > 1)
            else ""
        )
        raise ValueError(f"{name} must be odd and at least 1, but is {shown(size)}{nearest}")


def is_autocast(device: str) -> bool:
    """Whether autocast is on for a kind of device; "meta", with shapes alone, knows no autocast."""
    return device != "meta" and torch.is_autocast_enabled(device)


def widened(function: Callable[P, T]) -> Callable[P, T]:
    """Compute in float32 at least, also inside autocast.

    Half precision holds neither a sum over the tokens nor the 1e-6 of the feature map: arguments
    in bfloat16 and float16 are taken to float32 first. float32 and float64 pass unchanged.
    """

    def widen(value):
        if isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16):
            return value.float()
        return value

    @wraps(function)
    def wide(*args: P.args, **kwargs: P.kwargs) -> T:
        devices = (value.device.type for value in args if isinstance(value, Tensor))
        device = next(devices, "cpu")  # without a tensor the function itself says what is wrong
        wide_args = [widen(value) for value in args]
        wide_kwargs = {name: widen(value) for name, value in kwargs.items()}
        if is_autocast(device):
            with torch.autocast(device, enabled=False):
                return function(*wide_args, **wide_kwargs)  # pyright: ignore[reportCallIssue]
        return function(*wide_args, **wide_kwargs)  # pyright: ignore[reportCallIssue]

    return wide


def is_recorded(*tensors: Tensor) -> bool:
    """Whether autograd alone records what becomes of these, so that a gradient written out may do.

    A compiler fuses the definition by itself.
    """
    return (
        torch.is_grad_enabled()
        and all(type(tensor) is Tensor for tensor in tensors)
        and any(tensor.requires_grad for tensor in tensors)
        and not torch.compiler.is_compiling()
        and not is_followed()
    )


def is_followed() -> bool:
    """Whether torch.func or forward derivatives look at every operation."""
    return (
        torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0
    )
