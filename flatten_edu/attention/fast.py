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
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .checks import is_autocast, is_followed
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


def fits(mixer: "TokenMixer", *given: Tensor) -> bool:
    """Whether `mix` may stand in for the readable form, for tokens and weights that are given.

    It may in evaluation, without gradients, for `Focused` itself and its own branch, in float32
    and float64. Half precision, autocast, a compiler (which fuses the readable form better), a
    transform of torch.func, hooks on a part and tensors of other kinds take the readable form.
    """
    mechanism, branch = mixer.mechanism, mixer.depthwise
    if torch.compiler.is_compiling() or mixer.training or type(mechanism) is not Focused:
        return False
    tensors = [*given, mechanism.scale, mechanism.positional_encoding]
    if branch is not None:
        if type(branch) is not DepthwiseBranch or is_watched(branch):
            return False
        tensors += [branch.weight, branch.weight if branch.bias is None else branch.bias]
    dtype = given[0].dtype
    return (
        dtype in _DIGITS
        and all(type(tensor) in _PLAIN and tensor.dtype == dtype for tensor in tensors)
        and not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors))
        and not is_watched(mechanism)
        and not _is_transformed(given[0].device.type)
    )


def is_watched(part: nn.Module) -> bool:
    """Whether somebody waits for a call of this part, or has put another in its place."""
    return bool(part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part))


def _is_transformed(device: str) -> bool:
    """Whether autocast, torch.func, forward derivatives or a tracer look at every operation."""
    return (
        is_autocast(device)
        or is_followed()
        or torch._C._is_tracing()
        or bool(nn.modules.module._has_any_global_hook())
    )


def may_attend(module: "SelfAttention", tokens: Tensor, context: Tensor) -> bool:
    """Whether `attend` may: plain projections that nobody watches, and none of them learns."""
    linears = (module.q, module.kv, module.proj)
    if any(type(linear) is not nn.Linear or is_watched(linear) for linear in linears):
        return False
    weights = [w for linear in linears for w in (linear.weight, linear.bias) if w is not None]
    return not is_watched(module.mixer) and fits(module.mixer, tokens, context, *weights)  # pyright: ignore[reportArgumentType]


def attend(
    module: "SelfAttention", tokens: Tensor, context: Tensor, grid: Grid, keys: Grid
) -> Tensor:
    """`SelfAttention.attend`: tokens b n c, context b m c -> b n c, with the projections."""
    output = torch.empty_like(tokens, memory_format=torch.contiguous_format)
    for samples in groups(tokens, context):
        _attend(module, tokens[samples], context[samples], grid, keys, output[samples])
    return output


def _attend(
    module: "SelfAttention", x: Tensor, context: Tensor, grid: Grid, keys: Grid, output: Tensor
) -> None:
    kv, proj, c = module.kv, module.proj, x.shape[-1]
    weight_k, weight_v = kv.weight.split(c)
    bias_k, bias_v = (None, None) if kv.bias is None else kv.bias.split(c)
    tokens, asked = (rearrange(t, "b n c -> (b n) c") for t in (x, context))
    sizes = len(tokens), len(asked), len(asked)
    q, k, v = x.new_empty(sum(sizes), c).split(sizes)
    project(tokens, module.q.weight, module.q.bias, q)
    project(asked, weight_k, bias_k, k)
    project(asked, weight_v, bias_v, v)
    q = rearrange(q, "(b n) c -> b n c", n=x.shape[1])
    k, v = (rearrange(t, "(b m) c -> b m c", m=context.shape[1]) for t in (k, v))
    mixed = mix(module.mixer, q, k, v, grid, keys, over=True)  # pyright: ignore[reportArgumentType]
    mixed, output = (rearrange(t, "b n c -> (b n) c") for t in (mixed, output))
    project(mixed, proj.weight, proj.bias, output)


def project(tokens: Tensor, weight: Tensor, bias: Tensor | None, out: Tensor) -> None:
    """A linear layer on tokens n c, written to `out`."""
    if bias is None:
        torch.mm(tokens, weight.mT, out=out)
    else:
        torch.addmm(bias, tokens, weight.mT, out=out)


