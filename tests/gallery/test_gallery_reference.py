"""Every mechanism gives the published numbers, outputs and gradients, in float64."""

import pytest
import torch
from gallery_cases import CASES, CORE, arrays, core

from flatten_edu.gallery import rotary_angles

GRADIENTS = [name for name in CORE if "dq" in arrays(name)]


def error(ours, theirs):
    return ((ours - theirs).abs().max() / max(1, theirs.abs().max())).item()


@pytest.mark.parametrize("name", CORE)
def test_outputs_are_as_published(name):
    stored = arrays(name)
    output = core(name, stored["q"], stored["k"], stored["v"])
    assert output.shape == stored["y"].shape and output.dtype == torch.float64
    assert error(output, stored["y"]) <= 1e-12


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_as_published(name):
    stored = arrays(name)
    inputs = [stored[key].clone().requires_grad_() for key in "qkv"]
    (core(name, *inputs) * stored["w"]).sum().backward()
    for key, tensor in zip("qkv", inputs, strict=True):
        assert error(tensor.grad, stored[f"d{key}"]) <= 1e-12, key


def test_every_mechanism_has_gradients():
    assert {name.split("__")[0] for name in GRADIENTS} == {name.split("__")[0] for name in CASES}


@pytest.mark.parametrize("name", [name for name in CORE if CASES[name].get("rope")])
def test_angles_are_as_published(name):
    stored, grid = arrays(name), tuple(CASES[name]["grid"])
    angles = rotary_angles(grid, stored["q"].shape[3], like=stored["q"]).repeat_interleave(2, 1)
    assert error(angles.sin(), stored["sin"]) <= 1e-12
    assert error(angles.cos(), stored["cos"]) <= 1e-12
