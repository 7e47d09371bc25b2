"""Files of weights read as tensors alone: what `torch.save` and safetensors write, out of wrappers.

No code in a file runs. Whatever cannot be read is said in one line.
"""

import pickle
import re
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Weights = dict[str, Tensor]

# Where a saved run keeps the weights, in the order of preference.
WRAPPERS = ("model", "state_dict", "model_ema", "state_dict_ema")


def read(source: str | PathLike | Mapping[str, Any]) -> Mapping[str, Any]:
    """The dict that a file holds, read without running any code in it; a dict is given back."""
    if isinstance(source, Mapping):
        return source
    if not isinstance(source, (str, PathLike)):
        raise TypeError(
            "source must be a file's path or a dict of tensors (model.state_dict()), "
            f"not {type(source).__name__}"
        )
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {str(path)!r}; it must be a file")
    path.open("rb").close()  # what keeps a file from being read at all is told as it is
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with _options_allowed():
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path.name} is no checkpoint of tensors alone: "
            f"{_reason(error)}. Save it again as model.state_dict()"
        ) from None
    except Exception:  # a damaged pickle ends in errors of every kind
        raise ValueError(_no_checkpoint(path)) from None
    if not isinstance(content, Mapping):
        raise ValueError(f"{path.name} holds a {type(content).__name__}, not a dict of tensors")
    return content


def _options_allowed() -> AbstractContextManager:
    """Lets a file hold the run's options beside the weights, as the authors' files do.

    They are read as a bare namespace or dict; what they say is not looked at. Before torch 2.6
    nothing can be allowed for one file alone, and such a file is refused.
    """
    if torch.__version__ < "2.6":
        return nullcontext()
    # A class of yacs need not be there: its entries go into a plain dict.
    return torch.serialization.safe_globals([Namespace, (OrderedDict, "yacs.config.CfgNode")])


def _read_safetensors(path: Path) -> Mapping[str, Tensor]:
    try:
        import safetensors  # noqa: F401
        from safetensors.torch import load_file
    except ImportError:
        raise ImportError(
            f"{path.name} needs the package safetensors: pip install safetensors"
        ) from None
    try:
        return load_file(path)
    except Exception:
        raise ValueError(_no_checkpoint(path)) from None


def _no_checkpoint(path: Path) -> str:
    return (
        f"{path.name} is no checkpoint: it must be a .safetensors file or one that torch.save wrote"
    )


def _reason(error: Exception) -> str:
    """What the reader of pickles refused, in a few words of its long message."""
    found = re.search(r"(?:GLOBAL|class|function) ([\w.]+)", str(error))
    return f"it wants to make a {found[1]}" if found else "it is damaged, or no such file at all"


def unwrap(content: Mapping[str, Any]) -> Weights:
    """The tensors alone: out of "model", "state_dict" or "model_ema", without wrappers' prefixes.

    >>> list(unwrap({"model": {"module.head.bias": torch.zeros(2)}, "epoch": 3}))
    ['head.bias']
    """
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            return unwrap(content[wrapper])
    weights = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not weights or len(weights) < len(content):
        odd = [str(key) for key in content if str(key) not in weights]
        raise ValueError(
            "a checkpoint must be a dict of tensors, alone or under "
            f"{', '.join(map(repr, WRAPPERS))}, but has "
            + (f"other entries: {shortened(odd)}" if odd else "no entry")
        )
    for prefix in ("module.", "_orig_mod."):
        if all(key.startswith(prefix) for key in weights):
            return unwrap({key.removeprefix(prefix): value for key, value in weights.items()})
    return weights


def shortened(names: list[str], most: int = 12) -> str:
    """The first of many names in one line.

    >>> shortened(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(n if n.isprintable() else repr(n) for n in names[:most]) + rest
