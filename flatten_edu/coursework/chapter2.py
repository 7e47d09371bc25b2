"""Exercises of chapter 2, linear attention: the map, the moved brackets, and a running sum."""

import torch
from torch import Generator, Tensor

from . import plain
from .cases import kernel_cases, normal
from .exercise import Case, Exercise

FEATURE_MISTAKES = {
    "ReLU is missing": (
        {"phi": "none"},
        "The features are q and k themselves. phi(x) = ReLU(x) + 1e-6 keeps every weight positive.",
    ),
    "the absolute value is taken, not ReLU": (
        {"phi": "abs"},
        "ReLU sets negative entries to 0; here their sign is dropped.",
    ),
    "the square is taken, not ReLU": ({"phi": "square"}, "phi is ReLU(x) + 1e-6, not x squared."),
    "elu + 1 is taken, not ReLU": ({"phi": "elu"}, "phi is ReLU(x) + 1e-6 here, not elu(x) + 1."),
    "leaky ReLU is taken, not ReLU": (
        {"phi": "leaky"},
        "A leaky ReLU leaves a little of the negative entries; weights may then be negative.",
    ),
    "the exponential is taken, not ReLU": (
        {"phi": "exp"},
        "phi is ReLU(x) + 1e-6 here, not the exponential.",
    ),
    "softplus is taken, not ReLU": ({"phi": "softplus"}, "phi is ReLU(x) + 1e-6, not softplus."),
    "GELU or SiLU is taken, not ReLU": (
        [{"phi": "gelu"}, {"phi": "silu"}],
        "phi is ReLU(x) + 1e-6. GELU and SiLU fall below 0, and weights may then be negative.",
    ),
    "tanh is taken, not ReLU": ({"phi": "tanh"}, "phi is ReLU(x) + 1e-6, not tanh."),
    "ReLU(x + 1) is taken": ({"phi": "plus one"}, "phi is ReLU(x) + 1e-6: nothing is shifted."),
    "the sigmoid is taken, not ReLU": ({"phi": "sigmoid"}, "phi is ReLU(x) + 1e-6, not a sigmoid."),
    "a softmax of the features is taken, not ReLU": (
        {"phi": "softmax"},
        "phi is ReLU(x) + 1e-6, entry by entry; here a softmax runs over the channels.",
    ),
    "ReLU is missing on the keys": (
        {"phi": "none", "only": "k"},
        "The queries have their feature map, the keys do not: phi belongs on both.",
    ),
    "ReLU is missing on the queries": (
        {"phi": "none", "only": "q"},
        "The keys have their feature map, the queries do not: phi belongs on both.",
    ),
    "queries and keys are brought to length 1": (
        {"phi": "unit"},
        "The features are divided by their length. phi(x) is ReLU(x) + 1e-6 as it is.",
    ),
    "the small number is too large": (
        [{"eps": 1.0}, {"eps": 0.1}, {"eps": 0.01}],
        "What is added after the ReLU is not small: 1e-6 only keeps a sum from being 0.",
    ),
}
ROW_MISTAKES = {
    "the rows are not normalised": (
        {"rows": "none"},
        "The weights of a query sum to 1: divide by phi(q) . (sum of phi(k) over the keys).",
    ),
    "the rows are normalised over queries, not keys": (
        {"rows": "queries"},
        "The sum below runs over the queries. Each query shares out a weight of 1 among the keys.",
    ),
    "divided by the number of keys, not by the row's sum": (
        [{"rows": "count"}, {"rows": "root of count"}],
        "A mean over the keys is not enough: divide each row by its own sum.",
    ),
    "divided by the number of queries": (
        {"rows": "count of queries"},
        "Divide each row by its own sum, not by n.",
    ),
    "ReLU is taken of the products, not of queries and keys": (
        {"rows": "products"},
        "A ReLU of q k^T acts on the map, and the brackets cannot move. phi acts on q and k.",
    ),
    "the sums of queries and keys are multiplied": (
        {"rows": "sums"},
        "The sum below is phi(q) . (sum of phi(k)), a product over d, not a product of two sums.",
    ),
    "the keys are missing in the sum below": (
        {"rows": "keys missing"},
        "It is divided by the sum of phi(q) over the channels. The row's sum is phi(q) . (sum of "
        "phi(k) over the keys).",
    ),
    "the sum has lost its axis": (
        {"rows": "keepdim"},
        "The row's sum b h n is divided along the wrong axis. Keep the axis: keepdim=True, or "
        "[..., None].",
    ),
    "a sum stands above, a mean below": (
        {"rows": "mean"},
        "The result is m times too large: take sums in both places, or means in both.",
    ),
    "a mean stands above, a sum below": (
        {"rows": "mean above"},
        "The result is m times too small: take sums in both places, or means in both.",
    ),
    "the rows are normalised over heads": (
        {"rows": "heads"},
        "The sum below runs over axis 1, the heads; it belongs along the keys.",
    ),
    "the whole map is normalised": (
        [{"rows": "both"}, {"rows": "all"}],
        "All weights together sum to 1; each row should.",
    ),
    "a row is divided by its length, not by its sum": (
        {"rows": "length"},
        "The row is divided by its L2 norm. Weights sum to 1 when divided by their sum.",
    ),
    "a softmax is taken of the products of features": (
        {"rows": "softmax"},
        "Linear attention has no softmax: divide by the sum.",
    ),
    "a scaled softmax is taken of the products of features": (
        {"rows": "scaled softmax"},
        "Linear attention has neither softmax nor d^-1/2: divide by the sum.",
    ),
    "d^-1/2 stands in the place of the row's sum": (
        {"rows": "scaled"},
        "d^-1/2 belongs to softmax attention. Here each row is divided by its sum.",
    ),
    "the sum below is taken without the feature map": (
        [{"rows": "raw"}, {"rows": "raw keys"}, {"rows": "raw queries"}],
        "The sum below uses q and k themselves; it needs phi(q) and phi(k) as well.",
    ),
    "the keys' features are divided by their sums, not the rows": (
        {"rows": "key features"},
        "phi(k) is divided by its sum over the keys, channel by channel. Divide the products: "
        "each row by phi(q) . sum of phi(k).",
    ),
    "the queries' features are divided by their sums, not the rows": (
        {"rows": "query features"},
        "phi(q) is divided by its sum over the queries, channel by channel. Divide the products: "
        "each row by phi(q) . sum of phi(k), a sum over the keys.",
    ),
    "queries and keys are normalised by themselves": (
        {"rows": "separate"},
        "phi(q) and phi(k) are each divided by their own sums. The sum below is that of the "
        "product: phi(q) . sum of phi(k).",
    ),
}


