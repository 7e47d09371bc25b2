"""Time against the number of tokens, measured fairly on this machine.

What is compared is run in turn, round after round, so that a busy moment hits all alike, and the
median of the rounds counts. One thread does the work: then time follows the number of
multiply-adds, and not how well a product splits over cores.
"""

import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from einops import einsum
from torch import nn

from .attention import SelfAttention, positive

Case = Callable[[int], Callable[[], object]]

# Rounds go on for so long at each size: quick calls are measured more often than slow ones.
_SECONDS = 0.3

# The time of this thread alone, which other programs hardly disturb. Windows counts it in steps of
# 16 ms, too coarse for a single call: there it is the time on the wall.
own_time = time.perf_counter if os.name == "nt" else time.thread_time

SIZES = (49, 100, 196, 324, 576, 784, 1600, 3136, 12544)


@dataclass(frozen=True)
class Times:
    """Median seconds of each case for each number of tokens.

    Args:
        sizes: numbers of tokens, rising.
        seconds: name of the case -> one median a size.
        rounds: how many times each was measured, at the least.
        what: what was measured, in a few words.
        where: on what, in a few words.
    """

    sizes: tuple[int, ...]
    seconds: dict[str, tuple[float, ...]]
    rounds: int
    what: str = ""
    where: str = "one CPU thread"

    def slope(self, name: str, since: int = 700) -> float:
        """How fast time grows from `since` tokens on: 1 is in proportion to N, 2 to its square.

        >>> times = Times((1000, 2000, 4000), {"square": (1.0, 4.0, 16.0)}, 1)
        >>> round(times.slope("square"), 6)
        2.0
        """
        points = [
            (math.log(n), math.log(s))
            for n, s in zip(self.sizes, self.seconds[name], strict=True)
            if n >= since
        ]
        if len(points) < 2:
            raise ValueError(f"since must leave two sizes of {self.sizes}, but is {since}")
        return statistics.linear_regression(*zip(*points, strict=True)).slope

    def crossing(self, slow: str, fast: str) -> float | None:
        """The number of tokens from which `fast` stays the faster one; None if it is never so.

        Between two sizes both are taken as straight lines in the logarithms.

        >>> Times((10, 1000), {"a": (1.0, 100.0), "b": (10.0, 10.0)}, 1).crossing("a", "b")
        100.0
        """
        gaps = [
            math.log(a / b) for a, b in zip(self.seconds[slow], self.seconds[fast], strict=True)
        ]
        slower = [i for i, gap in enumerate(gaps) if gap <= 0]
        if not slower:
            return float(self.sizes[0])
        last = slower[-1]
        if last == len(gaps) - 1:
            return None
        share = gaps[last] / (gaps[last] - gaps[last + 1])
        ends = math.log(self.sizes[last]), math.log(self.sizes[last + 1])
        return round(math.exp(ends[0] + share * (ends[1] - ends[0])), 6)


def measure(
    cases: Mapping[str, Case],
    sizes: Sequence[int] | None = None,
    rounds: int | None = None,
    progress: Callable[[str], object] | None = None,
    what: str = "",
    clock: Callable[[], float] | None = None,
) -> Times:
    """Time the cases in turn, for each number of tokens.

    Args:
        cases: name -> function that takes a number of tokens and returns the call to time.
        sizes: numbers of tokens; None means `SIZES`, or those below 4,000 where the environment
            has FLATTEN_EDU_FAST=1.
        rounds: at least so many rounds; None means 5, or 3 with FLATTEN_EDU_FAST=1. Small sizes get
            more, until `_SECONDS` are used.
        progress: is called with a line for each size as it comes, such as `print`.
        what: a few words on what is measured, kept in the result.
        clock: what tells the time; see `samples`.

    >>> times = measure({"sum": lambda n: torch.ones(n).sum}, sizes=[10, 20], rounds=3)
    >>> times.sizes, len(times.seconds["sum"])
    ((10, 20), 2)
    """
    fast = os.environ.get("FLATTEN_EDU_FAST") == "1"
    if sizes is None:
        sizes = [n for n in SIZES if n < 4000] if fast else SIZES
    rounds = rounds or (3 if fast else 5)
    medians: dict[str, list[float]] = {name: [] for name in cases}
    with threads_set_to(1), torch.inference_mode():
        for n in sizes:
            calls = {name: case(n) for name, case in cases.items()}
            for name, found in samples(calls, rounds, clock=clock).items():
                medians[name].append(statistics.median(found))
            if progress:
                line = ", ".join(f"{name} {in_words(medians[name][-1])}" for name in cases)
                progress(f"N = {n:,}: {line}")
    seconds = {name: tuple(values) for name, values in medians.items()}
    return Times(tuple(sizes), seconds, rounds, what)


