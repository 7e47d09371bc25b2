"""Exercises of chapter 1, softmax attention: heads, the equation, and the same block by block."""

import torch
from torch import Generator, Tensor

from . import plain
from .cases import F64, attention_cases, normal, whole
from .exercise import Case, Exercise

Q_K_V = "b h n d, the values mixed for each query"


def split_cases(generator: Generator) -> list[Case]:
    """(x, heads)."""
    sizes = [(1, 2, 2, 2), (1, 3, 2, 3), (2, 4, 3, 2), (1, 3, 1, 4), (3, 5, 4, 3), (2, 3, 3, 3)]
    cases = []
    for b, n, h, d in sizes:
        words = {"one head"} if h == 1 else {"several heads"}
        words |= {"several images"} if b > 1 else set()
        cases.append(Case((normal(generator, b, n, h * d), h), frozenset(words)))
    return cases


def split_heads(x: Tensor, heads: int, way: str = "slices") -> Tensor:
    """Head i takes the i-th slice of d channels: b n (h d) -> b h n d."""
    b, n, c = x.shape
    d = c // heads
    if way == "slices":
        return torch.stack([x[..., head * d : (head + 1) * d] for head in range(heads)], 1)
    return {
        "every h-th": lambda: torch.stack([x[..., head::heads] for head in range(heads)], 1),
        "not moved": lambda: x.reshape(b, heads, n, d),
        "behind": lambda: x.reshape(b, n, heads, d),
        "swapped": lambda: x.reshape(b, n, heads, d).permute(0, 3, 1, 2),
        "into batch": lambda: split_heads(x, heads).reshape(b * heads, n, d),
    }[way]()


def in_blocks(q: Tensor, k: Tensor, v: Tensor, size: int, way: str = "", **switches) -> Tensor:
    """Softmax attention whose keys are taken `size` at a time, with one sum over all blocks."""
    if way == "short":
        used = k.shape[2] // size * size
        k, v = k[:, :, :used], v[:, :, :used]
    parts = list(zip(k.split(size, 2), v.split(size, 2), strict=True))
    if way in ("averaged", "added"):
        mixed = torch.stack([plain.softmax_attention(q, k, v, **switches) for k, v in parts])
        return mixed.mean(0) if way == "averaged" else mixed.sum(0)
    if way == "queries too":
        asked = zip(q.split(size, 2), parts, strict=False)
        return torch.cat([plain.softmax_attention(q, *part) for q, part in asked], 2)
    rows = "largest" if way == "not rescaled" else "exp"
    weights = [plain.softmax_weights(q, k, rows=rows, **switches) for k, _ in parts]
    above = sum(w @ v.double() for w, (_, v) in zip(weights, parts, strict=True))
    sums = [w.sum(-1, keepdim=True) for w in weights]
    return above / (sums[-1] if way == "last sum" else sum(sums))  # pyright: ignore


def block_cases(generator: Generator) -> list[Case]:
    """(q, k, v, size): a block of one, a short last block, one block, and a large map."""
    cases = []
    for number, case in enumerate(attention_cases(generator)):
        m = case.args[1].shape[2]
        size = (1, 2, m, 2, 1, 3)[number] if number < 6 else whole(generator, 2, 3)
        cases.append(Case((*case.args, size), case.tags))
    wide = (normal(generator, 1, 1, n, 2, dtype=F64) for n in (24, 30, 30))
    return [*cases, Case((*wide, 5), frozenset({"many keys"}), watch="sizes")]


def no_whole_map(records: list[dict], cases: list[Case]) -> tuple[str, str] | None:
    """Whether the n x m map was made after all."""
    q, k = cases[-1].args[:2]
    entries, largest = q.shape[2] * k.shape[2], records[-1].get("largest", 0)
    if largest < entries:
        return None
    return (
        "the whole map is made",
        f"The numbers are right, but with n = {q.shape[2]} and m = {k.shape[2]} a tensor of "
        f"{largest} numbers is made, as large as the map. Take `size` keys at a time, and keep "
        "one running sum above and one below.",
    )


