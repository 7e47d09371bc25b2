"""Weights in: our own files, the authors' names, timm's names; at any resolution; all or nothing.

    file or dict -> tensors -> our names -> position tables at the model's grid -> check -> model

The names are recognised by trying each table of `NAMES` and keeping the one that fits best.
"""

import math
import re
import warnings
from collections.abc import Mapping
from os import PathLike
from typing import Any, NamedTuple

from einops import rearrange
from torch import Tensor, nn

from .attention.checks import shown
from .attention.focused import resize_positions
from .checkpoint_files import Weights, read, shortened, unwrap
from .checkpoint_names import CLASS_PLACES, DERIVED, NAMES, TABLES


class Loaded(NamedTuple):
    """What `load_checkpoint` did: whose names it found, and what it did not take as it was."""

    names: str
    resized: list[str]
    fresh: list[str]
    missing: list[str]
    unexpected: list[str]


def load_checkpoint(
    model: nn.Module, source: str | PathLike | Mapping[str, Any], strict: bool = True
) -> Loaded:
    """Put weights into a model or a module; recognises whose names they have.

    Known are this package's own files, the authors' names (PVT, PVTv2, Swin, CSwin, focused or
    plain) and timm's (DeiT, PVTv2, Swin). Position tables come to the model's grid (bicubic).
    With another number of classes the head starts fresh, and a warning says so. Either
    everything fits and is written, or an error says what does not and nothing is.

    Args:
        model: a network of `create_model`, or a part of one, such as a `SelfAttention`.
        source: a file (.safetensors, or what `torch.save` writes), or a dict of tensors; either
            may stand under "model", "state_dict" or "model_ema". Files are read as tensors only:
            no code in them runs.
        strict: False takes what fits by name, and lists the rest in the result and a warning.

    Returns:
        `Loaded(names, resized, fresh, missing, unexpected)`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no checkpoint, or if anything is missing, unexpected or of
            another shape; one line lists it all.

    >>> saved = fe.create_model("deit_nano", num_classes=10).state_dict()
    >>> fe.load_checkpoint(fe.create_model("deit_nano", img_size=56), saved).resized[0]
    'pos_embed'
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a network, not {shown(model)}")
    expected = model.state_dict()
    names, weights = translate(unwrap(read(source)), set(expected))
    resized = fit_tables(model, weights, expected)
    fresh = fresh_head(model, weights, expected)
    missing = [key for key in expected if key not in weights and key not in fresh]
    unexpected = [key for key in weights if key not in expected]
    complaints = wrong_shapes(weights, expected)
    gaps = _listed("missing", missing) + _listed("unexpected", unexpected)
    if complaints or (strict and gaps) or len(missing) == len(expected):
        title = f"the weights ({names} names) do not fit {type(model).__name__}: "
        hint = "; make it with class_token=True" if "cls_token" in unexpected else ""
        raise ValueError(title + "; ".join(gaps + complaints) + hint)
    if fresh:
        gaps.insert(0, f"{type(model).__name__} starts with a fresh head ({', '.join(fresh)})")
        getattr(model, "reset_classifier", lambda _: None)(getattr(model, "num_classes", 0))
    if gaps:
        warnings.warn("; ".join(gaps), stacklevel=2)
    model.load_state_dict({k: v for k, v in weights.items() if k in expected}, strict=False)
    return Loaded(names, resized, fresh, missing, unexpected)


def translate(weights: Weights, expected: set[str]) -> tuple[str, Weights]:
    """Whose names these are, and the same weights under ours."""
    weights = {k: v for k, v in weights.items() if k.rpartition(".")[2] not in DERIVED}
    parts = dict(part for key, value in weights.items() for part in split_qkv(key, value))
    candidates = {
        names: {rename(key, rules): value for key, value in parts.items()}
        for names, rules in NAMES.items()
    }
    best = max(candidates, key=lambda names: len(expected & candidates[names].keys()))
    renamed = candidates[best]
    if not expected & renamed.keys():
        raise ValueError(
            f"none of the {len(weights)} weights has a known name (the first is "
            f"{next(iter(weights), '')!r}): they belong to another model"
        )
    for table in CLASS_PLACES:
        if "cls_token" in renamed and "cls_pos" not in renamed and table in renamed:
            # Elsewhere the class token's place is the first row of the table.
            renamed["cls_pos"] = renamed[table][:, :1]
            renamed[table] = renamed[table][:, 1:]
    return best, renamed


def split_qkv(key: str, value: Tensor) -> list[tuple[str, Tensor]]:
    """One matrix for queries, keys and values becomes our two; anything else stays.

    >>> [name for name, _ in split_qkv("attn.qkv.bias", torch.zeros(12))]
    ['attn.q.bias', 'attn.kv.bias']
    """
    owner, found, kind = key.rpartition("qkv.")
    if not found or value.shape[0] % 3:
        return [(key, value)]
    width = value.shape[0] // 3
    return [(f"{owner}q.{kind}", value[:width]), (f"{owner}kv.{kind}", value[width:])]


def rename(key: str, rules: list[tuple[str, str]]) -> str:
    """The key after every rule (pattern, replacement) in turn."""
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def fit_tables(model: nn.Module, weights: Weights, expected: Mapping[str, Tensor]) -> list[str]:
    """Bring position tables in `weights` to the model's grid; returns the names of these.

    A table of another length is taken as a square grid, as published. Tables of another width
    stay as they are, and the check of shapes will name them.
    """
    resized = []
    for key in [key for key in weights if key in expected]:
        owner_name, _, last = key.rpartition(".")
        old, new = weights[key], expected[key]
        if last not in TABLES or old.shape == new.shape or old.shape[-1] != new.shape[-1]:
            continue
        owner = model.get_submodule(owner_name)
        grid: Any = owner.grid
        weights[key] = resize_square(old, grid, getattr(owner, "resizing", "bicubic"), key)
        resized.append(key)
    return resized


def resize_square(
    table: Tensor, grid: tuple[int, int], mode: str = "bicubic", name: str = "table"
) -> Tensor:
    """A table (y x) c or 1 (y x) c of a square grid, brought to another grid.

    >>> resize_square(torch.zeros(169, 3), (23, 23)).shape
    torch.Size([529, 3])
    """
    side = math.isqrt(table.shape[-2])
    if side * side != table.shape[-2]:
        raise ValueError(
            f"{name} has {table.shape[-2]} places, which is no square grid, so it cannot be "
            f"resized to {grid[0]} x {grid[1]}; make the model with the img_size of the weights: "
            "it takes other sizes when it is called"
        )
    if table.ndim == 3:
        return resize_positions(table, (side, side), grid, mode)
    resized = resize_positions(rearrange(table, "n c -> 1 n c"), (side, side), grid, mode)
    return rearrange(resized, "1 n c -> n c")


def fresh_head(model: nn.Module, weights: Weights, expected: Mapping[str, Tensor]) -> list[str]:
    """Take out a head for other classes (or for none); returns the names that start fresh."""
    head = [key for key in ("head.weight", "head.bias") if key in expected]
    same = all(key in weights and weights[key].shape == expected[key].shape for key in head)
    if not hasattr(model, "reset_classifier") or (head and same):
        return []
    for key in ("head.weight", "head.bias"):
        if key in weights and weights[key].shape[1:] == expected.get(key, weights[key]).shape[1:]:
            del weights[key]
    return [key for key in head if key not in weights]


def wrong_shapes(weights: Weights, expected: Mapping[str, Tensor]) -> list[str]:
    """A complaint for the weights that have another shape than the model's, if there are any."""
    wrong = [
        f"{key} is {tuple(weights[key].shape)} but must be {tuple(value.shape)}"
        for key, value in expected.items()
        if key in weights and weights[key].shape != value.shape
    ]
    return _listed("of another shape", wrong)


def _listed(what: str, names: list[str]) -> list[str]:
    return [f"{len(names)} {what}: {shortened(names)}"] if names else []
