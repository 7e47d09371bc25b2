"""Deterministic numbers for comparing two implementations of the same network.

Only numpy is needed.  Every value follows from a text name and an element
index through 64-bit integer arithmetic, so it is the same on every platform.

    noise(name, shape)      mean 0, variance 1, uniform on (-sqrt 3, sqrt 3)
    fill(key, shape)        value of the parameter with that state-dict key
    image(size)             test input, (batch, channels, size, size)
    state_dict_from(spec)   {key: array} from [[key, shape, kind], ...]

Index: C order (last axis fastest).  An image made with a smaller batch is the
start of the one made with a larger batch.
"""

import json
import math

import numpy as np

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_SQRT3 = 1.7320508075688772
_CHUNK = 1 << 22


def hash_name(name):
    """64-bit FNV-1a of the UTF-8 bytes of `name`."""
    h = 0xCBF29CE484222325
    for byte in name.encode("utf-8"):
        h = ((h ^ byte) * 0x100000001B3) & _MASK
    return h


def noise(name, shape):
    """float64 array: splitmix64(hash + (index + 1) * golden), top 53 bits."""
    count = int(math.prod(shape))
    out = np.empty(count, dtype=np.float64)
    seed = np.uint64(hash_name(name))
    with np.errstate(over="ignore"):
        for start in range(0, count, _CHUNK):
            stop = min(start + _CHUNK, count)
            z = np.arange(start + 1, stop + 1, dtype=np.uint64)
            z *= np.uint64(_GOLDEN)
            z += seed
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
            u = (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
            out[start:stop] = (2.0 * u - 1.0) * _SQRT3
    return out.reshape(tuple(shape))


def fill(key, shape):
    """Value of one parameter; the first rule that fits decides.

    last part of the key                          value
    relative_position_bias_table                  0.5 * noise
    positional_encoding                           0.2 * noise
    scale                                         0.3 * noise
    cls_token, dist_token, *pos_embed*            0.2 * noise
    bias                                          0.1 * noise
    weight, one axis (normalisation)              1 + 0.1 * noise
    weight, two or more axes (linear, conv)       gain * noise / sqrt(fan_in),
        fan_in = product of all axes but the first,
        gain = 1.5 if the part before `weight` is q, kv or qkv, else 1
    """
    parts = key.split(".")
    last, owner = parts[-1], (parts[-2] if len(parts) > 1 else "")
    value = noise(key, shape)
    if last == "relative_position_bias_table":
        return 0.5 * value
    if last == "positional_encoding":
        return 0.2 * value
    if last == "scale":
        return 0.3 * value
    if last in ("cls_token", "dist_token") or "pos_embed" in last:
        return 0.2 * value
    if last == "bias":
        return 0.1 * value
    if last == "weight" and len(shape) == 1:
        return 1.0 + 0.1 * value
    if last == "weight":
        gain = 1.5 if owner in ("q", "kv", "qkv") else 1.0
        return value * (gain / math.sqrt(math.prod(shape[1:])))
    raise KeyError("no fill rule for " + key)


def image(size, batch=2, channels=3):
    """Test input; `size` is an integer or a (height, width) pair."""
    height, width = (size, size) if isinstance(size, int) else size
    return noise("image", (batch, channels, height, width))


def state_dict_from(spec):
    """{key: float64 array} for the parameters of `spec` (buffers are skipped).

    `spec` is a list of [key, shape, kind] or the path of a json file of one.
    """
    if isinstance(spec, str):
        with open(spec) as handle:
            spec = json.load(handle)
    return {key: fill(key, tuple(shape)) for key, shape, kind in spec if kind == "parameter"}


def sample_index(count, wanted=64):
    """Positions of the recorded samples in a flattened stage output."""
    return np.array([j * (count - 1) // (wanted - 1) for j in range(wanted)], dtype=np.int64)
