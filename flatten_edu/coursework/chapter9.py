"""Exercises of chapter 9, looking at a photo: entropy of rows, one row as a picture, rollout."""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from .cases import F32, F64, grid_tags, normal, whole
from .exercise import Case, Exercise
from .plain_grid import Grid

FAMILIES = ("n m", "b h n m", "h n m")


def random_map(generator: Generator, *shape: int, sharp: float = 1.5) -> Tensor:
    """A map whose rows sum to 1."""
    return (normal(generator, *shape) * sharp).softmax(-1)


def entropy_cases(generator: Generator) -> list[Case]:
    """(map,): n and m that differ, sharp and flat rows, one with weights of 0."""
    sizes = [(2, 2), (2, 3), (3, 3), (4, 2), (3, 5), (5, whole(generator, 6, 9))]
    cases = []
    for number, (n, m) in enumerate(sizes):
        kind = F32 if number in (0, 3) else F64
        words = frozenset({"n and m differ"} if n != m else ())
        cases.append(Case((random_map(generator, n, m).to(kind),), words, "n m"))
        heads = random_map(generator, 2, 3, n, m).to(kind)
        cases.append(Case((heads,), words, "b h n m"))
        cases.append(Case((heads[0],), words, "h n m"))
    one = torch.tensor([[0, 1, 0, 0], [0.5, 0, 0.5, 0], [0, 0.2, 0.8, 0]], dtype=F64)
    for shape, family in zip(((3, 4), (1, 1, 3, 4), (1, 3, 4)), FAMILIES, strict=True):
        cases.append(Case((one.reshape(shape),), frozenset({"weights of 0"}), family))
    return cases


def row_entropy(map: Tensor, base: str = "m", axis: int = -1, last: str = "", zero: str = "0"):
    """Minus the sum of a log a along each row, over log m."""
    map = map.double()
    logs = map.log() if zero == "nan" else map.clamp_min(1e-300).log()
    terms = {"": map * logs, "logs": logs, "squares": map**2}[
        "" if zero == "nan" else last_of(last)
    ]
    entropy = -terms.sum(axis)
    n, m = map.shape[-2:]
    divisor = {
        "m": math.log(m),
        "n": math.log(n),
        "none": 1.0,
        "bits": math.log(2),
        "both": math.log(2) * math.log(m),
        "log2 below": math.log2(m),
        "count": m,
        "ten": math.log(10),
        "n m": math.log(n * m),
    }[base]
    entropy = entropy / divisor
    return {
        "mean": lambda: entropy.mean(),
        "mean of heads": lambda: entropy.mean(-1),
        "sum of rows": lambda: entropy.sum(),
        "sign": lambda: -entropy,
        "focus": lambda: 1 - entropy,
        "exp": lambda: entropy.exp(),
        "row mean": lambda: entropy / map.shape[axis],
        "largest": lambda: map.amax(-1),
    }.get(last, lambda: entropy)()


def last_of(last: str) -> str:
    """Which terms are summed."""
    return last if last in ("logs", "squares") else ""


def with_eps(map: Tensor, eps: float, weights: Tensor) -> Tensor:
    """Minus the sum of w log (a + eps) along each row, over log m."""
    return -(weights.double() * (map.double() + eps).log()).sum(-1) / math.log(map.shape[-1])


def picture_cases(generator: Generator) -> list[Case]:
    """(map, place, grid)."""
    sizes = [
        ((2, 2), (0, 1)),
        ((2, 3), (1, 0)),
        ((3, 2), (2, 1)),
        ((3, 4), (1, 3)),
        ((4, 3), (3, 0)),
    ]
    cases = []
    for (rows, columns), place in sizes:
        map = random_map(generator, rows * columns, rows * columns)
        cases.append(Case((map, place, (rows, columns)), grid_tags(rows, columns)))
    return cases


