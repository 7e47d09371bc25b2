"""The arithmetic of f_p (equation 6): a power, two norms, and their gradient written out.

    f_p(x) = factor u ** p,   u = x / max(x),   factor = max(x) |u| / |u ** p|

`sharpen_` is the definition. `Sharpen` is the same with half the passes over memory on the way
back; the tests hold the two together.
"""

from typing import Any

import torch
from einops import reduce
from torch import Tensor

from .checks import is_recorded


def sharpen_(x: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """f_p(x) as a product: u ** p, ... d, with u = x / max(x), and a number a row, ... 1.

    x is overwritten by u.
    """
    smallest = torch.finfo(x.dtype).tiny
    # A constant for the gradient: what it divides, the factor restores.
    largest = reduce(x.detach(), "... d -> ... 1", "max").clamp_min(smallest)
    unit = x.div_(largest)
    sharp = power(unit, p)
    # Both sums are 1 at least, but in a row of zeros: there the tiny number decides.
    lengths = (square_sum(unit) + smallest) / (square_sum(sharp) + smallest)
    return sharp, largest * lengths.sqrt()


def square_sum(x: Tensor) -> Tensor:
    """The sum of squares over the last axis, kept as an axis of 1: ... d -> ... 1."""
    return reduce(x.square(), "... d -> ... 1", "sum")


def norm(x: Tensor) -> Tensor:
    """The L2 norm over the last axis, kept as an axis of 1: ... d -> ... 1."""
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True)


def power(x: Tensor, p: float) -> Tensor:
    """x ** p; a whole p by repeated squaring, on a CPU many times faster than a general power."""
    if p != int(p) or p == 3:
        return x.pow(p)
    result, rest = None, int(p)
    while rest:
        if rest % 2:
            result = x if result is None else result * x
        rest //= 2
        x = x * x if rest else x
    return x if result is None else result


def sharpen(x: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """`sharpen_` for x that nobody else needs, with the short gradient where that may stand in."""
    return Sharpen.apply(x, p) if is_recorded(x) else sharpen_(x, p)  # pyright: ignore


class Sharpen(torch.autograd.Function):
    """u ** p and the factor, with u = x / max(x), and their gradient

        dx = (p u ** (p - 1) (ds - t u ** p / |u ** p|^2) + t u / |u|^2) / max(x),   t = factor df

    where ds and df are the gradients of the two. max(x) counts as a constant: what it divides, the
    factor restores. x must be positive.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> tuple[Tensor, Tensor]:
        """The two results of `sharpen_`; x stays as it is."""
        tiny = torch.finfo(x.dtype).tiny
        largest = reduce(x, "... d -> ... 1", "max").clamp_min(tiny)
        unit = x / largest
        sharp = power(unit, p)
        factor = largest * (norm(unit) + tiny) / (norm(sharp) + tiny)
        ctx.p = p
        ctx.save_for_backward(x, largest, sharp, factor)
        return sharp, factor

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None]:
        """dx; where a gradient of it will be asked for, by way of the definition."""
        x, largest, sharp, factor = ctx.saved_tensors
        if torch.is_grad_enabled():
            again = sharpen_(x.clone(), ctx.p)
            return torch.autograd.grad(again, x, gradients, create_graph=True)[0], None
        unit = x / largest
        share = factor * gradients[1] / largest
        along = share / (norm(unit).square() * largest)
        onward = torch.addcmul(gradients[0], sharp, -share * largest / norm(sharp).square())
        unit = unit.square_() if ctx.p == 3 else power(unit, ctx.p - 1)
        return onward.mul_(unit).mul_(ctx.p / largest).addcmul_(x, along), None
