"""The profile of a mechanism: what it can do, measured in less than two minutes on a laptop.

sharpness   how uneven the rows of its map are on random queries and keys, untrained
rank        of that map, of 196
capacity    recall among 16 and among 64 tokens
locality    copy from 1 down and 2 right;   reach   from 3 down and 4 right
full rank   copy from 4 down and 4 right, around the edges: a permutation
cost        time of one forward pass of the mechanism, at three numbers of tokens
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from ..analysis import attention_map, numerical_rank, row_entropy
from ..arms import Arm, find_arm
from ..attention import TokenMixer
from ..tasks import tokens
from ..timing import Case, Times, own_time
from ..timing import measure as time_it
from ..training.order import generator
from .run import Run, check, check_runs, in_order, side_by_side

BUILT_IN = ("softmax", "linear", "focused")
GRID = (14, 14)
HEADS, WIDTH = 3, 192
SIZES = (196, 784, 3136)


class Ability(NamedTuple):
    """One trained probe: a task with its options, and what it is called in a profile."""

    label: str
    task: str
    options: tuple[tuple[str, Any], ...] = ()


ABILITIES = (
    Ability("recall among 16", "recall", (("tokens", 16),)),
    Ability("recall among 64", "recall", (("tokens", 64),)),
    Ability("copy near", "copy_near"),
    Ability("copy far", "copy_far"),
    Ability("copy wrapped", "copy_wrapped"),
)


@dataclass(frozen=True)
class Profile:
    """What `probe` found, for each arm by name.

    Args:
        arms: the mechanism in question first, then those beside it.
        accuracy: arm -> ability -> test accuracy between 0 and 1.
        entropy: arm -> of the untrained map's rows, over log 196; None where it is undefined.
        rank: arm -> of the untrained map, of 196; None where the mechanism is not linear in v.
        times: of one forward pass.
        steps: how many a layer learned for.
        notes: what could not be measured, and why.
    """

    arms: tuple[str, ...]
    accuracy: dict[str, dict[str, float]]
    entropy: dict[str, float | None]
    rank: dict[str, float | None]
    times: Times
    steps: int
    notes: list[str] = field(default_factory=list)


def probe(
    attention: str,
    beside: Sequence[str] = BUILT_IN,
    *,
    jobs: int = 1,
    report: Callable[[str], object] = lambda line: None,
    **changes: Any,
) -> Profile:
    """Measure a mechanism, and others beside it.

    Args:
        attention: an arm's name, such as "module:function" or "focused+dwc".
        beside: arms to compare it with.
        jobs: how many processes run side by side.
        report: called with a line for each finished measurement.
        changes: settings of the recipe, such as epochs=2 for twice as many steps.

    Raises:
        ValueError: for an unknown name, before anything runs.
    """
    arms = tuple(dict.fromkeys([attention, *beside]))
    check([ability.task for ability in ABILITIES[1:]], arms, 1, jobs, None)
    fixed, notes = tuple(sorted(changes.items())), []
    runs = [
        Run(ability.task, arm, 0, ability.options, fixed, "cpu")
        for ability in ABILITIES
        for arm in arms
    ]
    check_runs(runs)
    maps = {name: untrained(find_arm(name), notes) for name in arms}
    times = cost(arms, clock=own_time)
    accuracy: dict[str, dict[str, float]] = {arm: {} for arm in arms}
    began = time.monotonic()
    rows = in_order(runs) if jobs == 1 else side_by_side(runs, jobs)
    for number, row in enumerate(rows, 1):
        label = label_of(row["task"], row["tokens"])
        accuracy[row["arm"]][label] = row["test_accuracy"]
        left = (time.monotonic() - began) / number * (len(runs) - number)
        report(
            f"{number}/{len(runs)}  {label}, {row['arm']}: {100 * row['test_accuracy']:.1f} %, "
            f"about {left:.0f} s left"
        )
    entropy = {name: found[0] for name, found in maps.items()}
    rank = {name: found[1] for name, found in maps.items()}
    return Profile(arms, accuracy, entropy, rank, times, steps_of(changes), notes)


def steps_of(changes: dict[str, Any]) -> int:
    """Steps of training that each probe has, by the tasks' common recipe.

    >>> steps_of({}), steps_of({"epochs": 2}), steps_of({"batch_size": 64})
    (300, 600, 150)
    """
    recipe = dataclasses.replace(tokens.RECIPE, **changes)
    return recipe.epochs * (tokens.PARTS["train"] // recipe.batch_size)


def label_of(task: str, tokens: int) -> str:
    """The ability that a row of results belongs to.

    >>> label_of("recall", 16), label_of("copy_far", 64)
    ('recall among 16', 'copy far')
    """
    for ability in ABILITIES:
        if ability.task == task and dict(ability.options).get("tokens", tokens) == tokens:
            return ability.label
    raise ValueError(f"no ability is probed by {task} with {tokens} tokens")


@torch.no_grad()
def untrained(arm: Arm, notes: list[str]) -> tuple[float | None, float | None]:
    """Entropy and rank of the map on random queries and keys, without the branch."""
    source = generator(0, "probe")
    shape = 2, HEADS, GRID[0] * GRID[1], WIDTH // HEADS
    q, k = (torch.randn(shape, generator=source, dtype=torch.float64) for _ in range(2))
    try:
        map = attention_map(q, k, arm.attention, grid=GRID)
    except (ValueError, TypeError, RuntimeError) as error:
        notes.append(f"no map of {arm.name}: {' '.join(str(error).split())}")
        return None, None
    if not map.any():
        return None, 0.0
    positive = bool((map >= 0).all())
    return (
        float(row_entropy(map).mean()) if positive else None,
        float(numerical_rank(map).double().mean()),
    )


def cost(
    arms: Sequence[str],
    sizes: Sequence[int] = SIZES,
    clock: Callable[[], float] | None = None,
) -> Times:
    """Time of one forward pass of each arm's mixing, without projections.

    Args:
        arms: names of arms.
        sizes: numbers of tokens, squares.
        clock: what tells the time; see `timing.samples`.
    """
    what = f"one layer without its projections, width {WIDTH}, {HEADS} heads"
    cases = {name: mixing_case(name) for name in arms}
    return time_it(cases, sizes=sizes, rounds=3, what=what, clock=clock)


def mixing_case(name: str) -> Case:
    """For a number of tokens, the call that mixes so many by an arm."""
    arm = find_arm(name)

    def prepare(tokens: int) -> Callable[[], object]:
        side = round(tokens**0.5)
        mixer = arm.finish(TokenMixer(WIDTH, HEADS, grid=(side, side), **arm.options())).eval()
        q = torch.randn(1, tokens, WIDTH)
        return lambda: mixer(q, q, q, (side, side))

    return prepare