def row_picture(
    map: Tensor, place: tuple[int, int], grid: Grid, side: str = "row", count: str = "y x"
) -> Tensor:
    """The weights of the query at a place, as a picture of the keys."""
    (y, x), (rows, columns) = place, grid
    token = {
        "y x": y * columns + x,
        "x y": x * columns + y,
        "rows": y * rows + x,
        "by column": x * rows + y,
        "sum": y + x,
        "first": 0,
        "from 1": (y - 1) * columns + x - 1,
    }.get(count, y * columns + x)
    line = map.double()[token] if side == "row" else map.double()[:, token]
    return {
        "by column": lambda: line.reshape(columns, rows).T,
        "filled by column": lambda: line.reshape(columns, rows).T,
        "turned": lambda: line.reshape(columns, rows),
        "transposed": lambda: line.reshape(rows, columns).T,
        "flat": lambda: line,
        "scaled": lambda: line.reshape(rows, columns) / line.max(),
    }.get(count, lambda: line.reshape(rows, columns))()


def rollout_cases(generator: Generator) -> list[Case]:
    """(maps,): one list of n n maps, first layer first."""
    sizes = [(1, 2), (2, 2), (2, 3), (3, 4), (whole(generator, 4, 6), 5)]
    return [Case(([random_map(generator, n, n) for _ in range(depth)],)) for depth, n in sizes]


def rollout(
    maps: Sequence[Tensor], order: str = "last first", skip: str = "half", joined: str = "product"
) -> Tensor:
    """(A_L + I) / 2 ... (A_1 + I) / 2: how much of each input is in each output."""
    one = torch.eye(len(maps[0]), dtype=F64)
    layers = [
        {
            "half": lambda m=m: (m.double() + one) / 2,
            "none": lambda m=m: m.double(),
            "whole": lambda m=m: m.double() + one,
            "ones": lambda m=m: (m.double() + 1) / 2,
            "third": lambda m=m: (m.double() + 2 * one) / 3,
        }[skip]()
        for m in maps
    ]
    if joined == "mean":
        return torch.stack(layers).mean(0)
    if joined == "sum":
        return torch.stack(layers).sum(0)
    total = layers[0]
    for layer in layers[1:]:
        if joined == "entries":
            total = total * layer
        else:
            total = layer @ total if order == "last first" else total @ layer
    if joined == "last":
        return layers[-1]
    if joined == "first":
        return layers[0]
    if joined == "skip last":
        return (total + one) / 2
    return total.T if joined == "transposed" else total