SOFTMAX_MISTAKES = {
    "d^-1/2 is missing": (
        {"scale": "none"},
        "Divide the scores by the square root of d, the channels of one head, before the softmax.",
    ),
    "divided by d, not by its square root": (
        {"scale": "d twice"},
        "The scores are divided by d: d^-1/2 belongs to the product once, not to q and to k.",
    ),
    "multiplied by the root of d, not divided": (
        {"scale": "times"},
        "The scores are multiplied by the square root of d; they should be divided by it.",
    ),
    "the scale comes after the softmax": (
        {"scale": "after"},
        "Divide by the square root of d before the softmax. After it, the rows no longer sum to 1.",
    ),
    "scaled by the full width, not by one head's": (
        {"scale": "width"},
        "d is the number of channels of one head, q.shape[-1], not of all heads together.",
    ),
    "scaled by the number of queries": ({"scale": "n"}, "d is q.shape[-1], not the queries."),
    "scaled by the number of keys": ({"scale": "m"}, "d is q.shape[-1], not the keys."),
    "scaled by the number of heads": ({"scale": "h"}, "d is q.shape[-1], not the heads."),
    "scaled by the number of images": ({"scale": "b"}, "d is q.shape[-1], not the batch."),
    "the scores have the wrong sign": (
        {"scale": "minus"},
        "The softmax is taken of the scores with their sign turned.",
    ),
    "the rows are normalised over queries, not keys": (
        {"over": "queries"},
        "Each query shares out a weight of 1 among the keys: normalise along m, the last axis "
        "of b h n m.",
    ),
    "the softmax runs over the heads": (
        {"over": "heads"},
        "The softmax runs along axis 1, the heads; it belongs along m, the last axis.",
    ),
    "the softmax runs over the images": (
        {"over": "batch"},
        "The softmax runs along axis 0, the batch; it belongs along m, the last axis.",
    ),
    "the softmax runs over the whole map": (
        [{"over": "both"}, {"over": "all"}],
        "All weights of a map sum to 1 together; each row should, along the keys.",
    ),
    "the rows are not normalised": (
        {"rows": "exp"},
        "The exponentials are not divided by their sum over the keys.",
    ),
    "the rows are not divided by their sum": (
        {"rows": "largest"},
        "After the largest score is taken off, the exponentials still need their sum below.",
    ),
    "a softmax is taken twice": (
        {"rows": "twice"},
        "The weights are put through a softmax once more, which makes them nearly equal.",
    ),
    "the scores are rounded": (
        {"rows": "floor"},
        "`//` divides and rounds down. Divide the scores with `/`.",
    ),
    "the softmax is missing": ({"rows": "scores"}, "The scores themselves mix the values."),
    "the exponential is missing": (
        [{"rows": "shares"}, {"rows": "shares of shifted"}],
        "The scores are divided by their sum; the softmax takes their exponentials first.",
    ),
    "k is not transposed": (
        {"roles": "not transposed"},
        "The product runs over the wrong axes: q k compares d of q with the keys. It only fits "
        "where m = d. Use einsum(q, k, 'b h n d, b h m d -> b h n m').",
    ),
    "k is reshaped, not transposed": (
        {"roles": "reshaped"},
        "A reshape of k to d x m reads the same numbers in their old order. To exchange two axes "
        "use k.mT, or name them: einsum(q, k, 'b h n d, b h m d -> b h n m').",
    ),
    "distances are taken, not products": (
        [{"roles": "distance"}, {"roles": "distance", "scale": "none"}],
        "The scores are squared distances; they should be the products q . k.",
    ),
    "q and k are multiplied entry by entry": (
        lambda q, k, v: (q.double() * k.double() / q.shape[-1] ** 0.5).softmax(-1) * v.double(),
        "q * k compares query i with key i alone. Every query meets every key: b h n m products.",
    ),
    "queries and keys are exchanged": (
        {"roles": "k q"},
        "The map is k q^T, m x n: keys ask and queries answer. It should be q k^T, n x m.",
    ),
    "divided by the fourth root of d": (
        {"scale": "fourth root"},
        "The scores are divided by d ** 0.25. It is d ** 0.5, once.",
    ),
    "a sigmoid is taken, not the softmax": (
        {"rows": "sigmoid"},
        "A sigmoid looks at each score alone; the weights of a query have to sum to 1.",
    ),
    "the logarithm of the softmax mixes the values": (
        {"rows": "log"},
        "log_softmax gives logarithms of weights. The weights themselves mix the values.",
    ),
    "ReLU is taken, not the softmax": (
        {"rows": "relu"},
        "A ReLU of the scores stands where their softmax should.",
    ),
    "powers of 2 are taken, not of e": ({"rows": "2"}, "The softmax takes exp(score)."),
    "the largest score takes all": (
        {"rows": "hard"},
        "Only the best key counts here. A softmax gives every key its share.",
    ),
    "queries and keys are brought to length 1": (
        {"roles": "cosine"},
        "The scores are cosines; the lengths of q and k should count too.",
    ),
    "a softmax is taken of queries and keys by themselves": (
        lambda q, k, v: q.double().softmax(-1) @ (k.double().softmax(-2).mT @ v.double()),
        "Two softmaxes, one of q and one of k, are another mechanism. It is one, of the products.",
    ),
    "later keys are hidden": (
        {"rows": "causal"},
        "A query sees no key after its own place: that is a causal mask, which is not asked for.",
    ),
    "the keys are mixed, not the values": ({"mixed": "k"}, "The weights should mix v, not k."),
    "the queries are mixed, not the values": ({"mixed": "q"}, "The weights should mix v, not q."),
    "the map is returned, not the mixed values": (
        {"mixed": "map"},
        "This is the map b h n m. It still has to mix the values: map @ v.",
    ),
    "the map is transposed before it mixes": (
        {"mixed": "transposed"},
        "The sum over v runs along the queries; it should run along the keys, the last axis.",
    ),
}