def memory_turned(q: Tensor, k: Tensor, v: Tensor, p: float = 1) -> Tensor:
    """The mistake of v^T k in the place of k^T v."""
    left, right = plain.features(q, p), plain.features(k, p)
    below = torch.einsum("bhnd, bhmd -> bhn", left, right).unsqueeze(-1)
    return left @ (v.double().mT @ right) / below


def without_queries(q: Tensor, k: Tensor, v: Tensor, p: float = 1) -> Tensor:
    """The mistake of the keys' sum alone below."""
    left, right = plain.features(q, p), plain.features(k, p)
    return left @ (right.mT @ v.double()) / right.sum(2, keepdim=True)


def running(q: Tensor, k: Tensor, v: Tensor, p: float = 1) -> Tensor:
    """The mistake of sums that go on from one query to the next."""
    scores = plain.kernel_weights(q, k, p, rows="none").cumsum(-2)
    return plain.mix(scores / scores.sum(-1, keepdim=True), q, k, v)


def axis_lost(q: Tensor, k: Tensor, v: Tensor, p: float = 1) -> Tensor:
    """The mistake of a sum b h n below b h n d."""
    scores = plain.kernel_weights(q, k, p, rows="none")
    return plain.mix(scores, q, k, v) / scores.sum(-1)


