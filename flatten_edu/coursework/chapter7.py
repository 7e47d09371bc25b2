"""Exercises of chapter 7, backbones: tokens by stage, a mechanism of one's own, parameters."""

from typing import Any

import torch
from torch import Generator

from . import plain
from .cases import F32, normal, whole
from .compare import agrees, as_tensor
from .exercise import Case, Exercise
from .wire import decode


def stage_tokens(height: int, width: int, way: str = "") -> list[float]:
    """Tokens of the four stages of a pyramid: patches of 4, sides halved from stage to stage."""
    sides = [(height / s, width / s) for s in (4, 8, 16, 32)]
    return {
        "": lambda: [y * x for y, x in sides],
        "halved": lambda: [height * width / 16 / 2**stage for stage in range(4)],
        "pixels": lambda: [height * width / 4**stage for stage in range(4)],
        "by 2": lambda: [height * width / 4 / 4**stage for stage in range(4)],
        "by 8": lambda: [height * width / 64 / 4**stage for stage in range(4)],
        "by 16": lambda: [height * width / 256 / 4**stage for stage in range(4)],
        "4 once": lambda: [height * width / 4 / 2**stage for stage in range(4)],
        "sides": lambda: [y + x for y, x in sides],
        "square y": lambda: [y * y for y, _ in sides],
        "square x": lambda: [x * x for _, x in sides],
        "one side": lambda: [y for y, _ in sides],
        "the same": lambda: [height * width / 16] * 4,
        "squares": lambda: [height * width / 16**stage for stage in range(1, 5)],
        "reversed": lambda: [y * x for y, x in sides][::-1],
        "with class": lambda: [y * x + 1 for y, x in sides],
    }[way]()


def size_cases(generator: Generator) -> list[Case]:
    """(height, width), multiples of 32."""
    sizes = [(32, 32), (32, 64), (96, 64), (224, 224)]
    drawn = 32 * whole(generator, 3, 9), 32 * whole(generator, 10, 12)
    return [Case(each) for each in (*sizes, drawn)]


def own_cases(generator: Generator) -> list[Case]:
    """(q, k, v) of several shapes; three are the fourth with one thing changed; one has q = k."""
    sizes = [(1, 1, 3, 3, 2), (1, 2, 4, 3, 3), (2, 3, 2, 5, 4), (2, 2, 4, 6, 3)]
    cases = [
        Case(tuple(normal(generator, b, h, t, d, dtype=F32) for t in (n, m, m)))
        for b, h, n, m, d in sizes
    ]
    q, k, v = cases[-1].args
    token = v.clone()
    token[:, :, 2] += 3
    image, head = ([side.clone() for side in (q, k, v)] for _ in range(2))
    for side in range(3):
        image[side][1] += normal(generator, *image[side][1].shape, dtype=F32)
        head[side][:, 1] += normal(generator, *head[side][:, 1].shape, dtype=F32)
    changed = [Case(sides) for sides in ((q, k, token), tuple(image), tuple(head))]
    return [*cases, *changed, Case(cases[1].args, watch="gradient"), Case((k, k, v))]


def fits(value: Any, args: tuple) -> tuple[str, str] | None:
    """b h n d, finite."""
    q, _, v = args
    want, got = (*q.shape[:3], v.shape[3]), as_tensor(value)
    if got is None:
        return "no tensor is returned", f"Return a tensor b h n d, here {want}."
    if tuple(got.shape) != want:
        return "the shape is wrong", f"b h n d is {want} here; it returns {tuple(got.shape)}."
    if not got.isfinite().all():
        words = "Some numbers are nan or infinite."
        if torch.equal(*args[:2]):
            words += " Here every query is equal to a key: is something divided by a distance of 0?"
        return "nan or infinite numbers", words
    return None


