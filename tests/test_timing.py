"""Measurements of time: fair, on one thread, and read right."""

import itertools
import os
import time

import pytest
import torch

from flatten_edu import timing
from flatten_edu.timing import Times


def test_cases_run_in_turn_and_the_median_counts(monkeypatch):
    order = []
    clock = itertools.count()

    def case(name):
        return lambda n: lambda: order.append((name, n, torch.get_num_threads()))

    # Every look at the clock is a second later, so each call seems to take one.
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(clock)))
    before, lines = torch.get_num_threads(), []
    times = timing.measure(
        {"a": case("a"), "b": case("b")}, [4, 9], rounds=3, progress=lines.append
    )
    assert order == [(name, n, 1) for n in (4, 9) for _ in range(4) for name in "ab"]
    assert times.seconds == {"a": (1.0, 1.0), "b": (1.0, 1.0)}
    assert torch.get_num_threads() == before
    assert lines == ["N = 4: a 1 s, b 1 s", "N = 9: a 1 s, b 1 s"]


def test_own_time_stands_still_while_other_programs_run():
    start = timing.own_time()
    time.sleep(0.05)
    coarse = os.name == "nt"  # there it is the time on the wall
    assert (timing.own_time() - start >= 0.05) == coarse


def test_the_fast_setting_leaves_out_the_largest_sizes(monkeypatch):
    monkeypatch.setenv("FLATTEN_EDU_FAST", "1")
    monkeypatch.setattr(timing, "_SECONDS", 0)
    times = timing.measure({"nothing": lambda n: lambda: None})
    assert times.sizes == tuple(n for n in timing.SIZES if n < 4000) and times.rounds == 3


def test_quick_calls_get_more_rounds(monkeypatch):
    calls = []
    monkeypatch.setattr(timing, "_SECONDS", 0.02)
    timing.measure({"quick": lambda n: lambda: calls.append(n)}, [4], rounds=2)
    assert len(calls) > 10


def test_slopes_and_crossings_of_known_laws():
    sizes = (50, 200, 800, 3200)
    times = Times(
        sizes,
        {"square": tuple(n * n for n in sizes), "line": tuple(300 * n for n in sizes)},
        rounds=1,
    )
    assert times.slope("square") == pytest.approx(2) and times.slope("line") == pytest.approx(1)
    assert times.crossing("square", "line") == pytest.approx(300)
    assert times.crossing("line", "square") is None
    assert Times(sizes, {"a": (2.0,) * 4, "b": (1.0,) * 4}, 1).crossing("a", "b") == 50
    with pytest.raises(ValueError, match="since must leave two sizes"):
        times.slope("line", since=3000)


def test_a_late_tie_counts_as_the_crossing():
    times = Times((10, 100, 1000), {"slow": (2.0, 1.0, 4.0), "fast": (1.0, 2.0, 2.0)}, 1)
    assert times.crossing("slow", "fast") == pytest.approx(10**2.5)


def test_layers_are_those_of_the_library_and_brackets_give_one_result():
    for name, case in timing.layers(width=16, heads=2).items():
        assert case(9)().shape == (1, 3, 3, 16), name
    with pytest.raises(ValueError, match="n must be a square, such as 9, but is 10"):
        timing.layers()["softmax"](10)
    torch.manual_seed(0)
    left = timing.brackets(d=8)["(Q Kᵀ) V"](25)()
    torch.manual_seed(0)
    right = timing.brackets(d=8)["Q (Kᵀ V)"](25)()
    assert torch.allclose(left, right, rtol=1e-4)