MEMORY_MISTAKES = {
    "queries and keys are exchanged": (
        lambda q, k, v, *p: plain.kernel_attention(k, q, v, *p),
        "phi(k) asks and phi(q) answers. It should be phi(q) phi(k)^T.",
    ),
    "the sums go on from one query to the next": (
        running,
        "Above and below, the sums of the queries before are still in. Each query starts at 0.",
    ),
    "the sum below has lost its axis": (
        axis_lost,
        "The row's sum b h n is divided along the wrong axis. Keep the axis: keepdim=True, or "
        "[..., None].",
    ),
    "k^T v is transposed": (
        memory_turned,
        "The d x d matrix is v^T k. It should be k^T v: phi(q) meets the channels of phi(k).",
    ),
    "the queries are missing in the sum below": (
        without_queries,
        "It is divided by the sum of phi(k), channel by channel. The row's sum is one number for "
        "each query: phi(q) . sum of phi(k).",
    ),
}
SOFTMAX_INSTEAD = {
    "this is softmax attention": (
        lambda q, k, v, *p: plain.softmax_attention(q, k, v),
        "This is softmax attention. Here the weights are products of features, phi(q) . phi(k).",
    ),
    "this is softmax attention without d^-1/2": (
        lambda q, k, v, *p: plain.softmax_attention(q, k, v, scale="none"),
        "This is a softmax. Here the weights are products of features, phi(q) . phi(k).",
    ),
}
MIX_MISTAKES = {
    "ReLU is taken of the values as well": (
        {"mixed": "relu"},
        "phi belongs to queries and keys; the values stay as they are.",
    ),
    "the map is transposed before it mixes": (
        {"mixed": "transposed"},
        "The sum over v runs along the queries; it should run along the keys, the last axis.",
    ),
    "the keys are mixed, not the values": ({"mixed": "k"}, "The weights should mix v, not k."),
    "the map is returned, not the mixed values": (
        {"mixed": "map"},
        "This is the map b h n m. It still has to mix the values.",
    ),
}


