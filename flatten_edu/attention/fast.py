"""Focused attention where no gradient is asked for: the same numbers, with less memory moved.

    den_i = u_i^p . mean_k + 1e-6 |u_i^p| / |x_i|,   O_i = (u_i^p / den_i) (K^T V / m) + DWC(V)_i

The definition is `TokenMixer.forward` with `Focused`, equations (4) to (6) and (10) of the paper;
the tests hold the two together. Nothing is kept from call to call, so nothing can be out of date.

Most of the time beside the matrix products goes into memory that is touched for the first time.
So a few samples at a time share one room for queries, keys and values, and every step is written
over the last; each head is a strided view; the heads' products are added to what the convolution
gave. The room is one piece: allocators keep what is as large as what they gave before.

A query's factor of f_p stands in numerator and denominator: it is taken out of both, and only the
1e-6 that the published module adds to the denominator is divided by it.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checks import is_followed
from .depthwise import DepthwiseBranch
from .focused import Focused
from .linear import SMALL
from .mechanism import Grid
from .sharpen import norm, power

if TYPE_CHECKING:
    from .self_attention import SelfAttention, TokenMixer

_PLAIN = (Tensor, nn.Parameter)
# How many powers of ten below 1 a number may lie, and keep its digits.
_DIGITS = {torch.float32: 30, torch.float64: 300}
# Numbers of the queries of samples that are computed together: two megabytes in float32.
TOGETHER = 2**19


def fits(mixer: "TokenMixer", *given: Tensor | None) -> bool:
    """Whether `mix` may stand in for the readable form, for tokens and weights that are given.

    It may in evaluation, without gradients, for `Focused` itself and its own branch, in float32
    and float64. Half precision, autocast, a compiler (which fuses the readable form better), a
    transform of torch.func, hooks on a part and tensors of other kinds take the readable form.
    """
    if torch.compiler.is_compiling() or mixer.training:
        return False
    mechanism, branch = mixer.mechanism, mixer.depthwise
    if type(mechanism) is not Focused or is_changed(mechanism):
        return False
    tensors = [*given, *mechanism._parameters.values()]
    if branch is not None:
        if type(branch) is not DepthwiseBranch or is_changed(branch):
            return False
        tensors += branch._parameters.values()
    return _are_plain(tensors) and not _is_transformed()


def _are_plain(tensors: list[Tensor | None]) -> bool:
    """Whether these are tensors of one dtype, no other kind of them, and no gradient is asked."""
    recorded, dtype = torch.is_grad_enabled(), None
    for tensor in tensors:
        if tensor is None:
            continue
        dtype = dtype or tensor.dtype
        if type(tensor) not in _PLAIN or tensor.dtype != dtype:
            return False
        if recorded and tensor.requires_grad:
            return False
    return dtype in _DIGITS


def is_changed(part: nn.Module) -> bool:
    """Whether a part with two parameters is watched, or a parameter of it is one no more."""
    return len(part._parameters) != 2 or is_watched(part)


def is_watched(part: nn.Module) -> bool:
    """Whether somebody waits for a call of this part, or has put another in its place."""
    return bool(part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part))


def _is_transformed() -> bool:
    """Whether autocast, torch.func, forward derivatives or a tracer look at every operation."""
    return (
        torch._C._is_any_autocast_enabled()
        or is_followed()
        or torch._C._is_tracing()
        or bool(nn.modules.module._has_any_global_hook())
    )


def may_attend(module: "SelfAttention", tokens: Tensor, context: Tensor) -> bool:
    """Whether `attend` may: plain projections that nobody watches, and none of them learns."""
    if is_watched(module.mixer):
        return False
    given: list[Tensor | None] = [tokens, context]
    for linear in (module.q, module.kv, module.proj):
        if type(linear) is not nn.Linear or is_changed(linear):
            return False
        given += linear._parameters.values()
    return fits(module.mixer, *given)  # pyright: ignore[reportArgumentType]


def attend(
    module: "SelfAttention", tokens: Tensor, context: Tensor, grid: Grid, keys: Grid
) -> Tensor:
    """`SelfAttention.attend`: tokens b n c, context b m c -> b n c, with the projections."""
    samples, mechanism = together(tokens, context), module.mixer.mechanism
    output = torch.empty_like(tokens, memory_format=torch.contiguous_format)
    # The biases of queries and keys are added where they are read next.
    bias_k = None if module.kv.bias is None else module.kv.bias.chunk(2)[0]
    scaling = scaling_of(mechanism, keys, context.shape[1], module.q.bias, bias_k)  # pyright: ignore[reportArgumentType]
    if samples >= output.shape[0]:
        _attend(module, tokens, context, grid, keys, scaling, output)
        return output
    parts = (tensor.split(samples) for tensor in (tokens, context, output))
    for x, asked, out in zip(*parts, strict=True):
        _attend(module, x, asked, grid, keys, scaling, out)
    return output


def together(*tokens: Tensor) -> int:
    """How many samples are computed together: on a CPU as many as are good for its caches."""
    if not tokens[0].is_cpu:
        return tokens[0].shape[0]
    largest = max(t.shape[1] * t.shape[2] for t in tokens)
    return max(1, TOGETHER // max(1, largest))


def _attend(
    module: "SelfAttention",
    x: Tensor,
    context: Tensor,
    grid: Grid,
    keys: Grid,
    scaling: "Scaling",
    output: Tensor,
) -> None:
    kv, proj, (b, n, c), m = module.kv, module.proj, x.shape, context.shape[1]
    weight_k, weight_v = kv.weight.chunk(2)
    bias_v = None if kv.bias is None else kv.bias.chunk(2)[1]
    tokens, asked = x.flatten(0, 1), context.flatten(0, 1)
    room = x.new_empty(b * (n + 2 * m), c)
    q, k, v = room.split_with_sizes((b * n, b * m, b * m))
    project(tokens, module.q.weight, None, q)
    project(asked, weight_k, None, k)
    project(asked, weight_v, bias_v, v)
    rows, v = room[: b * (n + m)], v.view(b, m, c)
    mixed = mix_over(module.mixer, rows, n, v, grid, keys, scaling)  # pyright: ignore[reportArgumentType]
    project(mixed.flatten(0, 1), proj.weight, proj.bias, output.view(b * n, c))


def project(tokens: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> None:
    """A linear layer on tokens n c, written to `out`. Without a bias it is a tenth faster."""
    if bias is None:
        torch.mm(tokens, weight.mT, out=out)
    else:
        torch.addmm(bias, tokens, weight.mT, out=out)


def mix(mixer: "TokenMixer", q: Tensor, k: Tensor, v: Tensor, grid: Grid, keys: Grid) -> Tensor:
    """q b n c, k and v b m c -> b n c, as `TokenMixer.forward`."""
    rows = torch.cat((q.flatten(0, 1), k.flatten(0, 1)))
    scaling = scaling_of(mixer.mechanism, keys, k.shape[1])  # pyright: ignore[reportArgumentType]
    return mix_over(mixer, rows, q.shape[1], v, grid, keys, scaling)


def mix_over(
    mixer: "TokenMixer",
    rows: Tensor,
    n: int,
    v: Tensor,
    grid: Grid,
    keys: Grid,
    scaling: "Scaling",
) -> Tensor:
    """The same for queries and keys in one piece, (b n + b m) c, which is written over."""
    mechanism: Focused = mixer.mechanism  # pyright: ignore[reportAssignmentType]
    branch, heads, (b, m, c) = mixer.depthwise, mixer.heads, v.shape
    sizes = b * n, b * m
    q, k = rows[: b * n].view(b, n, c), rows[b * n :].view(b, m, c)

    torch.addcmul(scaling.of_q, q, scaling.inverse, out=q)
    torch.addcmul(scaling.of_k, k, scaling.inverse, out=k)
    torch.maximum(rows, scaling.least, out=rows)
    q_factor, k_factor = _focus(rows, mechanism.p).split_with_sizes(sizes)
    k *= k_factor.view(b, m, 1).div_(m)
    mean_key = k.sum(1, keepdim=True)
    pairs = zip(k.chunk(heads, -1), v.chunk(heads, -1), strict=True)
    memories = [torch.bmm(k_h.mT, v_h) for k_h, v_h in pairs]

    # The keys are used up: what was theirs takes the products with the mean key.
    products = torch.mul(q, mean_key, out=k if k.shape == q.shape else None)
    denominator = products.unflatten(-1, (heads, -1)).sum(-1, keepdim=True)
    denominator.add_(q_factor.reciprocal_().view(b, n, 1, 1), alpha=mechanism.eps)
    # A product takes half the time of a quotient.
    q.unflatten(-1, (heads, -1)).mul_(denominator.reciprocal_())

    mixed = torch.empty_like(q) if branch is None else mixer.local(v, grid, keys)
    beta = 0 if branch is None else 1
    parts = zip(mixed.chunk(heads, -1), q.chunk(heads, -1), memories, strict=True)
    for mixed_h, q_h, memory in parts:
        mixed_h.baddbmm_(q_h, memory, beta=beta)
    return mixed


class Scaling(NamedTuple):
    """(ReLU(x) + 1e-6) / softplus(scale) as one product, one sum and a maximum.

    The scale is positive, so that the larger of (x + 1e-6) / softplus(scale) and of the same for
    x = 0 is the same: max(x inverse + of_x, least). What is still to be added to x, a bias or
    positions, stands in of_x.
    """

    inverse: Tensor  # 1 c
    least: Tensor  # 1 c
    of_q: Tensor  # 1 c
    of_k: Tensor  # 1 m c


def scaling_of(
    mechanism: Focused,
    keys: Grid,
    m: int,
    bias_q: Tensor | None = None,
    bias_k: Tensor | None = None,
) -> Scaling:
    """What turns queries and keys without their biases into what f_p takes."""
    inverse = F.softplus(mechanism.scale[0]).reciprocal_()
    least = SMALL * inverse
    of_q, of_k = (
        least if bias is None else torch.addcmul(least, bias, inverse) for bias in (bias_q, bias_k)
    )
    of_k = torch.addcmul(of_k, mechanism.places(keys, m), inverse)
    return Scaling(inverse, least, of_q, of_k)


def _focus(x: Tensor, p: float) -> Tensor:
    """Writes u ** p over y, n c, and gives |y| / |u ** p|, n 1: multiplied, they are f_p(y).

    u is y itself where its powers stay in range. Else it is y divided by a number of its row, which
    f_p, being homogeneous, does not see: the norm, which is needed anyway, or the largest entry
    where powers of what the norm leaves could vanish (the largest of c entries is at least
    c ** -0.5 then).
    """
    if p == 1:
        return x.new_ones(x.shape[0], 1)
    length = norm(x)
    if not _stays_in_range(length, x.shape[-1], p):
        if p * math.log10(x.shape[-1]) > _DIGITS[x.dtype]:
            # A quotient: the largest entry becomes 1, and not nearly 1, whose powers vanish.
            x /= x.amax(-1, keepdim=True)
        else:
            x *= length.reciprocal()
    if p == int(p) and p != 3:
        x.copy_(power(x, p))
    else:
        x.pow_(p)
    return length.div_(norm(x))


def _stays_in_range(length: Tensor, c: int, p: float) -> bool:
    """Whether the squares of y ** p keep their digits, for rows of c numbers with these lengths.

    Only a CPU is asked: to wait for the answer of a GPU would take longer than a division.
    """
    if not length.is_cpu or not length.numel():
        return False
    shortest, longest = (float(number) for number in length.aminmax())
    most = 10 ** (_DIGITS[length.dtype] / (2 * p))
    return longest < most and shortest > c**0.5 / most
