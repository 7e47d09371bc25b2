"""The reference numbers of this folder as tensors, and the comparison that all tests use."""

import functools
import json
from pathlib import Path

import numpy as np
import torch
from reference.fill import fill, image, noise, sample_index, state_dict_from
from torch import Tensor

FOLDER = Path(__file__).parent
CASES = {case["name"]: case for case in json.loads((FOLDER / "modules.json").read_text())}
NETWORKS = {record["name"]: record for record in json.loads((FOLDER / "models.json").read_text())}


@functools.cache
def arrays(file: str):
    return np.load(FOLDER / f"{file}.npz")


def stored(file: str, key: str) -> Tensor:
    return torch.from_numpy(arrays(file)[key])


def has(file: str, key: str) -> bool:
    return key in arrays(file).files


def case_input(name: str) -> Tensor:
    return torch.from_numpy(noise(f"{name}.x", CASES[name]["x_shape"]))


def case_weights(name: str) -> dict[str, Tensor]:
    shapes = CASES[name]["shapes"]
    return {key: torch.from_numpy(fill(f"{name}.{key}", shape)) for key, shape in shapes.items()}


def network_weights(name: str) -> dict[str, Tensor]:
    arrays = state_dict_from(str(FOLDER / "state_dicts" / f"{name}.json"))
    return {key: torch.from_numpy(value) for key, value in arrays.items()}


def network_images(name: str) -> Tensor:
    record = NETWORKS[name]
    return torch.from_numpy(image(record["img_size"], record["batch"]))


def images(size, batch: int = 2, channels: int = 3) -> Tensor:
    return torch.from_numpy(image(size, batch, channels))


def gradient_weights(shape) -> Tensor:
    return torch.from_numpy(noise("gradient", tuple(shape)))


def samples(values: Tensor) -> Tensor:
    return values.flatten()[torch.from_numpy(sample_index(values.numel()))]


def assert_close(ours: Tensor, theirs: Tensor, what: str = "", tolerance: float = 1e-8) -> None:
    """|a - b| <= tolerance (1 + |b|), everywhere."""
    assert ours.shape == theirs.shape, f"{what}: {tuple(ours.shape)} is not {tuple(theirs.shape)}"
    excess = ((ours - theirs).abs() / (1 + theirs.abs())).max().item()
    assert excess <= tolerance, f"{what}: differs by {excess:.2e}"