def shared_heads(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The mistake of one sum for all heads."""
    left, right = plain.features(q), plain.features(k)
    memory = torch.einsum("bhmd, bhme -> bde", right, v.double())
    above = torch.einsum("bhnd, bde -> bhne", left, memory)
    return above / torch.einsum("bhnd, bhmd -> bhn", left, right).unsqueeze(-1)


def brackets_moved(records: list[dict], cases: list[Case]) -> str | None:
    """A word for those who are right and still make the n x m map."""
    number = next(n for n, case in enumerate(cases) if case.watch)
    q, k = cases[number].args[:2]
    if records[number].get("largest", 0) < q.shape[2] * k.shape[2]:
        return "And the brackets are moved: no map of n x m weights is made."
    return (
        "One remark: the n x m map is still made. k^T v first (d x d), then q times it, gives the "
        "same numbers at a cost that grows with n, not with n m."
    )


def linear_cases(generator: Generator) -> list[Case]:
    """(q, k, v), and one with many tokens."""
    shape = (1, 1, 40, 2)
    wide = (normal(generator, *shape).abs() + 0.2 for _ in range(3))
    return [*kernel_cases(generator), Case(tuple(wide), frozenset({"many keys"}), watch="sizes")]


def causal(q: Tensor, k: Tensor, v: Tensor, way: str = "right", **switches) -> Tensor:
    """Token i mixes the values of tokens 0 to i."""
    scores = plain.kernel_weights(q, k, rows="none", **switches)
    seen, full = scores.tril(), scores.sum(-1, keepdim=True)
    left, right = plain.features(q, **switches), plain.features(k, **switches)
    above, below = {
        "right": lambda: (seen, seen.sum(-1, keepdim=True)),
        "sees all": lambda: (scores, full),
        "not itself": lambda: (scores.tril(-1), scores.tril(-1).sum(-1, keepdim=True)),
        "not itself, with 0": lambda: (
            scores.tril(-1),
            scores.tril(-1).sum(-1, keepdim=True).clamp_min(1e-9),
        ),
        "below sees all": lambda: (seen, full),
        "above sees all": lambda: (scores, seen.sum(-1, keepdim=True)),
        "forward": lambda: (scores.triu(), scores.triu().sum(-1, keepdim=True)),
        "not divided": lambda: (seen, torch.ones_like(full)),
        "channels": lambda: (seen, (left * right.cumsum(-1)).sum(-1, keepdim=True)),
        "own key": lambda: (seen, (left * right).sum(-1, keepdim=True)),
    }[way]()
    return plain.mix(above / below, q, k, v)


def steady_cases(generator: Generator) -> list[Case]:
    """(q, k, v) with n = m, in which every token has a product with itself well above 0."""
    cases = [case for case in kernel_cases(generator, square=True) if not case.finite]
    for case in cases:
        for tensor in case.args[:2]:
            tensor[..., 0] = tensor[..., 0].abs() + 0.3
    return cases


EXERCISES = [
    Exercise(
        name="linear_map",
        signature="linear_map(q, k)",
        chapter=2,
        level="warm-up",
        minutes=10,
        returns="b h n m, rows that sum to 1",
        cases=lambda generator: kernel_cases(generator, with_v=False),
        right=plain.kernel_weights,
        mistakes=FEATURE_MISTAKES | ROW_MISTAKES,
        hints=(
            "First phi(q) and phi(k), entry by entry; then all products; then each row's sum.",
            "phi(x) = x.relu() + 1e-6. Products: einsum over d gives b h n m. Which axis is a row?",
            "scores / scores.sum(-1, keepdim=True).",
        ),
    ),
    Exercise(
        name="linear_attention",
        signature="linear_attention(q, k, v)",
        chapter=2,
        level="core",
        minutes=20,
        returns="b h n d, the values mixed for each query",
        cases=linear_cases,
        right=plain.kernel_attention,
        mistakes=FEATURE_MISTAKES
        | ROW_MISTAKES
        | MIX_MISTAKES
        | MEMORY_MISTAKES
        | SOFTMAX_INSTEAD
        | {
            "this is focused attention": (
                [lambda q, k, v, p=p: plain.kernel_attention(q, k, v, p) for p in (3, 2, 4)],
                "The features are raised to a power here. Linear attention takes ReLU(x) + 1e-6.",
            ),
            "all heads share one sum": (
                shared_heads,
                "The sum over the keys also runs over the heads: keep h in the pattern, b h d e.",
            ),
        },
        after=brackets_moved,
        hints=(
            "Write (phi(q) phi(k)^T) v and move the brackets: which product has no n in it?",
            "memory = sum over m of phi(k)_m v_m^T, b h d d. The row's sum is phi(q) . sum of "
            "phi(k). Neither needs an n x m map.",
            "above = einsum(q, memory, 'b h n d, b h d e -> b h n e'), below = einsum(q, "
            "k.sum(2), 'b h n d, b h d -> b h n'), then above / below[..., None].",
        ),
    ),
    Exercise(
        name="causal_linear_attention",
        signature="causal_linear_attention(q, k, v)",
        chapter=2,
        level="stretch",
        minutes=30,
        returns="b h n d, token i mixed from tokens 0 to i",
        cases=steady_cases,
        right=causal,
        mistakes={
            "later tokens are seen": (
                {"way": "sees all"},
                "Every token sees all others, later ones too. Token i may use 0 to i only.",
            ),
            "a token does not see itself": (
                {"way": "not itself"},
                "Token i uses 0 to i - 1, and token 0 has nothing: 0 / 0. It sees itself too.",
            ),
            "a token does not see itself, and the first gets 0": (
                {"way": "not itself, with 0"},
                "Token i uses 0 to i - 1. It sees itself too.",
            ),
            "the sum below runs over all tokens": (
                {"way": "below sees all"},
                "Above, the sum stops at token i; below it runs over all tokens. Both stop at i.",
            ),
            "the sum above runs over all tokens": (
                {"way": "above sees all"},
                "Below, the sum stops at token i; above it runs over all tokens. Both stop at i.",
            ),
            "the sum below runs along the channels": (
                {"way": "channels"},
                "The running sum of phi(k) goes along the tokens, dim=2, not along the channels.",
            ),
            "only the token's own key stands below": (
                {"way": "own key"},
                "Below, phi(k) has to run along as well: the sum of phi(k) from 0 to i.",
            ),
            "it looks forward, not back": (
                {"way": "forward"},
                "Token i uses i and later ones; it should use 0 to i.",
            ),
            "the rows are not normalised": (
                {"way": "not divided"},
                "Divide by the sum of token i's weights, which runs from 0 to i.",
            ),
            **{name: FEATURE_MISTAKES[name] for name in list(FEATURE_MISTAKES)[:3]},
        },
        hints=(
            "With moved brackets there are two sums over the keys. What if they run along?",
            "torch.cumsum over the tokens of phi(k)_m v_m^T (b h m d e) and of phi(k)_m (b h m d).",
            "Query i then meets the i-th running sums: einsum 'b h n d, b h n d e -> b h n e'.",
        ),
    ),
]
