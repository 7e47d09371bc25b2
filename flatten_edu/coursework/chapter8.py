"""Exercises of chapter 8, training: an honest difference, a choice of p, a run that fails."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Generator

from .cases import F64, whole
from .exercise import Case, Exercise

Row = dict[str, float]
WORDS = ("healthy", "overfits", "diverges", "does not learn")


def seed_cases(generator: Generator) -> list[Case]:
    """(a, b): accuracies of two arms over the same seeds, which rise and fall together."""
    cases = []
    for count in (3, 4, 5, whole(generator, 6, 9)):
        common = torch.randn(count, generator=generator, dtype=F64) * 2 + 90
        own = torch.randn(2, count, generator=generator, dtype=F64) * 0.5
        a, b = (common + own[0] + 0.7, common + own[1])
        cases.append(Case(tuple([round(x, 1) for x in side.tolist()] for side in (a, b))))
    return cases


def paired_difference(a: Sequence[float], b: Sequence[float], way: str = "") -> tuple:
    """Mean of a - b over the seeds, and its standard error."""
    differences, n = [x - y for x, y in zip(a, b, strict=True)], len(a)
    mean, spread = statistics.fmean(differences), statistics.stdev(differences)
    apart = [statistics.variance(side) for side in (a, b)]
    biased = [statistics.pvariance(side) for side in (a, b)]
    error = spread / math.sqrt(n)
    return {
        "": (mean, error),
        "unpaired": (mean, math.sqrt(sum(apart) / n)),
        "unpaired, n": (mean, math.sqrt(sum(biased) / n)),
        "n": (mean, statistics.pstdev(differences) / math.sqrt(n)),
        "n and spread": (mean, statistics.pstdev(differences)),
        "spread": (mean, spread),
        "over n": (mean, spread / n),
        "n - 1 below": (mean, spread / math.sqrt(n - 1)),
        "variance": (mean, spread**2 / n),
        "variance over root": (mean, spread**2 / math.sqrt(n)),
        "absolute, both": (
            statistics.fmean(map(abs, differences)),
            statistics.stdev(map(abs, differences)) / math.sqrt(n),
        ),
        "variance alone": (mean, spread**2),
        "b - a": (-mean, error),
        "median": (statistics.median(differences), error),
        "absolute": (statistics.fmean(map(abs, differences)), error),
        "sum": (sum(differences), error),
        "exchanged": (error, mean),
        "two errors": (mean, 1.96 * error),
        "difference of spreads": (mean, math.sqrt(apart[0]) - math.sqrt(apart[1])),
        "first's error": (mean, math.sqrt(apart[0] / n)),
        "best": (max(a) - max(b), error),
    }[way]


def table_cases(generator: Generator) -> list[Case]:
    """(results,): tables of which two at least tell each wrong rule from the right one."""
    while True:
        tables = [
            {p: drawn_results(generator) for p in powers}
            for powers in ((1, 2, 3), (2, 3, 8), (1, 2, 3, 4, 8), (1, 2, 3, 4, 8, 16))
        ]
        right = [choose_p(table) for table in tables]
        told = [
            sum(choose_p(table, rule) != p for table, p in zip(tables, right, strict=True))
            for rule in RULES
        ]
        if min(told) >= 2 and sum(p != 3 for p in right) >= 2:
            return [Case((table,)) for table in tables]


RULES = (
    *("test", "best", "best test", "both", "sum of n", "worst", "worst seed", "median"),
    *("steadiest", "first seed", "last seed", "first", "last"),
)


def drawn_results(generator: Generator) -> dict[str, list[float]]:
    """Accuracies of a few seeds on validation and test data."""
    numbers = torch.randn(2, whole(generator, 3, 6), generator=generator, dtype=F64)
    sides = (numbers * 1.5 + 92).mul(10).round().div(10).tolist()
    return dict(zip(("validation", "test"), sides, strict=True))


def choose_p(results: Mapping[Any, Mapping[str, list[float]]], rule: str = "") -> float:
    """The p whose validation accuracy is highest in the mean over seeds."""
    if rule in ("last", "first"):
        return list(results)[-1 if rule == "last" else 0]
    score = {
        "": lambda row: statistics.fmean(row["validation"]),
        "test": lambda row: statistics.fmean(row["test"]),
        "best": lambda row: max(row["validation"]),
        "best test": lambda row: max(row["test"]),
        "both": lambda row: statistics.fmean(row["validation"] + row["test"]),
        "sum of n": lambda row: sum(row["validation"]),
        "worst": lambda row: -statistics.fmean(row["validation"]),
        "worst seed": lambda row: min(row["validation"]),
        "steadiest": lambda row: -statistics.stdev(row["validation"]),
        "first seed": lambda row: row["validation"][0],
        "last seed": lambda row: row["validation"][-1],
        "median": lambda row: statistics.median(row["validation"]),
    }[rule]
    return max(results, key=lambda p: score(results[p]))


def log_cases(generator: Generator) -> list[Case]:
    """(rows,) of runs of each kind, with ten classes."""
    kinds = (
        *("healthy", "does not learn", "diverges", "overfits", "to nan", "slow", "early", "flat"),
        *("back to a guess", "gap"),
    )
    cases = []
    for kind in kinds:
        epochs = whole(generator, 12, 18)
        noise = torch.randn(2, epochs, generator=generator, dtype=F64).mul(0.01).tolist()
        rows = [row(kind, epoch, epochs, [n[epoch] for n in noise]) for epoch in range(epochs)]
        cases.append(Case((rows,)))
    return cases


def row(kind: str, epoch: int, epochs: int, noise: list[float]) -> Row:
    """One line of a log."""
    t, chance = epoch / (epochs - 1), math.log(10)
    fall = math.exp(-5 * t)
    train, test, right = {
        "healthy": lambda: (2.2 * fall + 0.1, 2.1 * fall + 0.25, 0.95 - 0.8 * fall),
        "gap": lambda: (2.25 * fall + 0.05, 1.6 * fall + 0.7, 0.78 - 0.6 * fall),
        "slow": lambda: (
            0.1 + 2.2 / (1 + math.exp(18 * (t - 0.45))),
            0.25 + 2.05 / (1 + math.exp(18 * (t - 0.45))),
            0.93 - 0.82 / (1 + math.exp(18 * (t - 0.45))),
        ),
        "does not learn": lambda: (chance, chance, 0.1),
        "flat": lambda: (chance + 0.03 * (1 - t), chance + 0.02 * (1 - t), 0.1 + 0.02 * t),
        "overfits": lambda: (2.3 * fall**2 + 0.01, 1.9 * fall**2 + 0.45 + 1.4 * t**2, 0.8),
        "early": lambda: (2.3 * fall**3 + 0.01, 1.7 * fall**3 + 0.5 + 1.2 * t, 0.75),
        "diverges": lambda: (1.2 + 40 * t**4, 1.3 + 42 * t**4, 0.6 - 0.5 * t),
        "back to a guess": lambda: (chance + 90 * t * (1 - t) ** 6 * 9, chance + 9 * (1 - t), 0.1),
        "to nan": lambda: (
            (math.nan, math.nan, 0.1) if t > 0.5 else (2.2 * fall, 2.2 * fall, 0.9 - 0.8 * fall)
        ),
    }[kind]()
    return {
        "epoch": epoch + 1,
        "train_loss": round(train + abs(noise[0]) * min(1.0, train), 4),
        "test_loss": round(test + noise[1], 4),
        "test_accuracy": round(right, 3),
    }


def diagnose(rows: Sequence[Row]) -> str:
    """Which of the four words fits the log."""
    first, last = rows[0], rows[-1]
    highest = max(row["train_loss"] for row in rows)
    if not math.isfinite(last["train_loss"]) or highest > 5:
        return "diverges"
    if last["train_loss"] > 0.9 * first["train_loss"]:
        return "does not learn"
    if last["test_loss"] > 1.4 * min(row["test_loss"] for row in rows):
        return "overfits"
    return "healthy"


LOOK = {
    "diverges": "The training loss goes far beyond a guess in some epoch, or ends at nan.",
    "does not learn": "The training loss stays near log 10 = 2.303, a guess among ten classes.",
    "overfits": "The training loss falls to nearly 0, and the test loss turns and rises.",
    "healthy": "Both losses fall and stay low; a little noise, a slow start, or a test loss that "
    "lies above the training loss and does not rise, is no illness.",
}


def right_word(value: Any, args: tuple) -> tuple[str, str] | None:
    """None, or which word stands where another belongs."""
    want = diagnose(args[0])
    if not isinstance(value, str) or value.strip().lower() not in WORDS:
        return "none of the four words", f"Return one of: {', '.join(map(repr, WORDS))}."
    said = value.strip().lower()
    if said == want:
        return None
    picked = [args[0][0], args[0][len(args[0]) // 2], args[0][-1]]
    log = "; ".join(
        f"epoch {r['epoch']:.0f}: train {r['train_loss']:.3g}, test {r['test_loss']:.3g}"
        for r in picked
    )
    return f"{want!r} is taken for {said!r}", f"{LOOK[want]} The log reads: {log}."


EXERCISES = [
    Exercise(
        name="paired_difference",
        signature="paired_difference(a, b)",
        chapter=8,
        level="warm-up",
        minutes=15,
        returns="two numbers, mean and standard error",
        cases=seed_cases,
        right=paired_difference,
        mistakes={
            "the seeds are not paired": (
                {"way": "unpaired"},
                "Both arms saw the same seeds. Take the differences seed by seed first; what the "
                "seeds have in common then falls away.",
            ),
            "the seeds are not paired, and n stands for n - 1": (
                {"way": "unpaired, n"},
                "Take the differences seed by seed first, and their spread with n - 1.",
            ),
            "the spread is taken with n, not n - 1": (
                {"way": "n"},
                "A spread that is estimated from n numbers divides by n - 1.",
            ),
            "the spread of the differences is not divided by the root of n": (
                {"way": "spread"},
                "This is the spread of one difference. The mean of n is surer: divide by sqrt(n).",
            ),
            "it is not divided by the root of n, and n stands for n - 1": (
                {"way": "n and spread"},
                "The spread divides by n - 1, and the mean's error is spread / sqrt(n).",
            ),
            "divided by n, not by its root": ({"way": "over n"}, "The error falls with sqrt(n)."),
            "divided by the root of n - 1": (
                {"way": "n - 1 below"},
                "n - 1 belongs into the spread; the error is spread / sqrt(n).",
            ),
            "the variance is taken, not the spread": (
                [{"way": "variance"}, {"way": "variance over root"}],
                "The root is missing: spread = sqrt(variance).",
            ),
            "the variance of the differences is returned": (
                {"way": "variance alone"},
                "The standard error is sqrt(variance / n).",
            ),
            "the sign is turned": ({"way": "b - a"}, "The difference is a - b."),
            "the median is taken, not the mean": ({"way": "median"}, "The mean is asked for."),
            "absolute differences are taken": (
                [{"way": "absolute"}, {"way": "absolute, both"}],
                "Differences keep their sign: an arm that loses on a seed counts as such.",
            ),
            "the differences are summed": ({"way": "sum"}, "The mean is asked for."),
            "mean and error are exchanged": ({"way": "exchanged"}, "The mean comes first."),
            "an interval is returned, not the standard error": (
                {"way": "two errors"},
                "1.96 errors make a 95 % interval; the error itself is asked for.",
            ),
            "the spreads are subtracted": (
                {"way": "difference of spreads"},
                "The spread of the differences is not the difference of the spreads.",
            ),
            "the error is that of the first arm": (
                {"way": "first's error"},
                "The error is that of the differences.",
            ),
            "the best seeds are compared": ({"way": "best"}, "Every seed counts: take the mean."),
        },
        hints=(
            "What is the same for both arms in one seed, and how do you get rid of it?",
            "differences = [x - y for x, y in zip(a, b)]. Mean and spread are those of this list.",
            "statistics.stdev(differences) / len(differences) ** 0.5.",
        ),
    ),
    Exercise(
        name="choose_p",
        signature="choose_p(results)",
        chapter=8,
        level="core",
        minutes=30,
        returns="one of the keys of results",
        cases=table_cases,
        right=choose_p,
        tolerance=1e-9,
        mistakes={
            "p is chosen on the test data": (
                {"rule": "test"},
                "Whoever chooses on the test data cannot report a test accuracy any more. "
                "Choose on validation.",
            ),
            "the best single seed decides": (
                {"rule": "best"},
                "The luckiest seed decides. Compare means over the seeds.",
            ),
            "p is chosen on the luckiest seed of the test data": (
                {"rule": "best test"},
                "Choose on validation, by the mean over the seeds.",
            ),
            "validation and test are taken together": (
                {"rule": "both"},
                "The test data have no say in a choice.",
            ),
            "accuracies are summed, not averaged": (
                {"rule": "sum of n"},
                "Not every p has equally many seeds: take the mean.",
            ),
            "the lowest accuracy is chosen": ({"rule": "worst"}, "The highest is best."),
            "the steadiest p is chosen": ({"rule": "steadiest"}, "The mean decides here."),
            "the worst seed decides": ({"rule": "worst seed"}, "The mean decides here."),
            "the first seed decides": ({"rule": "first seed"}, "All seeds count: take the mean."),
            "the last seed decides": ({"rule": "last seed"}, "All seeds count: take the mean."),
            "the median decides": ({"rule": "median"}, "The mean is asked for."),
            "the largest p is always taken": ({"rule": "last"}, "Look at the accuracies."),
            "the smallest p is always taken": ({"rule": "first"}, "Look at the accuracies."),
            "an accuracy is returned, not p": (
                [
                    lambda results: max(
                        statistics.fmean(r["validation"]) for r in results.values()
                    ),
                    lambda results: max(max(r["validation"]) for r in results.values()),
                    lambda results: max(statistics.fmean(r["test"]) for r in results.values()),
                ],
                "The p of the best mean is asked for, not the mean itself.",
            ),
            "a place in the list is returned, not p": (
                lambda results: list(results).index(choose_p(results)),
                "This is the number of the row. The key p of it is asked for.",
            ),
            "p is always 3": (lambda results: 3.0, "The table decides, not the paper."),
        },
        hints=(
            "Which accuracies may a choice look at, if the test accuracy is to be reported?",
            "One number for each p: the mean of its validation accuracies.",
            "max(results, key=...), with a function that gives the mean for a p.",
        ),
    ),
    Exercise(
        name="diagnose",
        signature="diagnose(rows)",
        chapter=8,
        level="stretch",
        minutes=30,
        returns="one of 'healthy', 'overfits', 'diverges', 'does not learn'",
        cases=log_cases,
        right=diagnose,
        mistakes={},
        inspect=right_word,
        hints=(
            "Draw train and test loss of each log. Where do they start, turn, end?",
            "Compare the last row with the first and with the lowest test loss. Is nan larger "
            "than a number? Try it.",
            "In this order: nan at the end, or any training loss beyond 5; a training loss that "
            "stayed; a test loss far above its own lowest; else healthy.",
        ),
    ),
]
