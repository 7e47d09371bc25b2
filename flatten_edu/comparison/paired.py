"""Is one arm better than another? The difference within each seed, and its standard error."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from .results import Row


def paired(rows: Sequence[Row], arm: str, other: str, task: str | None = None) -> list[float]:
    """By how many points of test accuracy an arm is better, for each seed that both ran with.

    Args:
        rows: what `compare` returns.
        arm, other: names of arms.
        task: the rows' task, if they are of several.

    Raises:
        ValueError: if there is no seed that both have.

    >>> rows = [{"task": "t", "arm": a, "seed": s, "test_accuracy": x}
    ...         for a, s, x in (("b", 0, 0.9), ("b", 1, 0.8), ("a", 0, 0.95), ("a", 1, 0.87))]
    >>> [round(points, 6) for points in paired(rows, "a", "b")]
    [5.0, 7.0]
    """
    found = {
        (row["arm"], row["seed"]): 100 * row["test_accuracy"]
        for row in rows
        if task in (None, row["task"])
    }
    seeds = [seed for name, seed in found if name == arm and (other, seed) in found]
    if not seeds:
        raise ValueError(f"rows must hold a seed that both {arm!r} and {other!r} ran with")
    return [found[arm, seed] - found[other, seed] for seed in seeds]


def in_words(differences: Sequence[float]) -> str:
    """Mean and standard error of the mean, in points.

    >>> in_words([5.0, 7.0]), in_words([5.0])
    ('+6.0 ± 1.0', '+5.0')
    """
    mean = f"{statistics.mean(differences):+.1f}"
    if len(differences) < 2:
        return mean
    return f"{mean} ± {statistics.stdev(differences) / len(differences) ** 0.5:.1f}"
