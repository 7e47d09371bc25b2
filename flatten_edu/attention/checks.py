"""What every mechanism expects of its input, and the one line that says what was wrong instead."""

import math
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")


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


def check_power(p: float) -> None:
    """Raise a ValueError in one line unless p is a finite number of at least 1."""
    if isinstance(p, bool) or not isinstance(p, (int, float)):
        raise TypeError(f"p must be a number of at least 1, not {p!r}; the paper uses p=3")
    if not (math.isfinite(p) and p >= 1):
        raise ValueError(f"p must be finite and at least 1, but is {p}; the paper uses p=3")


def check_grid(grid: int | tuple[int, int] | None, why: str = "grid") -> tuple[int, int]:
    """The grid as (rows, columns); an int means a square. Raise in one line otherwise."""
    if isinstance(grid, int) and not isinstance(grid, bool):
        grid = (grid, grid)
    sides = tuple(grid) if isinstance(grid, (tuple, list)) else ()
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ValueError(
            f"{why} must be (rows, columns) with whole numbers above 0, such as (14, 14), "
            f"but is {grid!r}"
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
        raise ValueError(f"{name} must be odd and at least 1, but is {size!r}{nearest}")


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
        device = next(value.device.type for value in args if isinstance(value, Tensor))
        wide_args = [widen(value) for value in args]
        wide_kwargs = {name: widen(value) for name, value in kwargs.items()}
        if is_autocast(device):
            with torch.autocast(device, enabled=False):
                return function(*wide_args, **wide_kwargs)  # pyright: ignore[reportCallIssue]
        return function(*wide_args, **wide_kwargs)  # pyright: ignore[reportCallIssue]

    return wide
