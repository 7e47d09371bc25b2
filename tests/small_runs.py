"""Runs that take a tenth of a second, for tests: their settings, and what they leave behind."""

import dataclasses
import json
from pathlib import Path

from torch import Tensor, nn

from flatten_edu.data import Data, Samples, load_data
from flatten_edu.training import load_trained

# Of deit_nano on 160 digits: ten steps an epoch.
SMALL = {"patch_size": 2, "depth": 1, "width": 24, "batch_size": 16, "device": "cpu"}
# All that the recipe draws by chance, and averaged weights.
ALL = {"randaugment": 2, "erasing": 0.3, "mixup": 0.8, "cutmix": 1.0, "flip": 0.5, "crop": 0.5,
       "label_smoothing": 0.1, "ema": 0.9}  # fmt: skip


def few_digits() -> Data:
    """160 digits to train on, 40 to choose with, 40 to test."""
    data = load_data("digits")
    parts = (("train", 160), ("validation", 40), ("test", 40))
    cut = {name: Samples(*getattr(data, name).__getitems__(range(n))) for name, n in parts}
    return dataclasses.replace(data, **cut)


def words(settings: dict) -> str:
    """Settings as they stand on the command line; what is no flag of its own as an option."""
    flags = {"patch_size", "depth", "width"}
    return " ".join(
        f"--option {name}={value}" if name in flags else f"--{name.replace('_', '-')} {value}"
        for name, value in settings.items()
    )


def same(one: nn.Module, other: nn.Module) -> bool:
    """Whether two models have the same weights, bit for bit."""
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(left[name].equal(right[name]) for name in left)


def without_time(rows: list[dict]) -> list[dict]:
    """Rows of metrics without what no two runs share."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def learned(folder: Path) -> tuple[list[dict], dict[str, Tensor], dict[str, Tensor]]:
    """All that a run leaves behind, without its times."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    names = ("last.safetensors", "best.safetensors")
    last, best = (dict(load_trained(folder / name)[0].state_dict()) for name in names)
    return without_time([json.loads(line) for line in lines]), last, best


def equal(one: tuple, other: tuple) -> bool:
    """Whether two runs left the same behind, bit for bit."""
    tensors = all(
        left.keys() == right.keys() and all(left[name].equal(right[name]) for name in left)
        for left, right in zip(one[1:], other[1:], strict=True)
    )
    return one[0] == other[0] and tensors
