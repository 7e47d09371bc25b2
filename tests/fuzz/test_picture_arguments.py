"""Every argument of every picture is looked at before it is drawn: a wrong one gets its line."""

import inspect
from types import FunctionType

import matplotlib.pyplot as plt
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from strange import JUNK, judge

from flatten_edu import plots
from flatten_edu.gallery.own import _OWN

FUNCTIONS = {
    name: getattr(plots, name)
    for name in plots.__all__
    if isinstance(getattr(plots, name), FunctionType) or hasattr(getattr(plots, name), "cache_info")
}
ARGUMENTS = [(f, key) for f in FUNCTIONS for key in inspect.signature(FUNCTIONS[f]).parameters]
# Never right, for any of them. A name in the place of a folder, a tensor in that of a tensor and a
# function in that of a mechanism are right.
WRONG = [None, "no such thing", -1, 10**30, float("nan"), float("inf"), "a\nb", "", [1], (-1, 99),
         (1, 2, 3), {}, object(), b"x", torch.zeros(0), torch.zeros(2, 2, dtype=torch.int64),
         1e300, "softmax\0"]  # fmt: skip
# Something right for those that have no usual value.
RIGHT = {
    "mechanism": "focused", "task": "copy_near", "arm": "focused+dwc", "step": "+ DWC", "n": 9,
    "d": 4, "x": torch.rand(4), "y": torch.rand(4), "p": 3, "size": 3.0, "tokens": 16, "width": 8,
    "row": torch.rand(9), "form": "library", "dtype": "float16", "scale": 1.0, "block": 1,
    "name": "pvt_tiny", "kind": "focused", "times": None, "measured": None,
}  # fmt: skip


def call(name: str, key: str, value: object):
    function = FUNCTIONS[name]
    needed = [
        other
        for other, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty and other != key
    ]
    arguments = {other: RIGHT[other] for other in needed} | {key: value}
    return judge(lambda: function(**arguments), {key, "folder", "lacks"}, seconds=60)


@pytest.mark.parametrize(("name", "key"), ARGUMENTS, ids=map(".".join, ARGUMENTS))
def test_what_is_never_right_gets_one_line(name, key):
    for value in WRONG:
        if key == "folder" and value is None:
            continue
        large = isinstance(value, (int, float)) and value > 10**20
        if not (key == "p" and large and value < float("inf")):  # which is a power all the same
            assert call(name, key, value) is None, value


@pytest.mark.long
@pytest.mark.parametrize(("name", "key"), ARGUMENTS, ids=map(".".join, ARGUMENTS))
@given(value=JUNK.filter(lambda value: not callable(value)))
@settings(max_examples=20, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_junk_gets_a_picture_or_one_line(name, key, value):
    call(name, key, value)
    plt.close("all")
    assert not _OWN


def test_every_function_of_the_room_is_asked():
    assert {"figure4", "families", "trained_map", "cost"} <= set(FUNCTIONS) and len(ARGUMENTS) > 100
