"""Every mechanism stays finite where inputs are extreme, and treats each sample by itself."""

import copy

import pytest
import torch
from torch.testing import assert_close

from flatten_edu.attention import NAMES, SelfAttention, TokenMixer
from flatten_edu.gallery import CARDS, inline_attention, nystrom_attention

GALLERY = [name for name in CARDS if name not in ("softmax", "linear", "focused")]
GRID = (7, 9)
# What is not so, and why: (mechanism, dtype, size of the inputs).
EXCEPTIONS = {
    # Weights grow with |q| |k|, and nothing is divided: 65,504 is the largest number of fp16.
    ("inline", torch.float16, 100),
    ("mala", torch.float16, 100),
    # The denominator is not turned and may come near zero where the numerator does not.
    ("rala", torch.float16, 100),
}


def mixer(name, dtype=torch.float32, grid=GRID):
    torch.manual_seed(0)
    return TokenMixer(16, 2, name, grid).to(dtype)


def qkv(batch=3, tokens=63, dtype=torch.float32, size=1.0):
    generator = torch.Generator().manual_seed(1)
    return [
        (size * torch.randn(batch, tokens, 16, generator=generator)).to(dtype).requires_grad_()
        for _ in range(3)
    ]


def changed(tensors, rule):
    return [rule(t.detach().clone()).requires_grad_() for t in tensors]


def check_finite(module, q, k, v, grid=GRID):
    output = module(q, k, v, grid)
    assert output.shape == q.shape and output.dtype == v.dtype and output.isfinite().all()
    output.float().square().mean().backward()
    for tensor in (q, k, v, *module.parameters()):
        assert tensor.grad is not None and tensor.grad.isfinite().all()
    return output


def zeroed(*rows):
    def rule(t):
        t[:, list(rows)] = 0
        return t

    return rule


@pytest.mark.parametrize("name", GALLERY)
@pytest.mark.parametrize("which", ["q", "k", "v", "qkv"])
def test_rows_of_zeros(name, which):
    tensors = [
        changed([t], zeroed(0, 5))[0] if key in which else t
        for key, t in zip("qkv", qkv(), strict=True)
    ]
    check_finite(mixer(name), *tensors)


@pytest.mark.parametrize("name", GALLERY)
def test_nothing_but_zeros(name):
    check_finite(mixer(name), *changed(qkv(), torch.zeros_like))


@pytest.mark.parametrize("name", GALLERY)
def test_queries_and_keys_without_a_positive_entry(name):
    q, k, v = qkv()
    (q,) = changed([q], lambda t: -t.abs())
    check_finite(mixer(name), q, k, v)
    check_finite(mixer(name), q, *changed([k], lambda t: -t.abs()), v)


@pytest.mark.parametrize("name", GALLERY)
def test_one_token(name):
    check_finite(mixer(name), *qkv(tokens=1), grid=(1, 1))
    check_finite(mixer(name, grid=(1, 1)), *qkv(tokens=1), grid=(1, 1))


@pytest.mark.parametrize("size", [0.01, 1, 100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", GALLERY)
def test_every_dtype_and_size_is_finite_and_near_float64(name, dtype, size):
    module, tensors = mixer(name, dtype), qkv(dtype=dtype, size=size)
    exact = copy.deepcopy(module).double()(*(t.double() for t in tensors), GRID)
    output = module(*tensors, GRID)
    if (name, dtype, size) in EXCEPTIONS:
        assert exact.abs().max() > torch.finfo(dtype).max
        return
    assert output.dtype == dtype and output.isfinite().all()
    bound = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 5e-2}[dtype]
    assert (output.double() - exact).abs().max() <= bound * exact.abs().max()


@pytest.mark.parametrize("name", GALLERY)
def test_autocast(name):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        x = torch.randn(2, *GRID, 16, generator=torch.Generator().manual_seed(2))
        torch.manual_seed(0)
        output = SelfAttention(16, 2, name, grid=GRID)(x)
    assert output.isfinite().all()


@pytest.mark.parametrize("name", GALLERY)
def test_samples_do_not_see_each_other(name):
    module, tensors = mixer(name, torch.float64), qkv(dtype=torch.float64)
    output = module(*tensors, GRID)
    order = [2, 0, 1]
    assert_close(module(*(t[order] for t in tensors), GRID), output[order], rtol=0, atol=1e-12)
    assert_close(module(*(t[1:2] for t in tensors), GRID), output[1:2], rtol=0, atol=1e-12)


def test_the_published_start_of_nystrom_sees_the_batch():
    q, k, v = (t.detach()[:, None] for t in qkv(dtype=torch.float64, size=3))
    q = q * torch.tensor([1.0, 1.0, 4.0]).double().view(3, 1, 1, 1)
    alone, together = (
        nystrom_attention(q[:n], k[:n], v[:n], landmarks=9, start="batch")[0] for n in (1, 3)
    )
    assert (alone - together).abs().max() > 1e-6


def test_weights_of_inline_grow_with_the_length_of_the_queries():
    q, k, v = (t.detach()[:, None] for t in qkv(dtype=torch.float64))
    mean = v.mean(2, keepdim=True)
    once, tenfold = (inline_attention(size * q, k, v) - mean for size in (1, 10))
    assert_close(tenfold, 10 * once)


def test_every_name_is_looked_at():
    assert set(GALLERY) == set(NAMES) - {"softmax", "linear", "focused"}
