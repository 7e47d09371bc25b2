"""The gradient of f_p that is written out is that of its definition."""

import pytest
import torch

from flatten_edu.attention import SelfAttention
from flatten_edu.attention.sharpen import Sharpen, sharpen, sharpen_

POWERS = (1.5, 2, 3, 4, 7.25, 32)


def features(*shape, seed=0, size=1.0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(*shape, generator=generator, dtype=torch.float64) * size + 1e-6
    return x.requires_grad_()


def gradient(function, x, p, seed=1):
    generator = torch.Generator().manual_seed(seed)
    results = function(x, p)
    weights = [torch.randn(r.shape, generator=generator, dtype=r.dtype) for r in results]
    return torch.autograd.grad(results, x, weights)[0]


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 8), (2, 5, 64)])
@pytest.mark.parametrize("size", [1e-3, 1, 100])
def test_it_is_the_gradient_of_the_definition(p, shape, size):
    x = features(*shape, size=size)
    expected = gradient(lambda x, p: sharpen_(x.clone(), p), x, p)
    torch.testing.assert_close(gradient(sharpen, x, p), expected, rtol=1e-11, atol=1e-12)


def test_it_is_the_slope_of_the_values():
    x = features(2, 3, 4)
    with torch.no_grad():
        x[0, 0, 2] = 2.0
    # The largest entry counts as a constant in both results: only their product has a slope.
    assert torch.autograd.gradcheck(lambda x: torch.mul(*Sharpen.apply(x, 3)), x)
    assert torch.autograd.gradgradcheck(lambda x: torch.mul(*Sharpen.apply(x, 3)), x)


def test_training_takes_it_and_all_else_the_definition(monkeypatch):
    calls = []
    apply = Sharpen.apply
    monkeypatch.setattr(Sharpen, "apply", lambda *given: calls.append(given) or apply(*given))
    module = SelfAttention(16, 2, grid=(3, 4)).double()
    x = torch.randn(2, 3, 4, 16, dtype=torch.float64)
    module(x).sum().backward()
    assert len(calls) == 2
    with torch.no_grad():
        module(x)
    weights = {name: value.detach() for name, value in module.named_parameters()}
    torch.func.grad(lambda w: torch.func.functional_call(module, w, x).sum())(weights)
    with torch.autograd.forward_ad.dual_level():
        module(torch.autograd.forward_ad.make_dual(x, torch.ones_like(x)))
    assert len(calls) == 2


def test_arguments_stay_as_they_are_in_training():
    x = features(2, 6)
    kept = x.detach().clone()
    sharpen(x, 3)[0].sum().backward()
    assert torch.equal(x.detach(), kept)
