"""Exercises of chapter 4, rank: counting it, measuring it without a threshold, building it."""

import math
from typing import Any

import torch
from torch import Generator, Tensor

from . import plain
from .cases import F64, whole
from .compare import as_tensor
from .exercise import Case, Exercise

LOG10 = math.log(10)
FAMILIES = ("n m", "b h n m", "h n m")
ZERO_VALUE = (
    "One remark: a singular value of exactly 0 gives nan here, because 0 * log 0 is 0 * -inf. It "
    "should count as 0: torch.special.entr does that."
)


def with_values(generator: Generator, n: int, m: int, values: list[float]) -> Tensor:
    """A random n m matrix with these singular values, the rest 0 but for rounding."""
    left, _ = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=F64))
    right, _ = torch.linalg.qr(torch.randn(m, m, generator=generator, dtype=F64))
    return left[:, : len(values)] @ torch.tensor(values, dtype=F64).diag() @ right[: len(values)]


def spectra(generator: Generator) -> list[tuple[int, int, list[float]]]:
    """Sizes and singular values; no value is exactly 0 where the matrix is small."""
    drawn = torch.rand(5, generator=generator, dtype=F64).mul(3).add(0.2).tolist()
    return [
        (2, 2, [2.0, 0.5]),
        (2, 3, [1.5, 0.4]),
        (4, 3, [3.0, 1.0, 0.2]),
        (5, 5, drawn),
        (6, 8, [*drawn, 0.05]),
    ]


def in_families(maps: list[Tensor]) -> list[Case]:
    """Each map alone, and unlike maps stacked as heads, for functions that want them."""
    cases = [Case((each,), family="n m") for each in maps]
    for each in maps:
        heads = torch.stack([each, each.flip(0) * 2 + each, each**2])
        cases.append(Case((heads[None],), family="b h n m"))
        cases.append(Case((heads,), family="h n m"))
    return cases


def effective_cases(generator: Generator) -> list[Case]:
    """(map,), and one with a singular value of exactly 0."""
    cases = in_families([with_values(generator, *each) for each in spectra(generator)])
    empty = torch.tensor([2.0, 0.5, 0.0]).double().diag()
    shapes = zip(((3, 3), (1, 1, 3, 3), (1, 3, 3)), FAMILIES, strict=True)
    return cases + [Case((empty.reshape(s),), family=f, remark=ZERO_VALUE) for s, f in shapes]


def effective_rank(
    map: Tensor,
    power: float = 1,
    share: str = "sum",
    last: str = "exp",
    values_of: str = "singular",
) -> Tensor:
    """exp of the entropy of the singular values divided by their sum."""
    map = map.double()
    if values_of == "centred":
        map = map - map.mean(-2, keepdim=True)
    values = torch.linalg.svdvals(map) ** power
    if values_of == "eigen":
        values = torch.linalg.eigvals(map).abs()
    elif values_of == "diagonal":
        values = map.diagonal(dim1=-2, dim2=-1).abs()
    elif values_of == "entries":
        values = map.flatten(-2)
    if last == "participation":
        return values.sum(-1) ** 2 / (values**2).sum(-1)
    if last == "stable":
        return (values**2).sum(-1) / values.amax(-1) ** 2
    if last == "count":
        return (values > 1e-9).double().sum(-1)
    below = {
        "sum": lambda: values.sum(-1, keepdim=True),
        "largest": lambda: values.amax(-1, keepdim=True),
        "length": lambda: torch.linalg.vector_norm(values, dim=-1, keepdim=True),
        "none": lambda: 1.0,
        "mean": lambda: values.mean(-1, keepdim=True),
        "softmax": lambda: 1.0,
    }[share]()
    shares = values.softmax(-1) if share == "softmax" else values / below
    terms = torch.special.xlogy(shares, shares)
    entropy = -terms.sum(-1)
    bits = entropy / torch.log(torch.tensor(2.0, dtype=F64))
    return {
        "exp": lambda: entropy.exp(),
        "10 to nats": lambda: 10**entropy,
        "exp of share": lambda: (entropy / math.log(values.shape[-1])).exp(),
        "sum of exp": lambda: (-terms).exp().sum(-1),
        "entropy": lambda: entropy,
        "bits": lambda: bits,
        "exp of bits": lambda: bits.exp(),
        "2 to nats": lambda: 2**entropy,
        "exp of log10": lambda: (entropy / LOG10).exp(),
        "log10": lambda: entropy / LOG10,
        "rounded": lambda: entropy.exp().round(),
        "floor": lambda: entropy.exp().floor(),
        "summed": lambda: values.sum(-1),
        "over largest": lambda: values.sum(-1) / values.amax(-1),
        "sign": lambda: (-entropy).exp(),
        "normalised": lambda: entropy / torch.tensor(float(values.shape[-1])).log(),
        "mean": lambda: (entropy / values.shape[-1]).exp(),
    }[last]()


