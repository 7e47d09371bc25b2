"""Comparing a student's result with the right one, and showing a small example in figures."""

import math
from typing import Any

import torch
from torch import Tensor

from .wire import Other

# Wide enough for float32 and for other small numbers than 1e-6, too narrow for float16 and for
# every mistake.
TOLERANCE = 2e-4


def as_tensor(value: Any) -> Tensor | None:
    """Numbers in any wrapping (tensor, number, lists of them) as a float64 tensor, else None.

    >>> as_tensor([1, [2.0]]) is None, as_tensor([1, torch.tensor(2.0)])
    (True, tensor([1., 2.], dtype=torch.float64))
    """
    if isinstance(value, Tensor):
        return value.detach().double()
    if isinstance(value, (bool, int, float)):
        return torch.tensor(float(value), dtype=torch.float64)
    if isinstance(value, (list, tuple)):
        parts = [as_tensor(item) for item in value]
        if all(part is not None and part.shape == parts[0].shape for part in parts):  # pyright: ignore
            return torch.stack(parts) if parts else torch.zeros(0).double()  # pyright: ignore
    return None


def agrees(
    value: Any,
    want: Any,
    flat: bool = False,
    tolerance: float = TOLERANCE,
    by_row: bool = False,
) -> bool:
    """Whether a result has the right numbers in the right shape.

    >>> agrees(torch.tensor([1.0, 2.0]), [1, 2.0001]), agrees(3, 4), agrees("a ", "A")
    (True, False, True)
    """
    if isinstance(want, str):
        return isinstance(value, str) and value.strip().lower() == want.lower()
    got, right = as_tensor(value), as_tensor(want)
    if got is None or right is None or got.numel() != right.numel():
        return False
    if got.shape != right.shape and not (flat or right.numel() == 1):
        return False
    got = got.reshape(right.shape)
    if by_row and right.ndim > 1:
        rows = zip(got.flatten(0, -2), right.flatten(0, -2), strict=True)
        return all(near(*row, tolerance) for row in rows)
    return near(got, right, tolerance)


def near(got: Tensor, right: Tensor, tolerance: float) -> bool:
    """Whether they differ by no more than a share of the largest right number."""
    finite = right[right.isfinite()].abs()
    scale = (float(finite.max()) if finite.numel() else 0.0) or 1.0
    return bool(torch.allclose(got, right, rtol=0, atol=tolerance * scale, equal_nan=True))


def finite(value: Any) -> bool:
    """Whether all numbers are finite."""
    got = as_tensor(value)
    return got is not None and bool(got.isfinite().all())


def shown(value: Any) -> str:
    """A value in figures, short enough for a message.

    >>> shown(torch.tensor([[[[0.5, 0.25]]]]))
    '(1, 1, 1, 2) [0.5, 0.25]'
    """
    if isinstance(value, Other):
        return value.name + ("" if value.shape is None else f" of shape {value.shape}")
    if isinstance(value, Tensor):
        if value.numel() > 40:
            return f"a tensor of shape {tuple(value.shape)}"
        axes = f"{tuple(value.shape)} " if value.ndim > 2 else ""
        while value.ndim > 1 and value.shape[0] == 1:
            value = value[0]
        return axes + shown(value.tolist())
    if isinstance(value, float):
        return figure(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{shown(k)}: {shown(v)}" for k, v in value.items()) + "}"
    else:
        text = repr(value)
    return text if len(text) < 400 else text[:400] + " ..."


def figure(number: float) -> str:
    """A number with four significant figures.

    >>> figure(0.333333), figure(2.0), figure(1e-9)
    ('0.3333', '2.0', '1e-09')
    """
    if not math.isfinite(number) or (number == int(number) and abs(number) < 1e6):
        return str(number)
    return f"{number:.4g}"


def shape_of(value: Any) -> str:
    """The shape of a result in words."""
    if isinstance(value, Other):
        return value.name + ("" if value.shape is None else f" of shape {value.shape}")
    tensor = as_tensor(value)
    if tensor is None:
        kinds = {str: "the words " + repr(value), list: "a list of unlike parts", dict: "a dict"}
        return kinds.get(type(value), type(value).__name__)
    return "one number" if tensor.ndim == 0 else f"shape {tuple(tensor.shape)}"