def in_words(seconds: float) -> str:
    """A time with three digits and its unit.

    >>> in_words(0.0004391), in_words(2.8912)
    ('0.439 ms', '2.89 s')
    """
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def samples(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    seconds: float | None = None,
    clock: Callable[[], float] | None = None,
    finish: Callable[[], object] = lambda: None,
    progress: Callable[[int], object] = lambda number: None,
    shortest: float = 0,
) -> dict[str, list[float]]:
    """Seconds of each call, all measured in turn, round after round, after one call to warm up.

    Args:
        calls: name -> what to time.
        rounds: at least so many.
        seconds: rounds go on until these are used; None means `_SECONDS`.
        clock: what tells the time; None is `time.perf_counter`. `own_time` counts only while
            this thread runs, which other programs disturb less.
        finish: belongs to each measured call, such as waiting for a GPU.
        progress: is called with the number of each round that is over, from 1 on.
        shortest: a measurement is the mean of as many calls in a row, ten at most, as take so
            many seconds: a GPU works on one while the next is prepared, and a single short call
            would show the waiting.

    >>> {name: len(found) for name, found in samples({"nothing": int}, 3, seconds=0).items()}
    {'nothing': 3}
    """
    seconds = _SECONDS if seconds is None else seconds
    clock = clock or time.perf_counter
    found: dict[str, list[float]] = {name: [] for name in calls}
    in_a_row = dict.fromkeys(calls, 1)
    for name, call in calls.items():
        call()
        finish()
        if shortest:
            begin = clock()
            call()
            finish()
            in_a_row[name] = min(10, max(1, math.ceil(shortest / max(clock() - begin, 1e-9))))
    start, number = time.perf_counter(), 0
    while number < rounds or time.perf_counter() - start < seconds:
        for name, call in calls.items():
            begin = clock()
            for _ in range(in_a_row[name]):
                call()
            finish()
            found[name].append((clock() - begin) / in_a_row[name])
        number += 1
        progress(number)
    return found


@contextmanager
def threads_set_to(number: int) -> Iterator[None]:
    """Let torch use so many threads, and as many as before afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def layers(width: int = 128, heads: int = 2) -> dict[str, Case]:
    """One attention layer with its projections, for each mechanism of the paper.

    Args:
        width: channels of a token.
        heads: number of heads.

    >>> layers()["focused"](49)().shape
    torch.Size([1, 7, 7, 128])
    """

    def case(attention: str) -> Case:
        def prepare(n: int) -> Callable[[], object]:
            side = math.isqrt(n)
            if side * side != n:
                raise ValueError(f"n must be a square, such as {side * side}, but is {n}")
            layer = SelfAttention(width, heads, attention, grid=(side, side)).eval()
            return _call(layer, torch.randn(1, side, side, width))

        return prepare

    return {name: case(name) for name in ("softmax", "linear", "focused")}


def _call(layer: nn.Module, x: torch.Tensor) -> Callable[[], object]:
    return lambda: layer(x)


def brackets(d: int = 64) -> dict[str, Case]:
    """Both ways to multiply Q, K^T and V of one head, with features that are not negative.

    Args:
        d: channels of the head.

    >>> left, right = (case(9)() for case in brackets(d=4).values())
    >>> left.shape, right.shape
    (torch.Size([9, 4]), torch.Size([9, 4]))
    """

    def draw(n: int) -> list[torch.Tensor]:
        q, k, v = torch.randn(3, n, d)
        return [positive(q), positive(k), v]

    def left(n: int) -> Callable[[], object]:
        q, k, v = draw(n)
        return lambda: einsum(einsum(q, k, "n d, m d -> n m"), v, "n m, m e -> n e")

    def right(n: int) -> Callable[[], object]:
        q, k, v = draw(n)
        return lambda: einsum(q, einsum(k, v, "m d, m e -> d e"), "n d, d e -> n e")

    return {"(Q Kᵀ) V": left, "Q (Kᵀ V)": right}
