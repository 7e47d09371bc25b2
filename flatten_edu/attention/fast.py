"""Focused attention where no gradient is asked for: the same numbers, with less memory moved.

    den_i = u_i^p . mean_k + 1e-6 |u_i^p| / |x_i|,   O_i = (u_i^p / den_i) (K^T V / m) + DWC(V)_i

The definition is `TokenMixer.forward` with `Focused`, equations (4) to (6) and (10) of the paper;
the tests hold the two together. Nothing is kept from call to call, so nothing can be out of date.

Most of the time beside the matrix products goes into memory that is touched for the first time.
So a few samples at a time share one room for queries and keys, or a long map block by block first
for its keys, then for its queries; every step is written over the last; each head is a strided
view; the heads' products are added to what the convolution gave. A view by einops takes five times
as long as torch's own, which short maps would feel: here torch's stand.

A query's factor of f_p stands in numerator and denominator: it is taken out of both, and only the
1e-6 that the published module adds to the denominator is divided by it.
"""

import math
from collections.abc import Iterable
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
# Numbers of the queries that are computed together: two megabytes in float32. A block of fewer
# tokens than SHORTEST makes slow products.
TOGETHER = 2**19
SHORTEST = 512


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
    output = torch.empty_like(tokens, memory_format=torch.contiguous_format)
    # The biases of queries and keys are added where they are read next.
    (_, bias_k), _ = halves(module.kv)  # pyright: ignore[reportArgumentType]
    scaling = scaling_of(module.mixer.mechanism, keys, context.shape[1], module.q.bias, bias_k)  # pyright: ignore[reportArgumentType]
    for x, asked, out in together(tokens, context, output):
        short = all(block_length(t) == t.shape[1] for t in (x, asked))
        (_attend_at_once if short else _attend_in_blocks)(
            module, x, asked, grid, keys, scaling, out
        )
    return output


def halves(kv: nn.Linear) -> tuple[tuple[Tensor, Tensor | None], ...]:
    """Weight and bias of the keys, then of the values, of a projection to both."""
    biases = (None, None) if kv.bias is None else kv.bias.chunk(2)
    return tuple(zip(kv.weight.chunk(2), biases, strict=True))


def _attend_at_once(
    module: "SelfAttention",
    x: Tensor,
    context: Tensor,
    grid: Grid,
    keys: Grid,
    scaling: "Scaling",
    output: Tensor,
) -> None:
    # Short maps cost calls more than memory: queries and keys take most steps together.
    (b, n, c), m = x.shape, context.shape[1]
    (weight_k, _), (weight_v, bias_v) = halves(module.kv)  # pyright: ignore[reportArgumentType]
    memory, v = Memory(module.mixer, m, scaling), x.new_empty(b, m, c)  # pyright: ignore[reportArgumentType]
    room, sizes = x.new_empty(b * (n + m), c), (b * n, b * m)
    rows_q, rows_k = room.split_with_sizes(sizes)
    q = memory.scale(project(x, module.q.weight, None, rows_q), scaling.of_q)
    k = memory.scale(project(context, weight_k, None, rows_k), scaling.of_k)
    q_factor, k_factor = memory.focus(room).split_with_sizes(sizes)
    project(context, weight_v, bias_v, v.flatten(0, 1))
    memory.add(k, k_factor.view(b, m, 1), v)
    mixed = memory.local(v, x, grid, keys)
    # The keys are used up: what was theirs is room for what has their shape.
    memory.answer(q, q_factor.view(b, n, 1), mixed, k if m == n else None)
    project(mixed, module.proj.weight, module.proj.bias, output.flatten(0, 1))


def _attend_in_blocks(
    module: "SelfAttention",
    x: Tensor,
    context: Tensor,
    grid: Grid,
    keys: Grid,
    scaling: "Scaling",
    output: Tensor,
) -> None:
    # One sample, as what is computed together is no longer than a block: its blocks are views.
    (b, _, c), m = x.shape, context.shape[1]
    (weight_k, _), (weight_v, bias_v) = halves(module.kv)  # pyright: ignore[reportArgumentType]
    memory, v = Memory(module.mixer, m, scaling), x.new_empty(b, m, c)  # pyright: ignore[reportArgumentType]
    n_block, m_block = block_length(x), block_length(context)
    room = x.new_empty(b * max(n_block, m_block), c)
    for asked, values, of_k in parts(m_block, 1, context, v, scaling.of_k):
        k = memory.scale(project(asked, weight_k, None, room), of_k)
        project(asked, weight_v, bias_v, values.flatten(0, 1))
        memory.add(k, memory.focus(k), values)
    mixed = memory.local(v, x, grid, keys)
    for tokens, rows, out in parts(n_block, 1, x, mixed, output):
        q = memory.scale(project(tokens, module.q.weight, None, room), scaling.of_q)
        memory.answer(q, memory.focus(q), rows)
        project(rows, module.proj.weight, module.proj.bias, out.flatten(0, 1))


def project(tokens: Tensor, weight: Tensor, bias: Tensor | None, room: Tensor) -> Tensor:
    """A linear layer on tokens b n c, written to the first rows of a room, as b n c.

    Without a bias it is a tenth faster.
    """
    rows = tokens.flatten(0, 1)
    out = room[: len(rows)]
    if bias is None:
        torch.mm(rows, weight.mT, out=out)
    else:
        torch.addmm(bias, rows, weight.mT, out=out)
    return out.view(tokens.shape)


