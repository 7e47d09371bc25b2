"""Products in halves, which a GPU takes for bfloat16, give the definition's numbers."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stress import SIZES, error, layer
from torch.testing import assert_close

from flatten_edu.attention import half, product
from flatten_edu.attention.linear import kernel_attention

FORMS = (half._at_once, half._one_by_one)


def draw(b, heads, n, m, d, dtype=torch.float64):
    q, k = torch.rand(b, heads, n, d, dtype=dtype), torch.rand(b, heads, m, d, dtype=dtype)
    return q, k, torch.randn(b, heads, m, d, dtype=dtype), torch.rand(b, n, 1, dtype=dtype) + 1e-3


@given(st.tuples(*(st.integers(1, high) for high in (3, 4, 9, 9, 5))), st.booleans())
def test_it_is_the_definition(shape, own):
    q, k, v, eps = draw(*shape)
    eps = eps if own else 1e-6
    # Denominators are float32 whatever comes.
    found = half.half_product(q, k, v, eps)
    assert_close(found, kernel_attention(q, k, v, eps), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tokens", [4, 40])
def test_both_ways_give_the_same_product(form, tokens, monkeypatch):
    q, k, v, eps = draw(2, 3, tokens, tokens, 4)
    monkeypatch.setattr(half, "_at_once", form)
    monkeypatch.setattr(half, "_one_by_one", form)
    found = half.half_product(q, k, v, eps)
    assert_close(found, kernel_attention(q, k, v, eps), rtol=1e-5, atol=1e-6)


def test_gradients_are_those_of_the_definition():
    inputs = [t.requires_grad_() for t in draw(2, 2, 9, 7, 4)]
    found = torch.autograd.grad(half.half_product(*inputs).square().sum(), inputs)
    expected = torch.autograd.grad(kernel_attention(*inputs).square().sum(), inputs)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("p", [1, 1.5, 3, 8, 16, 32])
@pytest.mark.parametrize("grid", [14, 5])
def test_a_layer_in_bfloat16_loses_no_more_by_it(p, grid, monkeypatch):
    module = layer(p=p, grid=grid).bfloat16()
    exact = copy.deepcopy(module).double()
    for size in SIZES:
        x = (torch.randn(1, grid, grid, 64) * size).bfloat16()
        reference = exact(x.double())
        errors = []
        for taken in (False, True):
            monkeypatch.setattr(product, "suits", lambda v, taken=taken: taken)
            output = module(x)
            assert output.dtype == torch.bfloat16
            errors.append(error(output, reference))
        assert errors[1] <= 1.25 * errors[0] + 3e-3, f"size {size}"


def test_only_bfloat16_on_a_gpu_is_taken():
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        assert not half.suits(torch.zeros(1, dtype=dtype))
    assert not half.suits(torch.zeros(1, dtype=torch.bfloat16, device="meta"))