def numerical_cases(generator: Generator) -> list[Case]:
    """(map,) in float64: ranks that are clear, small values that count, maps of other units."""
    values = [
        (3, 3, [1.0, 0.5]),
        (4, 4, [1.0, 0.3, 1e-3, 1e-8]),
        (5, 7, [1.0, 1e-4, 1e-7, 1e-9]),
        (6, 6, [1e-4, 1e-8, 5e-13]),
        (12, 9, [3e4, 2e3, 1.0, 1e-3]),
        (8, 8, [1.0] * whole(generator, 4, 7)),
    ]
    return in_maps([with_values(generator, *each) for each in values])


def in_maps(maps: list[Tensor]) -> list[Case]:
    """Each map alone, and twice in a stack."""
    cases = [Case((each,), family="n m") for each in maps]
    cases += [Case((torch.stack([each, each.flip(0)])[None],), family="b h n m") for each in maps]
    return cases + [Case((torch.stack([each, each.flip(0)]),), family="h n m") for each in maps]


def numerical_rank(map: Tensor, limit: str = "relative", kind: str = "double") -> Tensor:
    """How many singular values exceed the largest, times max(n, m), times epsilon."""
    values = torch.linalg.svdvals(map.float() if kind == "float" else map).double()
    largest = values.amax(-1, keepdim=True)
    epsilon = torch.finfo(torch.float32 if kind == "float" else F64).eps
    bound = {
        "float32's": lambda: largest * max(map.shape[-2:]) * torch.finfo(torch.float32).eps,
        "zero": lambda: torch.zeros_like(largest),
        "absolute": lambda: torch.full_like(largest, 1e-6),
        "percent": lambda: largest * 0.01,
        "permille": lambda: largest * 1e-3,
        "1e-6": lambda: largest * 1e-6,
        "absolute 1e-10": lambda: torch.full_like(largest, 1e-10),
        "absolute 1e-5": lambda: torch.full_like(largest, 1e-5),
        "absolute 1e-3": lambda: torch.full_like(largest, 1e-3),
        "absolute 1e-8": lambda: torch.full_like(largest, 1e-8),
        "epsilon": lambda: torch.full_like(largest, epsilon),
        "absolute 1e-12": lambda: torch.full_like(largest, 1e-12),
        "half": lambda: largest / 2,
    }.get(limit, lambda: largest * max(map.shape[-2:]) * epsilon)()
    counted = values > bound
    if limit == "below":
        return (~counted).double().sum(-1)
    return (values * counted if limit == "summed" else counted.double()).sum(-1)


def not_relative(limit: str) -> tuple[dict, str]:
    """An entry of the table for a tolerance that does not follow the map's unit."""
    return (
        {"limit": limit},
        "The threshold is a fixed number. A map times 0.001 has the same rank: measure singular "
        "values against the largest one.",
    )


def rank_cases(generator: Generator) -> list[Case]:
    """(n, d, r) with r up to min(n, d)."""
    n, d = whole(generator, 8, 12), whole(generator, 5, 7)
    return [Case(sizes) for sizes in ((3, 2, 1), (6, 4, 2), (8, 5, 5), (n, d, 3), (4, 6, 4))]


def has_rank(value: Any, args: tuple) -> tuple[str, str] | None:
    """q and k, n d, whose map of linear attention has rank r."""
    n, d, r = args
    pair = as_tensor(value)
    if pair is None or pair.ndim < 3 or len(pair) != 2:
        return "two tensors are asked for", "Return two tensors n d of equal shape: return q, k."
    q, k = (side.reshape(1, 1, *side.shape[-2:]) for side in pair)
    if pair[0].numel() != n * d or q.shape[2:] != (n, d):
        found = tuple(pair[0].shape)
        return "the shape is wrong", f"q and k should be n d = ({n}, {d}), but are {found}."
    map = plain.kernel_weights(q, k)
    if not map.isfinite().all():
        return "nan or infinite numbers", "The map of these q and k has nan or infinite numbers."
    found = int(torch.linalg.matrix_rank(map[0, 0]))
    if found == r:
        return None
    words = f"n = {n}, d = {d}, r = {r}: the map of your q and k has rank {found}."
    empty = any((side.amax((0, 1, 2)) <= 0).any() for side in (q, k))
    if found == r + 1 and empty:
        return (
            "a channel of zeros still counts",
            f"{words} A channel that is zero becomes 1e-6 in phi, and that is one more direction. "
            "Repeat a channel instead of leaving it empty.",
        )
    name = "the rank is too high" if found > r else "the rank is too low"
    return name, f"{words} The rank is at most the number of unlike channels of phi(q) and phi(k)."