def mix(mixer: "TokenMixer", q: Tensor, k: Tensor, v: Tensor, grid: Grid, keys: Grid) -> Tensor:
    """q b n c, k and v b m c -> b n c, as `TokenMixer.forward`."""
    scaling = scaling_of(mixer.mechanism, keys, k.shape[1])  # pyright: ignore[reportArgumentType]
    memory = Memory(mixer, k.shape[1], scaling)
    for k_part, v_part, of_k in parts(block_length(k), 1, k, v, scaling.of_k):
        scaled = memory.scale(k_part, of_k, out=torch.empty_like(k_part))
        memory.add(scaled, memory.focus(scaled), v_part)
    mixed = memory.local(v, q, grid, keys)
    for q_part, rows in parts(block_length(q), 1, q, mixed):
        scaled = memory.scale(q_part, scaling.of_q, out=torch.empty_like(q_part))
        memory.answer(scaled, memory.focus(scaled), rows)
    return mixed


def together(*tokens: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """Tensors of b samples in groups: on a CPU as many as are good for its caches."""
    samples = tokens[0].shape[0]
    if tokens[0].is_cpu:
        samples = max(1, TOGETHER // max(1, *(t.shape[1] * t.shape[2] for t in tokens)))
    return parts(samples, 0, *tokens)


def block_length(tokens: Tensor) -> int:
    """How many tokens of each sample, b n c, make a block: on a CPU equal parts."""
    b, n, c = tokens.shape
    if not tokens.is_cpu:
        return n
    longest = max(SHORTEST, TOGETHER // max(1, b * c))
    return math.ceil(n / max(1, math.ceil(n / longest)))


def parts(length: int, axis: int, *tensors: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """Tensors cut along an axis of theirs into pieces of this length, piece by piece."""
    if length >= tensors[0].shape[axis]:
        return [tensors]
    return zip(*(t.split(length, axis) for t in tensors), strict=True)


class Memory:
    """What the keys leave behind: K^T V / m of each head, and their mean."""

    def __init__(self, mixer: "TokenMixer", m: int, scaling: "Scaling"):
        self.mixer, self.m, self.scaling = mixer, m, scaling
        self.mechanism: Focused = mixer.mechanism  # pyright: ignore[reportAttributeAccessIssue]
        self.mean: Tensor | None = None  # b 1 c
        self.products: list[Tensor] = []  # h times b d d

    def scale(self, x: Tensor, of_x: Tensor, out: Tensor | None = None) -> Tensor:
        """Queries or keys without their bias, ... c, made ready for `focus`; written over."""
        return torch.addcmul(of_x, x, self.scaling.inverse, out=x if out is None else out)

    def focus(self, x: Tensor) -> Tensor:
        """Writes u ** p over what `scale` gave, ... c, and gives the factor of each row, ... 1."""
        torch.maximum(x, self.scaling.least, out=x)
        return _focus(x, self.mechanism.p)

    def add(self, k: Tensor, factor: Tensor, v: Tensor) -> None:
        """Focused keys, which are written over, with their factors, and values: b m c."""
        k *= factor.div_(self.m)
        pairs = zip(self.per_head(k), self.per_head(v), strict=True)
        if self.mean is None:
            self.mean = k.sum(1, keepdim=True)
            self.products = [torch.bmm(k_h.mT, v_h) for k_h, v_h in pairs]
        else:
            self.mean += k.sum(1, keepdim=True)
            for product, (k_h, v_h) in zip(self.products, pairs, strict=True):
                product.baddbmm_(k_h.mT, v_h)

    def local(self, v: Tensor, q: Tensor, grid: Grid, keys: Grid) -> Tensor:
        """What the branch makes of all values, b n c, or room for what `answer` gives."""
        if self.mixer.depthwise is None:
            return torch.empty_like(q, memory_format=torch.contiguous_format)
        return self.mixer.local(v, grid, keys)

    def answer(self, q: Tensor, factor: Tensor, mixed: Tensor, room: Tensor | None = None) -> None:
        """Adds what focused queries b n c, which are written over, get to what `local` gave."""
        assert self.mean is not None
        heads = self.mixer.heads
        products = torch.mul(q, self.mean, out=room)
        denominator = products.unflatten(-1, (heads, -1)).sum(-1, keepdim=True)
        denominator.add_(factor.reciprocal_().unsqueeze(-1), alpha=self.mechanism.eps)
        # A product takes half the time of a quotient.
        q.unflatten(-1, (heads, -1)).mul_(denominator.reciprocal_())
        beta = 0 if self.mixer.depthwise is None else 1
        triples = zip(self.per_head(mixed), self.per_head(q), self.products, strict=True)
        for mixed_h, q_h, product in triples:
            mixed_h.baddbmm_(q_h, product, beta=beta)

    def per_head(self, x: Tensor) -> tuple[Tensor, ...]:
        """b n (h d) -> h times b n d."""
        return x.chunk(self.mixer.heads, -1)


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
    """Writes u ** p over y, ... c, and gives |y| / |u ** p|, ... 1: multiplied, they are f_p(y).

    u is y itself where its powers stay in range. Else it is y divided by a number of its row, which
    f_p, being homogeneous, does not see: the norm, which is needed anyway, or the largest entry
    where powers of what the norm leaves could vanish (the largest of c entries is at least
    c ** -0.5 then).
    """
    if p == 1:
        return x.new_ones(*x.shape[:-1], 1)
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
