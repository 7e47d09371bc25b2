"""Strange arguments, and the judge of what comes of them: a value, or one clear line."""

import copy
import json
import random
import re
import time
import traceback

import torch
from hypothesis import strategies as st

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32,
          torch.bool, torch.complex64, torch.uint8)  # fmt: skip
FLOATS = DTYPES[:4]

# What nobody should hand over, of every type.
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 70),
    st.sampled_from([-1, 0, 10**9, 2**31 - 1, 10**30, -(2**63)]),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["", "focused", "softmax", "deit_nano", "../..", "a\nb", "\0", "none"]),
    st.binary(max_size=4),
    st.lists(st.integers(-3, 9), max_size=4),
    st.tuples(st.integers(-3, 9), st.integers(-3, 9)),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from([object(), int, print, len, ..., complex(1, 2), range(3), {1, 2}, b""]),
    st.builds(lambda: lambda: None),
    st.builds(lambda shape: torch.zeros(shape), st.lists(st.integers(0, 4), max_size=5)),
    st.builds(lambda: torch.zeros(2, 3).numpy()),
)


@st.composite
def tensors(draw, shape):
    """A tensor of this shape or near it: a side more, less or none, any dtype, odd values."""
    shape = list(shape)
    if draw(st.integers(0, 5)) == 0 and shape:
        shape[draw(st.integers(0, len(shape) - 1))] = draw(st.integers(0, 9))
    if draw(st.integers(0, 9)) == 0:
        shape = draw(st.lists(st.integers(0, 5), max_size=5))
    dtype = draw(st.sampled_from(DTYPES if draw(st.integers(0, 5)) == 0 else FLOATS[:2]))
    seed = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    tensor = torch.rand(shape, generator=seed, dtype=torch.float64)
    if draw(st.integers(0, 5)) == 0:
        odd = draw(st.sampled_from([0.0, -1.0, float("nan"), float("inf"), 1e30, 1e-30, -1e8]))
        tensor = tensor * odd
    tensor = (tensor * 9 if not dtype.is_floating_point else tensor).to(dtype)
    if draw(st.integers(0, 9)) == 0 and tensor.ndim > 1:
        tensor = tensor.transpose(0, -1).contiguous().transpose(0, -1)
    if dtype in FLOATS and draw(st.integers(0, 9)) == 0:
        tensor.requires_grad_()
    return tensor


def or_junk(strategy, one_in: int = 6):
    """Mostly what the strategy draws, and junk one time in so many."""
    return st.integers(1, one_in).flatmap(lambda n: JUNK if n == 1 else strategy)


EXPECTED = (ValueError, TypeError, OSError, ImportError, FloatingPointError, MemoryError)


def judge(call, names, seconds: float = 20.0):
    """Call it; the value comes back, and an error has to be one clear line of the package's own.

    Args:
        call: without arguments.
        names: words of which the line must hold one: the arguments' names.
        seconds: longer than this is a hang.

    Raises:
        AssertionError: if the call fails in any other way.
    """
    start = time.monotonic()
    try:
        value = call()
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__}: {error} (from {where.filename}:{where.lineno})"
        assert isinstance(error, EXPECTED), f"not a clear error: {told}"
        assert "flatten_edu" in where.filename, f"from inside a library: {told}"
        assert str(error).strip() and "\n" not in str(error), f"not one line: {told}"
        words = re.findall(r"\w+", str(error))
        assert set(words) & set(names), f"names none of {names}: {told}"
        return None
    finally:
        assert time.monotonic() - start < seconds, "it takes too long"
    return value


def damaged(content: bytes, source: random.Random) -> bytes:
    """The file cut off, with bytes changed, taken out or put in."""
    kind = source.randrange(5)
    place = source.randrange(len(content))
    if kind == 0:
        return content[:place]
    if kind == 1:
        return content[:place] + source.randbytes(source.randrange(1, 64)) + content[place:]
    if kind == 2:
        return content[:place] + content[place + source.randrange(1, 64) :]
    if kind == 3:
        return source.randbytes(source.randrange(1, 2000))
    changed = bytearray(content)
    near = len(content) if source.randrange(2) else min(len(content), 400)
    for _ in range(source.randrange(1, 9)):
        changed[source.randrange(near)] = source.randrange(256)
    return bytes(changed)


# What stands in the place of an entry: every kind of JSON, and text that few expect.
ENTRIES = (None, True, 0, -1, 3, 1e308, 10**9, 10**30, float("nan"), "", "x", "..", "a\nb",
           "\ud800", "\0", [], {}, [[]], [None], ["x"], {"x": None}, {"": {}})  # fmt: skip


def twisted(value, source: random.Random):
    """The same JSON with one entry taken out, doubled, or with something else in its place."""
    if source.random() < 0.02 or not isinstance(value, (dict, list)) or not value:
        return source.choice(ENTRIES)
    value = copy.copy(value)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = source.choice(keys)
    kind = source.randrange(8)
    if kind == 0:
        del value[key]
    elif kind == 1 and isinstance(value, list):
        value.append(value[key])
    elif kind == 2:
        value[key] = source.choice(ENTRIES)
    else:
        value[key] = twisted(value[key], source)
    return value


def damaged_json(value, source: random.Random) -> bytes:
    """A file of JSON with a twisted entry, or with damaged bytes."""
    if source.randrange(3) == 0:
        return damaged(json.dumps(value).encode(), source)
    for _ in range(source.randrange(1, 4)):
        value = twisted(value, source)
    return json.dumps(value).encode()