def groups(*tokens: Tensor) -> Iterator[slice]:
    """Samples that are computed together: on a CPU as many as are good for its caches."""
    b, largest = len(tokens[0]), max(t.shape[1] * t.shape[2] for t in tokens)
    step = TOGETHER // max(1, largest) if tokens[0].device.type == "cpu" else b
    step = max(1, step)
    return (slice(start, start + step) for start in range(0, max(1, b), step))


def mix(
    mixer: "TokenMixer",
    q: Tensor,
    k: Tensor,
    v: Tensor,
    grid: Grid,
    keys: Grid,
    over: bool = False,
) -> Tensor:
    """q b n c, k and v b m c -> b n c, as `TokenMixer.forward`.

    The arguments stay as they are, unless q and k may be written `over`.
    """
    mechanism: Focused = mixer.mechanism  # pyright: ignore[reportAssignmentType]
    branch, heads, d = mixer.depthwise, mixer.heads, q.shape[-1] // mixer.heads
    inverse = F.softplus(mechanism.scale).reciprocal_()
    scaling = inverse, SMALL * inverse, mechanism.p

    k, factor = _features(mechanism.placed(k, keys, over).relu_(), *scaling)
    k *= factor.div_(k.shape[1])
    mean_key = k.sum(1, keepdim=True)
    pairs = zip(k.split(d, -1), v.split(d, -1), strict=True)
    memories = [torch.bmm(k_h.mT, v_h) for k_h, v_h in pairs]

    q, factor = _features(q.relu_() if over else q.relu(), *scaling)
    # The keys are used up: what was theirs takes the products with the mean key.
    products = torch.mul(q, mean_key, out=k if k.shape == q.shape else None)
    denominator = products.unflatten(-1, (heads, d)).sum(-1)
    denominator.add_(factor.reciprocal_(), alpha=mechanism.eps)
    # A product takes half the time of a quotient.
    q.unflatten(-1, (heads, d)).mul_(denominator.reciprocal_()[..., None])

    mixed = torch.empty_like(q) if branch is None else mixer.local(v, grid, keys)
    beta = 0 if branch is None else 1
    for mixed_h, q_h, memory in zip(mixed.split(d, -1), q.split(d, -1), memories, strict=True):
        mixed_h.baddbmm_(q_h, memory, beta=beta)
    return mixed


def _features(x: Tensor, inverse: Tensor, least: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """u ** p, written over x = ReLU(x), and |y| / |u ** p|: multiplied, they are f_p(y).

    y = (x + 1e-6) / softplus(scale), where `inverse` is 1 / softplus(scale) and `least` the y of
    0. u is y itself where its powers stay in range. Else it is y divided by a number of its row,
    which f_p, being homogeneous, does not see: the norm, which is needed anyway, or the largest
    entry where powers of what the norm leaves could vanish (the largest of c entries is at least
    c ** -0.5 then).
    """
    torch.addcmul(least, x, inverse, out=x)
    if p == 1:
        return x, x.new_ones(1)
    length = norm(x)
    if not _stays_in_range(length, x.shape[-1], p):
        vanishing = p * math.log10(x.shape[-1]) > _DIGITS[x.dtype]
        x *= (x.amax(-1, keepdim=True) if vanishing else length).reciprocal()
    x = power(x, p) if p == int(p) and p != 3 else x.pow_(p)
    return x, length.div_(norm(x))


def _stays_in_range(length: Tensor, c: int, p: float) -> bool:
    """Whether the squares of y ** p keep their digits, for rows of c numbers with these lengths.

    Only a CPU is asked: to wait for the answer of a GPU would take longer than a division.
    """
    if length.device.type != "cpu" or not length.numel():
        return False
    shortest, longest = (float(number) for number in length.aminmax())
    most = 10 ** (_DIGITS[length.dtype] / (2 * p))
    return longest < most and shortest > c**0.5 / most
