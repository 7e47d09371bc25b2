"""Right in every dtype, for powers up to 32 and inputs from 0.01 to 100."""

import copy

import pytest
import torch
from stress import BOUNDS, SIZES, error, layer

from flatten_edu.attention import SelfAttention, focus, focused_attention, linear_attention

POWERS = (1, 1.5, 2, 3, 4, 7, 8, 16, 32)


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
def test_functions_agree_with_float64(dtype, p):
    generator = torch.Generator().manual_seed(0)
    for size in SIZES:
        q, k, v = (
            (torch.randn(1, 2, 196, 64, generator=generator) * size).to(dtype) for _ in range(3)
        )
        for function in (linear_attention, lambda q, k, v: focused_attention(q, k, v, p)):
            output, reference = function(q, k, v), function(q.double(), k.double(), v.double())
            assert output.dtype == dtype
            assert error(output, reference) <= BOUNDS[dtype], f"size {size}"


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
def test_the_module_agrees_with_float64(dtype, p):
    module = layer(p=p).to(dtype)
    exact = copy.deepcopy(module).double()
    for size in SIZES:
        x = (torch.randn(1, 14, 14, 64) * size).to(dtype)
        output = module(x)
        assert output.dtype == dtype
        assert error(output, exact(x.double())) <= BOUNDS[dtype], f"size {size}"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_does_not_reach_the_mechanism(dtype):
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 2, 196, 64, generator=generator) * 100 for _ in range(3))
    with torch.autocast("cpu", dtype=dtype):
        output = focused_attention(q, k, v, p=32)
    assert error(output, focused_attention(q.double(), k.double(), v.double(), p=32)) <= 5e-6


@pytest.mark.parametrize("p", [1, 3, 8, 32])
@pytest.mark.parametrize("dtype", [*BOUNDS, torch.float64], ids=str)
@pytest.mark.parametrize("kind", ["zeros", "one-hot", "negative"])
def test_gradients_are_finite_on_degenerate_input(kind, dtype, p):
    x = torch.zeros(1, 6, 6, 16)
    if kind == "one-hot":
        x[..., 3] = 100
    if kind == "negative":
        x -= 5
    x = x.to(dtype).requires_grad_()
    module = SelfAttention(16, 2, "focused", grid=(6, 6), p=p).to(dtype)
    module(x).square().sum().backward()
    q = x.detach().unflatten(-1, (2, 8)).flatten(1, 2).mT.mT.transpose(1, 2).requires_grad_()
    focused_attention(q, q, q, p).sum().backward()
    gradients = [x.grad, q.grad, *(parameter.grad for parameter in module.parameters())]
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_the_textbook_form_is_wrong_where_this_one_is_right():
    x = torch.rand(4, 64, generator=torch.Generator().manual_seed(0)) * 10 + 0.1
    textbook = x.norm(dim=-1, keepdim=True) / x.pow(32).norm(dim=-1, keepdim=True) * x.pow(32)
    reference = focus(x.double(), 32)
    assert error(focus(x, 32), reference) < 5e-6
    assert not torch.allclose(textbook.double(), reference, rtol=0.1)


@pytest.mark.parametrize("p", [1, 2, 2.5, 3, 8])
def test_gradients_are_those_of_finite_differences(p):
    generator = torch.Generator().manual_seed(1)
    q, k, v = (
        torch.randn(1, 2, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
        for _ in range(3)
    )
    assert torch.autograd.gradcheck(lambda q, k, v: focused_attention(q, k, v, p), (q, k, v))