EXERCISES = [
    Exercise(
        name="row_entropy",
        signature="row_entropy(map)",
        chapter=9,
        level="warm-up",
        minutes=15,
        returns="one number a row, from 0 to 1",
        cases=entropy_cases,
        right=row_entropy,
        families=FAMILIES,
        mistakes={
            "a weight of 0 gives nan": (
                {"zero": "nan"},
                "0 log 0 counts as 0, but 0 * -inf is nan: use torch.special.entr, xlogy or "
                "clamp_min.",
            ),
            "nan is replaced after the sum": (
                lambda map: row_entropy(map, zero="nan").nan_to_num(0),
                "One weight of 0 makes the whole row nan, and then the whole row is set to 0. "
                "0 log 0 counts as 0: use torch.special.entr, or replace nan before the sum.",
            ),
            "the small number is too large": (
                [lambda map, eps=eps: with_eps(map, eps, map) for eps in (0.1, 0.01, 1e-3)],
                "What is added inside the logarithm changes the numbers: 1e-12 is enough, and "
                "torch.special.entr needs none.",
            ),
            "the entropy is multiplied by log m, not divided": (
                lambda map: row_entropy(map) * math.log(map.shape[-1]) ** 2,
                "Divide by log m, so that a uniform row has 1.",
            ),
            "log10 above, the natural logarithm below": (
                lambda map: row_entropy(map) / math.log(10),
                "The same logarithm belongs above and below.",
            ),
            "m is a fixed number": (
                [
                    lambda map, m=m: row_entropy(map, "none") / math.log(m)
                    for m in (3, 4, 5, 6, 8, 9, 10, 16, 49, 64, 100, 196)
                ],
                "It is divided by the logarithm of one fixed number. m is map.shape[-1].",
            ),
            "divided by the largest entropy found, not by log m": (
                lambda map: row_entropy(map) / row_entropy(map).amax(),
                "The largest entropy that is possible stands below, log m, not the largest found.",
            ),
            "the map is normalised once more": (
                lambda map: (
                    -torch.xlogy(map.double() / map.sum(), map.double() / map.sum()).sum(-1)
                    / math.log(map.shape[-1])
                ),
                "The rows sum to 1 already; divided by the sum of the whole map they do not.",
            ),
            "this is the Gini index": (
                [
                    lambda map: 1 - (map.double() ** 2).sum(-1),
                    lambda map: (1 - (map.double() ** 2).sum(-1)) / (1 - 1 / map.shape[-1]),
                ],
                "One minus the sum of squares is another measure. Entropy sums a log a.",
            ),
            "the entropy is not divided by log m": (
                {"base": "none"},
                "Divide by the entropy of the uniform row, log m, so that 1 means uniform.",
            ),
            "divided by log n, not by log m": (
                {"base": "n"},
                "A row has m weights, so its largest entropy is log m; n is the number of rows.",
            ),
            "the entropy is in bits, and not divided by log m": (
                {"base": "bits"},
                "Divide by the entropy of the uniform row, so that 1 means uniform.",
            ),
            "log2 above, the natural logarithm below": (
                {"base": "both"},
                "The same logarithm belongs above and below.",
            ),
            "the natural logarithm above, log2 below": (
                {"base": "log2 below"},
                "The same logarithm belongs above and below.",
            ),
            "a softmax is taken of the map once more": (
                lambda map: row_entropy(map.double().softmax(-1)),
                "The rows sum to 1 already; a softmax flattens them.",
            ),
            "the last axis is kept": (
                lambda map: row_entropy(map).unsqueeze(-1),
                "One number for each row: without keepdim=True.",
            ),
            "log10 above, and not divided": ({"base": "ten"}, "Divide by log10(m) then."),
            "divided by m, not by log m": ({"base": "count"}, "Divide by log m."),
            "divided by log of all weights": ({"base": "n m"}, "A row has m weights: log m."),
            "the mean over the rows is returned": (
                {"last": "mean"},
                "One number for each row is asked for, not their mean.",
            ),
            "the mean over the rows of each head is returned": (
                {"last": "mean of heads"},
                "One number for each row is asked for, not their mean.",
            ),
            "the sum over the whole map is returned": (
                {"last": "sum of rows"},
                "One number for each row is asked for: sum along the last axis only.",
            ),
            "the columns are taken, not the rows": (
                {"axis": -2},
                "The sum runs along the queries. A row runs along the keys, the last axis.",
            ),
            "the minus sign is missing": (
                {"last": "sign"},
                "log of a weight below 1 is negative: entropy is minus the sum.",
            ),
            "one minus the entropy is returned": (
                [
                    {"last": "focus"},
                    lambda map: math.log(map.shape[-1]) * (1 - row_entropy(map)),
                ],
                "1 should mean uniform, and 0 one token; it is the other way round.",
            ),
            "the exponential of the entropy is returned": (
                [
                    {"last": "exp"},
                    {"last": "exp", "base": "none"},
                    lambda map: row_entropy(map, "none", last="exp") / map.shape[-1],
                ],
                "The entropy itself over log m is asked for, not its exponential.",
            ),
            "the mean is taken along the row, not the sum": (
                {"last": "row mean"},
                "Entropy is a sum over the row, not a mean.",
            ),
            "the logarithms are not weighted": (
                [
                    {"last": "logs"},
                    *[
                        lambda map, eps=eps: with_eps(map, eps, torch.ones_like(map))
                        for eps in (1e-12, 1e-10, 1e-9, 1e-8, 1e-6)
                    ],
                ],
                "Each logarithm is multiplied by its weight: a log a.",
            ),
            "the sum of squares is taken": ({"last": "squares"}, "Entropy sums a log a."),
            "the largest weight is returned": ({"last": "largest"}, "Entropy sums a log a."),
        },
        hints=(
            "Which row has the largest entropy, and how large is it?",
            "Entropy is minus the sum of a log a along the row. For m equal weights it is log m.",
            "torch.special.entr(map).sum(-1) / math.log(map.shape[-1]).",
        ),
    ),
    Exercise(
        name="row_picture",
        signature="row_picture(map, place, grid)",
        chapter=9,
        level="core",
        minutes=20,
        returns="rows x columns",
        cases=picture_cases,
        right=row_picture,
        mistakes={
            "a column is taken, not a row": (
                {"side": "column"},
                "This shows who looks at the patch. The row shows where the patch looks.",
            ),
            "y and x of the place are exchanged": (
                {"count": "x y"},
                "place is (y, x): token number y * columns + x.",
            ),
            "y counts the rows, not their length": (
                {"count": "rows"},
                "Each step in y passes a whole row of `columns` tokens: y * columns + x.",
            ),
            "tokens are counted column by column": (
                {"count": "by column"},
                "Tokens are counted row by row: y * columns + x.",
            ),
            "the picture is filled column by column": (
                {"count": "filled by column"},
                "Tokens are counted row by row: 'n = (y x)'.",
            ),
            "rows and columns of the picture are exchanged": (
                {"count": "turned"},
                "The picture has grid[0] rows and grid[1] columns.",
            ),
            "the picture is transposed": ({"count": "transposed"}, "y runs down, x to the right."),
            "places are counted from 1": (
                {"count": "from 1"},
                "place is counted from 0: token number y * columns + x, nothing taken off.",
            ),
            "y and x are added": ({"count": "sum"}, "The token's number is y * columns + x."),
            "the row of the first patch is always shown": (
                {"count": "first"},
                "The row is that of the patch at `place`.",
            ),
            "the row is not laid out on the grid": (
                {"count": "flat"},
                "The weights stand in one line: reshape them to rows x columns.",
            ),
            "the weights are divided by the largest": (
                {"count": "scaled"},
                "The weights are asked for as they are.",
            ),
        },
        hints=(
            "Number the patches of a 2 x 3 grid. Which number has the patch at (1, 0)?",
            "Row y * columns + x of the map holds the weights of that patch on all others.",
            "rearrange(row, '(y x) -> y x', y=grid[0]).",
        ),
    ),
    Exercise(
        name="rollout",
        signature="rollout(maps)",
        chapter=9,
        level="stretch",
        minutes=25,
        returns="n n, rows that sum to 1",
        cases=rollout_cases,
        right=rollout,
        mistakes={
            "the layers are in the wrong order": (
                {"order": "first first"},
                "The first layer acts first, so it stands on the right: A_L ... A_1.",
            ),
            "the skip connection is missing": (
                {"skip": "none"},
                "Half of each token passes by the attention: (A + I) / 2.",
            ),
            "the half is missing": (
                {"skip": "whole"},
                "A + I has rows that sum to 2: divide by 2.",
            ),
            "the skip connection is added once, at the end": (
                {"skip": "none", "joined": "skip last"},
                "Every layer has its own skip connection: (A + I) / 2 before the product.",
            ),
            "ones stand where the identity belongs": (
                {"skip": "ones"},
                "A + 1 adds 1 to every entry. I is torch.eye(n): ones on the diagonal alone.",
            ),
            "the identity weighs twice": ({"skip": "third"}, "A and I have equal shares: a half."),
            "entries are multiplied, not matrices": (
                {"joined": "entries"},
                "A * B multiplies entry by entry; layers follow each other by A @ B.",
            ),
            "the maps are averaged": (
                {"joined": "mean"},
                "Layers act one after another: their matrices are multiplied.",
            ),
            "the maps are summed": (
                {"joined": "sum"},
                "Layers act one after another: their matrices are multiplied.",
            ),
            "only the last layer is used": ({"joined": "last"}, "All layers have a part in it."),
            "only the first layer is used": ({"joined": "first"}, "All layers have a part in it."),
            "the result is transposed": (
                {"joined": "transposed"},
                "Rows belong to outputs, columns to inputs.",
            ),
        },
        hints=(
            "After one layer the tokens are A v plus v itself. As one matrix, with rows of sum 1?",
            "(A + I) / 2 for each layer. If M1 acts first and then M2, which product is it?",
            "Start with the first layer's matrix and multiply each next one from the left.",
        ),
    ),
]
