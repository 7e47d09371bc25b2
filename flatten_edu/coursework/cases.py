"""Hidden inputs: small random shapes of every kind, the first small enough to be read."""

import torch
from torch import Generator, Tensor

from . import plain
from .exercise import Case

F32, F64 = torch.float32, torch.float64

# b h n m d: two that can be read, squares where a wrong axis still fits, and what is left.
SHAPES = [
    (1, 1, 2, 2, 2, F32),
    (1, 1, 2, 3, 2, F32),
    (1, 1, 3, 3, 3, F64),
    (1, 2, 3, 3, 2, F32),
    (2, 1, 3, 2, 4, F64),
    (1, 1, 4, 4, 2, F64),
]
NO_POSITIVE = (
    "1e-6 is missing",
    "A query without a positive entry gives nan: after the ReLU all its weights are 0, and 0 / 0 "
    "has no value. The feature map is ReLU(x) + 1e-6.",
)


def whole(generator: Generator, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def normal(generator: Generator, *shape: int, dtype: torch.dtype = F64) -> Tensor:
    """Normal numbers with one decimal, so that an example can be read."""
    return (
        (torch.randn(shape, generator=generator, dtype=F64) * 10).round().div(10).add(0.0).to(dtype)
    )


def shapes(generator: Generator, square: bool = False) -> list[tuple]:
    """The fixed shapes and three drawn ones; with `square`, n = m in all of them."""
    drawn = []
    for heads in (1, 3, whole(generator, 2, 4)):
        b, n, d = (whole(generator, low, high) for low, high in ((1, 3), (3, 5), (3, 6)))
        drawn.append((b, heads, n, n + whole(generator, 1, 3), d, F64))
    every = [*SHAPES, *drawn]
    return [(b, h, n, n, d, dtype) for b, h, n, _, d, dtype in every] if square else every


def tags(b: int, h: int, n: int, m: int, dtype: torch.dtype) -> frozenset[str]:
    """What is particular about such inputs."""
    said = {
        "several images": b > 1,
        "several heads": h > 1,
        "n and m differ": n != m,
        "float64": dtype == F64,
    }
    return frozenset(word for word, holds in said.items() if holds)


def attention_cases(generator: Generator, square: bool = False) -> list[Case]:
    """(q, k, v) for softmax attention."""
    cases = []
    for b, h, n, m, d, dtype in shapes(generator, square):
        sides = (normal(generator, b, h, tokens, d, dtype=dtype) * 1.5 for tokens in (n, m, m))
        cases.append(Case(tuple(sides), tags(b, h, n, m, dtype)))
    return cases


def kernel_cases(
    generator: Generator, square: bool = False, powers: tuple = (), with_v: bool = True
) -> list[Case]:
    """(q, k, v) or (q, k), and p if there are powers, whose rows have sums well above 1e-6."""
    cases = []
    for number, (b, h, n, m, d, dtype) in enumerate(shapes(generator, square)):
        p = powers[number % len(powers)] if powers else 1
        q, k = lively(generator, (b, h, n, d), (b, h, m, d), p)
        v = [normal(generator, b, h, m, d, dtype=dtype)] if with_v else []
        words = tags(b, h, n, m, dtype) | ({"p is not 3"} if powers and p != 3 else set())
        power = [p] if powers else []
        cases.append(Case((q.to(dtype), k.to(dtype), *v, *power), words))
    return [*cases, without_positive(cases[2], powers)]


def lively(
    generator: Generator, q_shape: tuple, k_shape: tuple, p: float, least: float = 0.2
) -> tuple[Tensor, Tensor]:
    """Queries and keys with negative entries, keys of unlike lengths, and no row that is nearly 0.

    So a small number in a denominator changes nothing that can be seen, and a missing ReLU does.
    """
    q = normal(generator, *q_shape)
    while True:
        k = normal(generator, *k_shape)
        k = torch.where(k.amax(-1, keepdim=True) < 0.2, k.abs() + 0.2, k)
        k = (k * (1 + 2 * torch.rand(*k_shape[:3], 1, generator=generator))).mul(10).round() / 10
        for _ in range(50):
            low = plain.kernel_weights(q, k, p, rows="none").sum(-1) <= least
            if not low.any() and (q < 0).any() and (k < 0).any():
                return q, k
            if not low.any():
                low = ~low
            q = torch.where(low.unsqueeze(-1), normal(generator, *q_shape), q)


def without_positive(case: Case, powers: tuple) -> Case:
    """The case with a first query that has no positive entry: the result need only be finite."""
    q, *rest = case.args
    q = q.clone()
    q[:, :, 0] = -q[:, :, 0].abs() - 0.1
    rest = [3 if powers and number == len(rest) - 1 else value for number, value in enumerate(rest)]
    return Case((q, *rest), frozenset({"a query without a positive entry"}), finite=NO_POSITIVE)


def grids(generator: Generator) -> list[tuple[int, int, int]]:
    """(rows, columns, kernel size): squares, rectangles both ways, a kernel wider than the grid."""
    drawn = (whole(generator, 2, 4), whole(generator, 5, 6), 3)
    return [(1, 3, 3), (2, 2, 3), (3, 3, 3), (2, 3, 3), (4, 2, 3), (2, 4, 5), (3, 5, 1), drawn]


def grid_tags(rows: int, columns: int) -> frozenset[str]:
    """What is particular about a grid."""
    return frozenset({"a grid that is no square"} if rows != columns else ())
