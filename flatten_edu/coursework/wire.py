"""Values as plain JSON and back: how inputs reach a student's process, and results come home.

Nothing is pickled, so what comes from a stranger's process is numbers and words and cannot act.
"""

import sys
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# A tensor with more numbers than this is described by its shape alone.
LARGEST = 200_000
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (torch.float32, torch.float64, torch.int64, torch.bool)
}


@dataclass(frozen=True)
class Other:
    """What cannot be compared: a word for it, and the shape of a tensor that is too large."""

    name: str
    shape: tuple[int, ...] | None = None


def encode(value: Any, depth: int = 0) -> dict:
    """A value as plain JSON.

    >>> encode(torch.tensor([1.0, 2.0]))
    {'kind': 'tensor', 'dtype': 'float32', 'shape': [2], 'values': [1.0, 2.0]}
    >>> decode(encode((3, "x", None)))
    (3, 'x', None)
    """
    if value is None or isinstance(value, (bool, str)):
        return {"kind": "plain", "value": value[:10_000] if isinstance(value, str) else value}
    if isinstance(value, (int, float)):
        small = isinstance(value, float) or abs(value) < 2**63
        return {"kind": "plain", "value": value} if small else _other("a number beyond 2^63")
    if isinstance(value, Tensor):
        return _tensor(value)
    if "numpy" in sys.modules and type(value).__module__ == "numpy":
        return _array(value)
    if isinstance(value, (list, tuple)) and depth < 8 and len(value) <= 10_000:
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {"kind": kind, "items": [encode(item, depth + 1) for item in value]}
    if isinstance(value, dict) and depth < 8 and len(value) <= 10_000:
        pairs = [[encode(key, 8), encode(item, depth + 1)] for key, item in value.items()]
        return {"kind": "dict", "items": pairs}
    return _other(type(value).__name__)


def decode(message: dict) -> Any:
    """The value of `encode`.

    Raises:
        ValueError, KeyError or TypeError: for a message that `encode` did not make.
    """
    kind = message["kind"]
    if kind == "tensor":
        values = torch.tensor(message["values"], dtype=DTYPES[message["dtype"]])
        return values.reshape([int(side) for side in message["shape"]])
    if kind in ("list", "tuple"):
        items = [decode(item) for item in message["items"]]
        return tuple(items) if kind == "tuple" else items
    if kind == "dict":
        return {decode(key): decode(item) for key, item in message["items"]}
    if kind == "other":
        shape = message.get("shape")
        return Other(str(message["name"]), None if shape is None else tuple(map(int, shape)))
    if kind == "plain" and isinstance(message["value"], (type(None), bool, int, float, str)):
        return message["value"]
    raise ValueError(f"no such kind of message: {kind!r}")


def _other(name: str, shape: Any = None) -> dict:
    return {"kind": "other", "name": str(name), "shape": None if shape is None else list(shape)}


def _tensor(tensor: Tensor) -> dict:
    shape = list(tensor.shape)
    if tensor.is_complex():
        return _other("a tensor of complex numbers", shape)
    if tensor.numel() > LARGEST:
        return _other("a large tensor", shape)
    try:
        plain = tensor.detach().to("cpu")
        plain = plain if plain.layout == torch.strided else plain.to_dense()
        exact = plain if plain.dtype in DTYPES.values() else plain.double()
        name = str(exact.dtype).removeprefix("torch.")
        values = exact.reshape(-1).tolist()
    except (RuntimeError, NotImplementedError, TypeError):
        return _other("a tensor without readable numbers", shape)
    return {"kind": "tensor", "dtype": name, "shape": shape, "values": values}


def _array(value: Any) -> dict:
    """A number or an array of numpy, as a tensor."""
    try:
        return _tensor(torch.as_tensor(value.copy()))
    except (TypeError, ValueError, RuntimeError, AttributeError):
        return _other(f"a numpy {type(value).__name__}")
