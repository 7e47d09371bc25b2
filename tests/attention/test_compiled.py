"""torch.compile takes the layer whole, once for all batches, and computes as exactly."""

import copy

import pytest
import torch
from stress import BOUNDS, SIZES, error, layer
from torch._dynamo.testing import CompileCounterWithBackend

LONG = pytest.mark.long


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


CASES = [
    ("eager", "focused", False),
    ("eager", "focused", True),
    *(
        pytest.param("inductor", attention, training, marks=LONG)
        for attention in ("softmax", "linear", "focused")
        for training in (False, True)
    ),
]


@pytest.mark.parametrize(("backend", "attention", "training"), CASES)
def test_one_graph_serves_every_batch(backend, attention, training):
    module = layer(attention).train(training)
    counter = CompileCounterWithBackend(backend)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend=counter)
    with torch.set_grad_enabled(training):
        for batch in (2, 3, 5, 8, 13):
            x = torch.randn(batch, 14, 14, 64)
            torch.testing.assert_close(compiled(x), module(x), rtol=0, atol=2e-6)
    assert counter.frame_count == 1


def test_a_whole_power_is_kept_as_an_int():
    assert isinstance(layer(p=3.0).mixer.mechanism.p, int)


@LONG
def test_a_whole_power_starts_the_compiler_once():
    """A float would be taken for a number that may change, and inductor would start again."""
    counter = CompileCounterWithBackend("inductor")
    compiled = torch.compile(layer(p=3.0).eval(), fullgraph=True, dynamic=True, backend=counter)
    with torch.no_grad():
        compiled(torch.randn(2, 14, 14, 64))
    assert counter.frame_count == 1


@LONG
@pytest.mark.parametrize("attention", ["softmax", "focused"])
@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_few_graphs_serve_every_map(backend, attention):
    module = layer(attention).eval()
    counter = CompileCounterWithBackend(backend)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend=counter)
    maps = ((14, 14), (9, 12), (10, 7), (28, 28), (20, 11), (16, 24), (15, 13))
    with torch.no_grad():
        for y, x in maps:
            tokens = torch.randn(2, y, x, 64)
            torch.testing.assert_close(compiled(tokens), module(tokens), rtol=0, atol=2e-6)
    # One for the grid of the positions, the others resize them.
    assert counter.frame_count <= 3


@LONG
def test_gradients_are_the_same():
    module = layer().double()
    x = torch.randn(2, 14, 14, 64, dtype=torch.float64, requires_grad=True)
    expected = torch.autograd.grad(module(x).square().sum(), [x, *module.parameters()])
    compiled = torch.compile(module, fullgraph=True, dynamic=True)
    found = torch.autograd.grad(compiled(x).square().sum(), [x, *module.parameters()])
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@LONG
@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 4, 7, 8, 16, 32])
@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
def test_the_compiled_module_agrees_with_float64(dtype, p):
    module = layer(p=p).to(dtype).eval()
    exact = copy.deepcopy(module).double().train()
    compiled = torch.compile(module, fullgraph=True)
    with torch.no_grad():
        for size in SIZES:
            x = (torch.randn(1, 14, 14, 64) * size).to(dtype)
            output = compiled(x)
            assert output.dtype == dtype
            assert error(output, exact(x.double())) <= BOUNDS[dtype], f"size {size}"
