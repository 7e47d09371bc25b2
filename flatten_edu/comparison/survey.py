"""Every mechanism with a name through the same probes: which can do what, and what it costs.

A folder keeps it:

    comparison.json, results.jsonl    as of `compare`: recipe, command, date, versions; the runs
    survey.json                       maps before training, times and memory
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..arms import find_arm
from ..attention import NAMES
from ..bench.machine import peak_memory, processor
from ..files import read_json, write_text
from ..timing import Times, own_time
from .probe import ABILITIES, SIZES, cost, label_of, mixing_case, untrained
from .results import Results, Row, about_of, rows_of
from .run import Run, check, check_runs, in_order, settings_of, side_by_side, this_start

LABELS = tuple(ability.label for ability in ABILITIES)


@dataclass(frozen=True)
class Survey:
    """What the probes found, for each arm by name.

    Args:
        arms: names, the paper's first.
        rows: a row a run, as of `compare`, with the ability's label as its task.
        entropy, rank: arm -> of the untrained map of 196 tokens; None where it has none.
        times: of one forward pass, in the processor time of one thread.
        memory: arm -> MiB at the worst moment of the pass, one for each size of `times`.
        starts: of each start its command, date, versions and device.
        notes: what could not be measured, and why.
    """

    arms: tuple[str, ...]
    rows: list[Row]
    entropy: dict[str, float | None]
    rank: dict[str, float | None]
    times: Times
    memory: dict[str, tuple[float, ...]]
    starts: list[dict[str, Any]]
    notes: list[str]

    def values(self, arm: str, label: str, name: str = "test_accuracy") -> list[float]:
        """A number of each seed's run; none where the arm has no such thing."""
        found = (r[name] for r in self.rows if (r["arm"], r["task"]) == (arm, label))
        return [value for value in found if value is not None]

    def mean(self, arm: str, label: str, name: str = "test_accuracy") -> float | None:
        """Its mean over seeds, or None."""
        values = self.values(arm, label, name)
        return statistics.mean(values) if values else None


def run_survey(
    folder: str | Path,
    arms: Sequence[str] | None = None,
    seeds: int = 3,
    *,
    jobs: int = 1,
    command: str = "",
    report: Callable[[str], object] = lambda line: None,
    **changes: Any,
) -> Survey:
    """Probe every mechanism that has a name; a survey that was stopped goes on where it was.

    Args:
        folder: where it is kept.
        arms: names of arms; None takes all of `attention.NAMES`.
        seeds: how many runs of each probe.
        jobs: how many processes run side by side.
        command: what was typed, to be kept.
        report: called with a line for each finished run.
        changes: settings of the recipe that differ from the tasks', for every arm.

    Raises:
        ValueError: for an unknown name, or a folder that holds a survey by another recipe.
    """
    arms = tuple(NAMES if arms is None else arms)
    check(list(LABELS), arms, seeds, jobs, None)
    fixed = tuple(sorted(changes.items()))
    recipes = {
        ability.label: settings_of([ability.task], ability.options, fixed)[ability.task]
        for ability in ABILITIES
    }
    results = Results(folder, {"tasks": recipes})
    runs = [
        Run(ability.task, arm, seed, ability.options, fixed, "cpu")
        for seed in range(seeds)
        for ability in ABILITIES
        for arm in arms
        if not results.has(ability.label, arm, seed)
    ]
    check_runs(runs)
    results.begin(this_start(command, "cpu", jobs))
    for row in in_order(runs) if jobs == 1 else side_by_side(runs, jobs):
        label = label_of(row["task"], row["tokens"])
        results.add(row | {"task": label})
        found = f"{label}, {row['arm']}, seed {row['seed']}: {100 * row['test_accuracy']:.1f} %"
        report(f"{found} ({row['seconds']:.0f} s)")
    write_text(Path(folder, "survey.json"), json.dumps(untaught(arms), indent=1) + "\n")
    return read_survey(folder)


def untaught(arms: Sequence[str]) -> dict[str, Any]:
    """What needs no training: maps, times and memory."""
    notes: list[str] = []
    maps = {name: untrained(find_arm(name), notes) for name in arms}
    times = cost(arms, clock=own_time)
    where = f"one thread of {processor()}, processor time"
    return {
        "arms": list(arms),
        "entropy": {name: found[0] for name, found in maps.items()},
        "rank": {name: found[1] for name, found in maps.items()},
        "times": dataclasses.asdict(dataclasses.replace(times, where=where)),
        "memory": memory(arms),
        "notes": notes,
    }


def with_arm(found: Survey, arm: str, seeds: int = 1, **changes: Any) -> Survey:
    """The survey with one more mechanism, probed here and now; nothing is written.

    Args:
        found: the survey.
        arm: the name of an arm; one of that name before goes.
        seeds: how many runs of each probe.
        changes: settings of the recipe that differ from the tasks'.
    """
    check(list(LABELS), [arm], seeds, 1, None)
    fixed = tuple(sorted(changes.items()))
    runs = [Run(a.task, arm, s, a.options, fixed, "cpu") for s in range(seeds) for a in ABILITIES]
    rows = [row | {"task": label_of(row["task"], row["tokens"])} for row in in_order(runs)]
    one = untaught([arm])
    times = dataclasses.replace(
        found.times, seconds=found.times.seconds | {arm: one["times"]["seconds"][arm]}
    )
    return dataclasses.replace(
        found,
        arms=tuple(dict.fromkeys([*found.arms, arm])),
        rows=[row for row in found.rows if row["arm"] != arm] + rows,
        entropy=found.entropy | one["entropy"],
        rank=found.rank | one["rank"],
        times=times,
        memory=found.memory | one["memory"],
        notes=found.notes + one["notes"],
    )


def memory(arms: Sequence[str], sizes: Sequence[int] = SIZES) -> dict[str, tuple[float, ...]]:
    """MiB that one forward pass of each arm's mixing takes at its worst moment, by size.

    >>> memory(["linear"], [49])["linear"][0] < 1
    True
    """
    with torch.no_grad():
        return {
            name: tuple(
                round(peak_memory(mixing_case(name)(tokens), "cpu") / 2**20, 3) for tokens in sizes
            )
            for name in arms
        }


def read_survey(folder: str | Path) -> Survey:
    """The survey that a folder keeps.

    Raises:
        ValueError: if it keeps none.
    """
    path = Path(folder, "survey.json")
    if not path.exists():
        raise ValueError(
            f"folder must hold a finished survey, but {path} is not there; "
            "flatten-edu probe --all makes one"
        )
    kept, rows = read_json(path), rows_of(Path(folder, "results.jsonl"))
    starts = about_of(Path(folder))["starts"]
    try:
        return survey_of(kept, rows, starts)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({type(error).__name__}: {error})") from error


def survey_of(kept: dict[str, Any], rows: list[Row], starts: list[dict[str, Any]]) -> Survey:
    """A survey of what survey.json says beside the runs."""
    times = kept["times"] | {"sizes": tuple(map(int, kept["times"]["sizes"]))}
    arms = tuple(map(str, kept["arms"]))
    seconds, memory = (
        {name: tuple(map(float, table[name])) for name in arms}
        for table in (times["seconds"], kept["memory"])
    )
    entropy, rank = (
        {name: None if table[name] is None else float(table[name]) for name in arms}
        for table in (kept["entropy"], kept["rank"])
    )
    notes = [str(note) for note in kept["notes"]]
    times = Times(**times | {"seconds": seconds, "where": str(times["where"])})
    return Survey(arms, rows, entropy, rank, times, memory, starts, notes)
