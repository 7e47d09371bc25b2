"""Focused attention where no gradient is asked for: the same numbers, with less memory moved.

    den_i = u_i^p . mean_k + 1e-6 |u_i^p| / |x_i|,   O_i = (u_i^p / den_i) (K^T V / m) + DWC(V)_i

The definition is `TokenMixer.forward` with `Focused`, equations (4) to (6) and (10) of the paper;
the tests hold the two together. Nothing is kept from call to call, so nothing can be out of date.

Most of the time beside the matrix products goes into memory that is touched for the first time.
So there is one buffer for the queries and one for the keys, and every step is written over them;
each head is a strided view; the heads' products are added to what the convolution gave. A query's
factor of f_p stands in numerator and denominator: it is taken out of both, and only the 1e-6 that
the published module adds to the denominator is divided by it.
"""

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checks import is_autocast
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


def fits(mixer: "TokenMixer", q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether `mix` may stand in for the readable form.

    It may in evaluation, without gradients, for `Focused` itself and its own branch, in float32
    and float64. Half precision, autocast, a compiler (which fuses the readable form better), a
    transform of torch.func, hooks on a part and tensors of other kinds take the readable form.
    """
    mechanism, branch = mixer.mechanism, mixer.depthwise
    if torch.compiler.is_compiling() or mixer.training or type(mechanism) is not Focused:
        return False
    tensors = [q, k, v, mechanism.scale, mechanism.positional_encoding]
    if branch is not None:
        if type(branch) is not DepthwiseBranch or is_watched(branch):
            return False
        tensors += [branch.weight, branch.weight if branch.bias is None else branch.bias]
    dtype = q.dtype
    return (
        dtype in _DIGITS
        and all(type(tensor) in _PLAIN and tensor.dtype == dtype for tensor in tensors)
        and not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors))
        and not is_watched(mechanism)
        and not _is_transformed(q.device.type)
    )


def is_watched(part: nn.Module) -> bool:
    """Whether somebody waits for a call of this part, or has put another in its place."""
    return bool(part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part))


def _is_transformed(device: str) -> bool:
    """Whether autocast, torch.func, forward derivatives or a tracer look at every operation."""
    return (
        is_autocast(device)
        or torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0
        or torch._C._is_tracing()
        or bool(nn.modules.module._has_any_global_hook())
    )


def owns(module: "SelfAttention") -> bool:
    """Whether nobody else can see this module's queries, keys and values: plain projections."""
    linears, last = (module.q, module.kv, module.proj), module.proj
    return (
        all(type(linear) is nn.Linear for linear in linears)
        and not any(map(is_watched, (*linears, module.mixer)))
        and last.weight.dtype == last.bias.dtype == module.q.weight.dtype
        and not (torch.is_grad_enabled() and (last.weight.requires_grad or last.bias.requires_grad))
    )


def attend(
    module: "SelfAttention", q: Tensor, k: Tensor, v: Tensor, grid: Grid, keys: Grid
) -> Tensor:
    """The mixed and projected tokens b n c, written over q, which nobody else sees; so is k."""
    mixer: TokenMixer = module.mixer  # pyright: ignore[reportAssignmentType]
    mixed, proj = mix(mixer, q, k, v, grid, keys, over=True), module.proj
    torch.addmm(proj.bias, mixed.flatten(0, 1), proj.weight.mT, out=q.view(-1, q.shape[-1]))
    return q


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
    0. u is y divided by a number of its row, which f_p, being homogeneous, does not see: the norm,
    which is needed anyway, or the largest entry where powers of what the norm leaves could vanish
    (the largest of c entries is at least c ** -0.5 then).
    """
    torch.addcmul(least, x, inverse, out=x)
    if p == 1:
        return x, x.new_ones(1)
    length = norm(x)
    vanishing = p * math.log10(x.shape[-1]) > _DIGITS[x.dtype]
    x *= (x.amax(-1, keepdim=True) if vanishing else length).reciprocal()
    x = power(x, p) if p == int(p) and p != 3 else x.pow_(p)
    return x, length.div_(norm(x))
