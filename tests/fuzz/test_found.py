"""What drawing calls at random has found in functions, each with the line that it gets since then.

The list with what was wrong: docs/found.md.
"""

import pytest
import torch

import flatten_edu as fe
from flatten_edu import arms
from flatten_edu.backbones.registry import _MODELS, register
from flatten_edu.gallery import mixing

Q = torch.rand(1, 1, 4, 4)
MODEL = fe.create_model("deit_nano", depth=1, width=24, heads=2, patch_size=7)
FOUND = {
    "whole numbers": (
        lambda: fe.attention.softmax_attention(Q.long(), Q, Q),
        "q must hold floating-point numbers, not torch.int64",
    ),
    "no channel": (
        lambda: fe.attention.linear_attention(Q[..., :0], Q[..., :0], Q),
        "q must have at least one head, token and channel",
    ),
    "no tensor": (
        lambda: fe.attention.focused_attention(None, 3, "v"),
        "q must be a tensor b h n d, not NoneType",
    ),
    "a scalar": (lambda: fe.attention.focus(torch.tensor(1.0), 3), "x must be ... d"),
    "p is True": (lambda: fe.attention.focus(Q, True), "p must be a number of at least 1"),
    "p beyond floats": (lambda: fe.attention.focus(Q, 10**400), "p must be finite"),
    "a bias of another shape": (
        lambda: fe.attention.softmax_attention(Q, Q, Q, bias=torch.zeros(3, 3)),
        "bias must broadcast to b h n m = (1, 1, 4, 4)",
    ),
    "a grid of truths": (
        lambda: fe.attention.depthwise_matrix(torch.ones(3, 3), (True, 2)),
        "grid must be (rows, columns)",
    ),
    "a grid without end": (
        lambda: fe.attention.depthwise_matrix(torch.ones(3, 3), 10**30),
        "grid must be (rows, columns)",
    ),
    "half a width": (lambda: fe.attention.SelfAttention(8.5, 2), "width must be a whole number"),
    "a branch that is 3": (
        lambda: fe.attention.SelfAttention(8, 2, grid=2, depthwise=3),
        "depthwise must be True or False, or None (as published)",
    ),
    "a bias that is a word": (
        lambda: fe.attention.SelfAttention(8, 2, grid=2, qkv_bias="no"),
        "qkv_bias must be True or False",
    ),
    "another dtype than the weights": (
        lambda: fe.attention.SelfAttention(4, 1, grid=2)(torch.rand(1, 2, 2, 4).double()),
        "x must be torch.float32 as the weights are",
    ),
    "an attention that is a tensor": (
        lambda: fe.attention.SelfAttention(8, 2, attention=torch.zeros(9, 9), grid=2),
        "a tensor of shape (9, 9)",
    ),
    "a map with NaN": (
        lambda: fe.analysis.numerical_rank(torch.full((2, 2), float("nan"))),
        "map must be finite to have singular values",
    ),
    "a grid that is not the tokens'": (
        lambda: mixing("mala", (3, 3))(Q, Q, Q),
        "grid must have a place for each of the q 4 tokens",
    ),
    "an arm that is a number": (lambda: arms.find_arm(3), "name of an arm must be a word"),
    "an image without end": (
        lambda: fe.create_model("deit_nano", img_size=2**40),
        "img_size must be",
    ),
    "heads that are true": (
        lambda: fe.create_model("deit_nano", heads=True),
        "heads must be a whole number of at least 1",
    ),
    "a billion blocks": (
        lambda: fe.create_model("deit_nano", depth=10**9),
        "depth must be at most 1,000, but is 1000000000",
    ),
    "a stage of a billion blocks": (
        lambda: fe.create_model("pvt_tiny", depths=(1, 10**9, 1, 1)),
        "depths of stage 2 must be at most 1,000",
    ),
    "a billion channels": (
        lambda: fe.attention.SelfAttention(10**9, 7),
        "width must be at most 65,536",
    ),
    "a chance of NaN": (
        lambda: fe.create_model("deit_nano", drop_path=float("nan")),
        "drop_path must be at least 0 and below 1",
    ),
    "pictures of another dtype": (
        lambda: MODEL(torch.zeros(1, 1, 28, 28, dtype=torch.float64)),
        "images must be torch.float32 as the weights are",
    ),
    "a picture function without arguments to see": (
        lambda: fe.explore(int, p=[1]),
        "picture must be a function of Python",
    ),
    "a family that is a list": (lambda: fe.list_models(["deit"]), "family must be a word"),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_call_that_once_ended_inside_gets_its_line(name):
    call, words = FOUND[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_network_that_does_not_fit_into_memory_gets_its_line():
    class TooLarge(torch.nn.Module):
        def __init__(self):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to take 4 TB")

    try:
        register("too_large", TooLarge)
        with pytest.raises(MemoryError, match="too_large with these options does not fit"):
            fe.create_model("too_large")
    finally:
        _MODELS.pop("too_large")