def behaves(records: list[dict], cases: list[Case]) -> str | tuple[str, str] | None:
    """Whether values travel between tokens, and between nothing else; and a word on being new."""
    plain_, token, image, head = (as_tensor(decode(r["value"])) for r in records[3:7])
    assert plain_ is not None and token is not None and image is not None and head is not None
    if agrees(token, plain_):
        return (
            "tokens are not mixed",
            "Changing the value of one token changes nothing: the values have no say in it.",
        )
    if not agrees(image[0], plain_[0]):
        return (
            "images are mixed",
            "Changing the second image changes the output of the first: a sum or a "
            "softmax runs over axis 0, the batch.",
        )
    if not agrees(head[:, 0], plain_[:, 0]):
        return (
            "heads are mixed",
            "Changing the second head changes the output of the first: a sum or a "
            "softmax runs over axis 1, the heads.",
        )
    if not records[7].get("gradient"):
        return (
            "no gradient flows",
            "The result has no gradient, so nothing can be learned through it: look for detach, "
            "no_grad, item or numpy.",
        )
    return known_mechanism(records[0], cases[0].args)


def known_mechanism(record: dict, args: tuple) -> str | None:
    """A word for those who handed in what the library has already."""
    value = decode(record["value"])
    q, k, v = args
    known = {
        "softmax attention": plain.softmax_attention(q, k, v),
        "linear attention": plain.kernel_attention(q, k, v),
        "focused attention": plain.kernel_attention(q, k, v, 3),
    }
    for name, want in known.items():
        if agrees(value, want):
            return f"One remark: it is {name}, which the library has. Now one of your own?"
    return None


def attention_parameters(
    width: int, heads: int, tokens: int, kernel_size: int, without: str = ""
) -> float:
    """Parameters of one focused SelfAttention."""
    d = width // heads
    parts = {
        "projections": 4 * width * width,
        "biases": 4 * width,
        "scale": width,
        "positions": tokens * width,
        "kernels": d * kernel_size**2,
        "kernel biases": d,
    }
    changed = {
        "kernels of every channel": {"kernels": width * kernel_size**2, "kernel biases": width},
        "one kernel": {"kernels": kernel_size**2, "kernel biases": 1},
        "one kernel a head": {"kernels": heads * kernel_size**2, "kernel biases": heads},
        "full convolution": {"kernels": d * d * kernel_size**2},
        "kernel side": {"kernels": d * kernel_size},
        "no output": {"projections": 3 * width * width, "biases": 3 * width},
        "no output bias": {"biases": 3 * width},
        "only output bias": {"biases": width},
        "biases and kernel biases": {"biases": 0, "kernel biases": 0},
        "scale and positions": {"scale": 0, "positions": 0},
        "one scale": {"scale": 1},
        "positions of a head": {"positions": tokens * d},
        "branch": {"kernels": 0, "kernel biases": 0},
    }.get(without, {without: 0})
    return float(sum((parts | changed).get(name, 0) for name in parts))


def lacking(part: str, sentence: str) -> tuple[dict, str]:
    """An entry of the table."""
    return {"without": part}, sentence


def module_cases(generator: Generator) -> list[Case]:
    """(width, heads, tokens, kernel_size)."""
    heads = whole(generator, 2, 6)
    sizes = [(4, 2, 6, 3), (8, 2, 9, 5), (192, 3, 196, 5), (64, 1, 49, 3)]
    return [Case(each) for each in (*sizes, (heads * 16, heads, 35, 7))]