EXERCISES = [
    Exercise(
        name="split_heads",
        signature="split_heads(x, heads)",
        chapter=1,
        level="warm-up",
        minutes=10,
        returns="b h n d",
        cases=split_cases,
        right=split_heads,
        mistakes={
            "heads take every h-th channel": (
                {"way": "every h-th"},
                "In the pattern (d h) a head takes every h-th channel. Heads are slices of "
                "neighbouring channels: (h d).",
            ),
            "the axes are cut, not moved": (
                {"way": "not moved"},
                "The shape is right, but tokens and heads are mixed up: a reshape alone reads the "
                "numbers in their old order. The head's axis has to move in front of the tokens.",
            ),
            "the heads stay behind the tokens": (
                {"way": "behind"},
                "This is b n h d. The heads' axis belongs in front of the tokens: b h n d.",
            ),
            "heads and channels are exchanged": (
                {"way": "swapped"},
                "This is b d n h: the channels stand where the heads should be.",
            ),
            "the heads are put into the batch": (
                {"way": "into batch"},
                "This is (b h) n d, three axes; asked for are four, b h n d.",
            ),
        },
        hints=(
            "Say in words where each number goes: which axis of x holds two things at once?",
            "einops.rearrange can split an axis: put two letters in brackets on the left. Which "
            "of them changes slowly? It comes first.",
            "rearrange(x, '... -> b h n d', h=heads), with b n (h d) on the left.",
        ),
    ),
    Exercise(
        name="softmax_attention",
        signature="softmax_attention(q, k, v)",
        chapter=1,
        level="core",
        minutes=20,
        returns=Q_K_V,
        cases=attention_cases,
        right=plain.softmax_attention,
        mistakes=dict(SOFTMAX_MISTAKES),
        hints=(
            "There are three steps: scores b h n m, weights b h n m, mixed values b h n d. Write "
            "down the shape after each.",
            "Scores: einsum(q, k, 'b h n d, b h m d -> b h n m'). What are they divided by, and "
            "along which axis does each query share out a weight of 1?",
            "scores / d ** 0.5 with d = q.shape[-1], then .softmax(-1), then einsum with v over m.",
        ),
    ),
    Exercise(
        name="softmax_in_blocks",
        signature="softmax_in_blocks(q, k, v, size)",
        chapter=1,
        level="stretch",
        minutes=30,
        returns=Q_K_V,
        cases=block_cases,
        right=in_blocks,
        mistakes={
            "each block is normalised by itself, then averaged": (
                {"way": "averaged"},
                "A softmax within each block gives every block the same say. There is one sum "
                "over all keys: keep it running through the blocks and divide at the end.",
            ),
            "each block is normalised by itself, then added": (
                {"way": "added"},
                "A softmax within each block gives weights that sum to the number of blocks. "
                "Keep one sum over all keys and divide at the end.",
            ),
            "the last, shorter block is left out": (
                {"way": "short"},
                "Where size does not divide m, the last block has fewer keys. They count too.",
            ),
            "the largest score of each block is not made good": (
                {"way": "not rescaled"},
                "Each block takes off its own largest score, so blocks are not in the same unit. "
                "When a larger one comes, multiply the old sums by exp(old - new).",
            ),
            "only the last block's sum stands below": (
                {"way": "last sum"},
                "The sum of exponentials starts again with each block; it should go on.",
            ),
            "the queries are cut into the same blocks": (
                {"way": "queries too"},
                "Each block of queries sees one block of keys only. Every query sees all keys.",
            ),
            **{
                name: SOFTMAX_MISTAKES[name]
                for name in ("d^-1/2 is missing", "divided by d, not by its square root")
            },
        },
        after=no_whole_map,
        hints=(
            "The softmax is a fraction: a sum over keys above, a sum over keys below. Sums can be "
            "taken a few keys at a time.",
            "Loop over k.split(size, dim=2) and v.split(size, dim=2). Add to `above` (b h n d) "
            "and to `below` (b h n 1) in each round.",
            "above = above + weights @ v_block and below = below + weights.sum(-1, keepdim=True) "
            "with weights = exp(scores); at the end above / below.",
        ),
    ),
]
