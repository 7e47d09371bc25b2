"""The gradient that is written out is that of the definition, wherever it stands in."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from flatten_edu.attention import SelfAttention
from flatten_edu.attention.linear import kernel_attention
from flatten_edu.attention.product import NormalisedProduct, product

CLOSE = {"rtol": 1e-10, "atol": 1e-12}
size = st.integers(1, 6)


def made(b, h, n, m, d, e, seed=0):
    chance = torch.Generator().manual_seed(seed)
    shapes = (b, h, n, d), (b, h, m, d), (b, h, m, e), (b, n, 1)
    tensors = [torch.rand(shape, generator=chance, dtype=torch.float64) for shape in shapes]
    tensors[2].sub_(0.5)
    tensors[3].add_(1e-6)
    return [tensor.requires_grad_() for tensor in tensors]


@given(b=st.integers(0, 3), h=size, n=size, m=size, d=size, e=size)
def test_output_and_gradients_are_those_of_the_definition(b, h, n, m, d, e):
    inputs = made(b, h, n, m, d, e)
    output, reference = product(*inputs), kernel_attention(*inputs)
    assert_close(output, reference, **CLOSE)
    weights = torch.randn(b, h, n, e, dtype=torch.float64)
    found = torch.autograd.grad(output, inputs, weights)
    for mine, theirs in zip(found, torch.autograd.grad(reference, inputs, weights), strict=True):
        assert_close(mine, theirs, **CLOSE)


def test_it_is_taken_where_a_gradient_is_recorded_and_only_there(monkeypatch):
    calls = []
    apply = NormalisedProduct.apply
    monkeypatch.setattr(NormalisedProduct, "apply", lambda *a: calls.append(1) or apply(*a))
    inputs = made(1, 2, 3, 4, 5, 6)
    product(*inputs)
    assert len(calls) == 1
    with torch.no_grad():
        product(*inputs)
    product(*(tensor.detach() for tensor in inputs))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        product(*(tensor.float() for tensor in inputs))
    torch.func.vmap(lambda q: product(q, *inputs[1:]))(inputs[0][None])
    assert len(calls) == 1


def test_a_number_may_be_added():
    q, k, v, _ = made(2, 3, 4, 5, 2, 3)
    output, reference = product(q, k, v, 1e-3), kernel_attention(q, k, v, 1e-3)
    assert_close(output, reference, **CLOSE)
    for mine, theirs in zip(
        torch.autograd.grad(output.square().sum(), (q, k, v)),
        torch.autograd.grad(reference.square().sum(), (q, k, v)),
        strict=True,
    ):
        assert_close(mine, theirs, **CLOSE)


@pytest.mark.parametrize("frozen", range(4))
def test_what_is_frozen_needs_no_gradient(frozen):
    inputs = made(2, 2, 3, 4, 5, 6)
    inputs[frozen].requires_grad_(False)
    learned = [tensor for tensor in inputs if tensor.requires_grad]
    found = torch.autograd.grad(product(*inputs).sum(), learned, create_graph=True)
    expected = torch.autograd.grad(kernel_attention(*inputs).sum(), learned)
    for mine, theirs in zip(found, expected, strict=True):
        assert_close(mine, theirs, **CLOSE)


def test_second_derivatives_are_those_of_the_definition():
    inputs = made(1, 2, 3, 3, 2, 2)
    assert torch.autograd.gradgradcheck(product, inputs)


def test_a_layer_that_learns_has_second_derivatives():
    torch.manual_seed(0)
    module = SelfAttention(8, 2, grid=(3, 2)).double()
    x = torch.randn(1, 3, 2, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(module, x)