EXERCISES = [
    Exercise(
        name="stage_tokens",
        signature="stage_tokens(height, width)",
        chapter=7,
        level="warm-up",
        minutes=10,
        returns="a list of four whole numbers",
        cases=size_cases,
        right=stage_tokens,
        tolerance=1e-9,
        mistakes={
            "the tokens are halved, not quartered": (
                {"way": "halved"},
                "Both sides are halved from stage to stage, so a quarter of the tokens is left.",
            ),
            "the patches of 4 are forgotten": (
                {"way": "pixels"},
                "The first stage has one token for each patch of 4 x 4 pixels.",
            ),
            "the first patches are 2 x 2": ({"way": "by 2"}, "The first patches are 4 x 4 pixels."),
            "the first patches are 8 x 8": ({"way": "by 8"}, "The first patches are 4 x 4 pixels."),
            "the first patches are 16 x 16": (
                {"way": "by 16"},
                "The first patches are 4 x 4 pixels.",
            ),
            "a patch of 4 x 4 is counted as 4 pixels, and tokens are halved": (
                {"way": "4 once"},
                "A patch of 4 x 4 has 16 pixels, and each stage keeps a quarter of the tokens.",
            ),
            "the sides are added": ({"way": "sides"}, "Tokens are rows times columns."),
            "the width is taken for the height": (
                {"way": "square x"},
                "The image need not be square: rows times columns.",
            ),
            "the height is taken for the width": (
                {"way": "square y"},
                "The image need not be square: rows times columns.",
            ),
            "one side is returned": ({"way": "one side"}, "Tokens are rows times columns."),
            "all stages are the same": (
                {"way": "the same"},
                "From stage to stage both sides are halved.",
            ),
            "each stage has a sixteenth": (
                {"way": "squares"},
                "Only the first patches are 4 x 4; later stages merge 2 x 2.",
            ),
            "the stages are in reverse order": ({"way": "reversed"}, "The first stage is largest."),
            "a class token is counted": ({"way": "with class"}, "Pyramids have no class token."),
        },
        hints=(
            "How many patches of 4 x 4 pixels has a 32 x 64 image?",
            "The sides of the token grid are those of the image over 4, 8, 16 and 32.",
            "(height // s) * (width // s) for s in (4, 8, 16, 32).",
        ),
    ),
    Exercise(
        name="own_attention",
        signature="own_attention(q, k, v)",
        chapter=7,
        level="core",
        minutes=30,
        returns="b h n d",
        cases=own_cases,
        right=lambda q, k, v: None,
        mistakes={},
        inspect=fits,
        after=behaves,
        hints=(
            "Anything that gives each query some mixture of the values will do. What should "
            "decide the shares: distance, angle, place, nothing at all?",
            "Write the scores b h n m with einsum, make each row sum to 1, mix v. n and m may "
            "differ.",
            "For example shares that fall with the distance of q and k: "
            "scores = 1 / (1 + torch.cdist(q, k) ** 2).",
        ),
    ),
    Exercise(
        name="attention_parameters",
        signature="attention_parameters(width, heads, tokens, kernel_size)",
        chapter=7,
        level="stretch",
        minutes=20,
        returns="one whole number",
        cases=module_cases,
        right=attention_parameters,
        tolerance=1e-9,
        mistakes={
            "the biases of the projections are missing": lacking(
                "biases", "Each of the four projections has a bias of width numbers."
            ),
            "the biases of the kernels are missing": lacking(
                "kernel biases", "The convolution has one bias for each of its channels."
            ),
            "all biases are missing": lacking(
                "biases and kernel biases", "Projections and kernels have biases."
            ),
            "the scale is missing": lacking("scale", "There is one learned scale a channel."),
            "the positional encoding is missing": lacking(
                "positions", "Each token of the grid has a learned vector of width numbers."
            ),
            "scale and positional encoding are missing": lacking(
                "scale and positions", "The focused module also learns a scale and positions."
            ),
            "the depthwise branch is missing": lacking(
                "branch", "The kernels of the depthwise branch count too."
            ),
            "the output projection is missing": lacking(
                "no output", "There are four projections: queries, keys, values, output."
            ),
            "the output projection has no bias": lacking(
                "no output bias", "The output projection has a bias too."
            ),
            "only the output projection has a bias": lacking(
                "only output bias", "All four projections have a bias here."
            ),
            "each channel of the full width has a kernel": lacking(
                "kernels of every channel",
                "Heads share their kernels: there are as many as a head has channels.",
            ),
            "one kernel serves all channels": lacking(
                "one kernel", "There is one kernel for each channel of a head."
            ),
            "each head has one kernel": lacking(
                "one kernel a head",
                "The other way round: one kernel for each channel of a head, shared by heads.",
            ),
            "the convolution is not depthwise": lacking(
                "full convolution", "Depthwise: each channel has one k x k kernel, not d of them."
            ),
            "a kernel is counted as one side": lacking(
                "kernel side", "A kernel has k x k weights."
            ),
            "there is one scale in all": lacking("one scale", "There is one scale a channel."),
            "the positions have the width of a head": lacking(
                "positions of a head", "A position has as many numbers as a token: the full width."
            ),
        },
        hints=(
            "List the parts: SelfAttention(8, 2, grid=(3, 3)) shows them when printed.",
            "Four projections with bias, a scale, a positional encoding, kernels with bias. Give "
            "each its count in width, heads, tokens, kernel_size.",
            "dict(module.named_parameters()) and numel() tell you what you forgot. The kernels "
            "are shared by the heads.",
        ),
    ),
]