EXERCISES = [
    Exercise(
        name="numerical_rank",
        signature="numerical_rank(map)",
        chapter=4,
        level="warm-up",
        minutes=10,
        returns="a whole number",
        cases=numerical_cases,
        right=numerical_rank,
        families=FAMILIES,
        mistakes={
            "every value above 0 is counted": (
                {"limit": "zero"},
                "Rounding leaves values near 1e-17 where 0 is meant: count what is above the "
                "largest times max(n, m) times torch.finfo(map.dtype).eps.",
            ),
            "float32 is too coarse": (
                {"limit": "float32's"},
                "The map is in float64, whose torch.finfo(map.dtype).eps is 2e-16. In float32, or "
                "with its 1e-7 as tolerance, small singular values drown.",
            ),
            "float32 is too coarse, its rounding is counted": (
                {"limit": "relative", "kind": "float"},
                "The map is turned into float32 first. Small singular values drown there.",
            ),
            "the tolerance is too large": (
                {"limit": "permille"},
                "Values below a thousandth of the largest are dropped, though they are not "
                "rounding. Take max(n, m) times torch.finfo(map.dtype).eps.",
            ),
            "the tolerance is a percent": (
                {"limit": "percent"},
                "Values below a hundredth of the largest are dropped, but are no rounding.",
            ),
            "the tolerance is too large: 1e-6 of the largest": (
                {"limit": "1e-6"},
                "Values below a millionth of the largest are dropped, but are no rounding.",
            ),
            "the values are summed, not counted": (
                {"limit": "summed"},
                "The values above the threshold are summed. Their number is asked for: "
                "(values > threshold).sum().",
            ),
            "the values below the threshold are counted": (
                {"limit": "below"},
                "The rank is the number of values above the threshold.",
            ),
            **{
                f"the tolerance does not follow the largest value ({name})": not_relative(limit)
                for name, limit in (
                    ("1e-6", "absolute"),
                    ("1e-5", "absolute 1e-5"),
                    ("1e-3", "absolute 1e-3"),
                    ("1e-8", "absolute 1e-8"),
                    ("1e-10", "absolute 1e-10"),
                    ("1e-12", "absolute 1e-12"),
                    ("epsilon", "epsilon"),
                )
            },
        },
        hints=(
            "The rank is the number of singular values that are not 0. Which numbers does a "
            "computer give for 0?",
            "torch.linalg.svdvals(map) gives the values, largest first. A value counts if it is "
            "above a share of the largest.",
            "The share is max(n, m) times torch.finfo(map.dtype).eps; count with (...).sum().",
        ),
    ),
    Exercise(
        name="effective_rank",
        signature="effective_rank(map)",
        chapter=4,
        level="core",
        minutes=15,
        returns="a number between 1 and min(n, m)",
        cases=effective_cases,
        right=effective_rank,
        families=FAMILIES,
        mistakes={
            "the roots of the singular values are taken": (
                {"power": 0.5},
                "Shares are taken of the roots. Take the singular values as they are.",
            ),
            "the eigenvalues are taken, not the singular values": (
                {"values_of": "eigen"},
                "torch.linalg.svdvals gives the singular values; eigenvalues exist for square "
                "maps only, and are other numbers.",
            ),
            "the entries of the map are taken, not its singular values": (
                {"values_of": "entries"},
                "The shares are those of the singular values, not of the entries.",
            ),
            "the diagonal of the map is taken, not its singular values": (
                {"values_of": "diagonal"},
                "The shares are those of the singular values: torch.linalg.svdvals(map).",
            ),
            "the values are summed": (
                {"last": "summed"},
                "This is the sum of the singular values (the nuclear norm).",
            ),
            "the mean is taken off the map": (
                {"values_of": "centred"},
                "The singular values are those of the map as it is, nothing taken off.",
            ),
            "the entropy is divided by log n before exp": (
                {"last": "exp of share"},
                "The entropy is not divided by its largest value here: exp(entropy).",
            ),
            "each term has its own exponential": (
                {"last": "sum of exp"},
                "Sum first, then one exponential: exp of the entropy.",
            ),
            "the natural logarithm and 10 ** do not fit": (
                {"last": "10 to nats"},
                "The entropy is in nats; exp undoes it, 10 ** undoes log10.",
            ),
            "the singular values are squared": (
                {"power": 2},
                "Shares are taken of the squares. Take the singular values as they are.",
            ),
            "the exponential is missing": (
                {"last": "entropy"},
                "This is the entropy; the effective rank is its exponential.",
            ),
            "the entropy is in bits, and the exponential is missing": (
                {"last": "bits"},
                "This is the entropy in bits; the effective rank is exp of the entropy in nats.",
            ),
            "log2 and exp do not fit": (
                {"last": "exp of bits"},
                "The entropy is in bits (log2), but exp undoes the natural logarithm.",
            ),
            "the natural logarithm and 2 ** do not fit": (
                {"last": "2 to nats"},
                "The entropy is in nats; exp undoes it, 2 ** undoes log2.",
            ),
            "log10 and exp do not fit": (
                [{"last": "exp of log10"}, {"last": "log10"}],
                "The entropy is taken with log10, but exp undoes the natural logarithm.",
            ),
            "the result is rounded": (
                [{"last": "rounded"}, {"last": "floor"}],
                "The effective rank need not be a whole number: leave it as it is.",
            ),
            "a softmax of the values is taken": (
                {"share": "softmax"},
                "Shares are the values over their sum, not a softmax of them.",
            ),
            "this is the sum over the largest value": (
                {"last": "over largest"},
                "The sum of the values over the largest is another measure: exp of an entropy.",
            ),
            "the minus sign is missing": (
                {"last": "sign"},
                "Entropy is minus the sum of share times log share.",
            ),
            "the entropy is divided by its largest value": (
                {"last": "normalised"},
                "This is the entropy over log n, as for rows. The effective rank is exp(entropy).",
            ),
            "the mean is taken, not the sum": (
                {"last": "mean"},
                "The entropy is a sum over the singular values, not their mean.",
            ),
            "the values are divided by the largest, not by their sum": (
                {"share": "largest"},
                "Shares sum to 1: divide by the sum of the singular values.",
            ),
            "the values are divided by their length, not by their sum": (
                {"share": "length"},
                "Shares sum to 1: divide by the sum of the singular values, not by the L2 norm.",
            ),
            "the values are not divided by their sum": (
                {"share": "none"},
                "The entropy needs shares that sum to 1: divide by the sum of the singular values.",
            ),
            "the values are divided by their mean, not by their sum": (
                {"share": "mean"},
                "Shares sum to 1: divide by the sum of the singular values.",
            ),
            "this is the participation ratio": (
                {"last": "participation"},
                "(sum s)^2 / sum s^2 is another measure. Here it is exp of an entropy.",
            ),
            "this is the stable rank": (
                {"last": "stable"},
                "Sum of squares over the largest square is another measure: exp of an entropy.",
            ),
            "the values are counted": (
                {"last": "count"},
                "This counts singular values. The effective rank weighs them.",
            ),
        },
        hints=(
            "Treat the singular values as shares of a whole. How many equal shares would have "
            "the same entropy?",
            "s = torch.linalg.svdvals(map); shares = s / s.sum(); entropy: -sum of a log a.",
            "The entropy of k equal shares is log k. So the effective rank is exp(entropy).",
        ),
    ),
    Exercise(
        name="rank_exactly",
        signature="rank_exactly(n, d, r)",
        chapter=4,
        level="stretch",
        minutes=25,
        returns="q and k, each n d, whose map of linear attention has rank r",
        cases=rank_cases,
        right=lambda n, d, r: None,
        mistakes={},
        inspect=has_rank,
        hints=(
            "The map is phi(q) phi(k)^T with its rows divided. Which of the two steps sets the "
            "rank, and what bounds it?",
            "Equal channels count once. How many unlike ones do you need, and what may the "
            "others be?",
            "Draw n r positive numbers, and let channel j repeat channel j % r. An empty channel "
            "becomes 1e-6 in phi, and counts.",
        ),
    ),
]
