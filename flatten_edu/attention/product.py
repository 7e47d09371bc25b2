"""The normalised product of linear attention (equation 4) with its gradient written out.

    O = z (Q M),   M = K^T V / m,   z = 1 / (Q s + eps),   s = mean of the rows of K

With G the gradient of O, H = z G, T = G M^T and c = -z^2 (Q . T), a number a row:

    dQ = z T + c s,   dK = (V (Q^T H)^T + c^T Q) / m,   dV = K (Q^T H) / m,   d eps = c

`linear.kernel_attention` is the definition, the tests hold the two together. Here each head is
written to its place in one tensor, there and back, where autograd would join them by copies.
"""

from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor

from .checks import is_autocast, is_recorded
from .half import half_product, suits
from .linear import kernel_attention


def product(q: Tensor, k: Tensor, v: Tensor, eps: float | Tensor) -> Tensor:
    """`kernel_attention`, b h n e, with a short gradient or in halves where they may stand in."""
    if suits(v) and v.shape[-1] == k.shape[-1]:
        return half_product(q, k, v, eps)
    if isinstance(eps, Tensor):
        added = rearrange(eps, "b n 1 -> b n 1 1")
    else:
        added = q.new_full((1, 1, 1, 1), eps)
    same = q.dtype == k.dtype == v.dtype == added.dtype
    if not same or not is_recorded(q, k, v) or is_autocast(q.device.type):
        return kernel_attention(q, k, v, eps)
    q, k, v = (rearrange(t, "b h n d -> b n h d") for t in (q, k, v))
    output: Tensor = NormalisedProduct.apply(q, k, v, added)  # pyright: ignore[reportAssignmentType]
    return rearrange(output, "b n h e -> b h n e")


class NormalisedProduct(torch.autograd.Function):
    """O, b n h e, from features q b n h d, k b m h d, values v b m h e and eps b n 1 1.

    Features must not be negative, and eps must be above 0.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, eps: Tensor) -> Tensor:
        """z (Q M), head by head."""
        m = k.shape[1]
        memory = [(k_h.mT @ v_h).div_(m) for k_h, v_h in zip(k.unbind(2), v.unbind(2), strict=True)]
        mean_key = reduce(k, "b m h d -> b 1 h d", "sum").div_(m)
        z = reduce(q * mean_key, "b n h d -> b n h 1", "sum").add_(eps).reciprocal_()
        output = q.new_empty((*q.shape[:3], v.shape[-1]))
        for out_h, q_h, memory_h in zip(output.unbind(2), q.unbind(2), memory, strict=True):
            torch.bmm(q_h, memory_h, out=out_h)
        output *= z
        ctx.save_for_backward(q, k, v, eps, z, mean_key, *memory)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """dQ, dK, dV and d eps; where a gradient of them will be asked for, by the definition."""
        q, k, v, eps, z, mean_key, *memory = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _of_definition(ctx.needs_input_grad, (q, k, v, eps), gradients)
        found = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v), torch.empty_like(z)
        tensors = (q, k, v, z, mean_key, *gradients, *found)
        heads = zip(*(tensor.unbind(2) for tensor in tensors), memory, strict=True)
        for head in heads:
            _of_head(*head)
        return *found[:3], reduce(found[3], "b n h 1 -> b n 1 1", "sum")


def _of_head(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    z: Tensor,
    mean_key: Tensor,
    gradient: Tensor,
    d_q: Tensor,
    d_k: Tensor,
    d_v: Tensor,
    share: Tensor,
    memory: Tensor,
) -> None:
    """The gradients of one head, written to d_q, d_k, d_v and share."""
    m = k.shape[1]
    torch.bmm(gradient, memory.mT, out=d_q)
    torch.mul(reduce(q * d_q, "b n d -> b n 1", "sum"), -z.square(), out=share)
    d_q.mul_(z).addcmul_(share, mean_key)
    d_memory = (q.mT @ (gradient * z)).div_(m)
    torch.baddbmm((share.mT @ q).div_(m), v, d_memory.mT, out=d_k)
    torch.bmm(k, d_memory, out=d_v)


def _of_definition(
    needed: tuple[bool, ...], inputs: tuple[Tensor, ...], gradients: tuple[Tensor, ...]
) -> tuple[Tensor | None, ...]:
    q, k, v = (rearrange(t, "b n h d -> b h n d") for t in inputs[:3])
    mixed = kernel_attention(q, k, v, rearrange(inputs[3], "b n 1 1 -> b n 1"))
    asked = [tensor for tensor, need in zip(inputs, needed, strict=True) if need]
    gradients = tuple(rearrange(g, "b n h e -> b h n e") for g in gradients)
    found = iter(torch.autograd.grad(mixed, asked, gradients, create_graph=True))
    return tuple(next(found) if need else None for need in needed)
