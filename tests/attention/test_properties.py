"""What holds for every shape, tried on random ones."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from flatten_edu.analysis import attention_map, equivalent_map, numerical_rank, record
from flatten_edu.attention import (
    SelfAttention,
    depthwise_matrix,
    focus,
    focused_attention,
    linear_attention,
    positive,
    softmax_attention,
)

powers = st.sampled_from([1, 1.5, 2, 3, 4, 5, 8, 16, 32])
small = st.integers(1, 6)
seeds = st.integers(0, 10_000)
grids = st.tuples(st.integers(1, 6), st.integers(1, 6))
exact = {"rtol": 1e-10, "atol": 1e-10}


def normal(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def mechanism(name, p):
    return {
        "softmax": softmax_attention,
        "linear": linear_attention,
        "focused": lambda q, k, v: focused_attention(q, k, v, p),
    }[name]


names = st.sampled_from(["softmax", "linear", "focused"])


@given(small, small, st.integers(1, 9), st.integers(1, 9), small, powers, seeds)
def test_brackets_may_move(b, h, n, m, d, p, seed):
    q, k, v = normal(b, h, n, d, seed=seed), normal(b, h, m, d, seed=seed + 1), None
    v = normal(b, h, m, 3, seed=seed + 2)
    features_q, features_k = focus(positive(q), p), focus(positive(k), p)
    weights = features_q @ features_k.mT
    quadratic = (weights / weights.sum(-1, keepdim=True)) @ v
    assert_close(focused_attention(q, k, v, p), quadratic, **exact)


@given(names, small, small, st.integers(1, 9), st.integers(1, 9), small, powers, seeds)
def test_rows_sum_to_one(name, b, h, n, m, d, p, seed):
    q, k = normal(b, h, n, d, seed=seed), normal(b, h, m, d, seed=seed + 1)
    weights = attention_map(q, k, name, p=p)
    assert weights.shape == (b, h, n, m) and weights.min() >= 0
    assert_close(weights.sum(-1), torch.ones(b, h, n).double(), **exact)


@given(names, st.integers(1, 9), st.integers(1, 9), small, powers, seeds)
def test_order_of_the_tokens_does_not_matter(name, n, m, d, p, seed):
    q, k, v = (normal(1, 2, size, d, seed=seed + i) for i, size in enumerate((n, m, m)))
    turn_q, turn_k = (torch.randperm(s, generator=torch.manual_seed(seed)) for s in (n, m))
    function = mechanism(name, p)
    turned = function(q[:, :, turn_q], k[:, :, turn_k], v[:, :, turn_k])
    assert_close(turned, function(q, k, v)[:, :, turn_q], **exact)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 8), powers, seeds)
def test_rank_is_bounded_by_tokens_and_channels(n, m, d, p, seed):
    q, k = normal(1, 1, n, d, seed=seed), normal(1, 1, m, d, seed=seed + 1)
    for name in ("linear", "focused"):
        assert numerical_rank(attention_map(q, k, name, p=p)).item() <= min(n, m, d)


@given(st.integers(1, 9), small, powers, seeds, st.sampled_from([1e-30, 0.01, 7.0, 1e30]))
def test_focus_keeps_the_norm_and_is_homogeneous(n, d, p, seed, factor):
    x = normal(n, d, seed=seed).relu()
    assert_close(focus(x, p).norm(dim=-1), x.norm(dim=-1), **exact)
    assert_close(focus(factor * x, p) / factor, focus(x, p), **exact)


@given(st.integers(2, 8), seeds)
def test_proposition_1(d, seed):
    """Some power raises the product where the largest entries agree, and lowers it elsewhere."""
    x, y, z = normal(3, d, seed=seed).abs()  # a single largest entry each
    top = x.argmax()
    for other in (y, z):
        products = torch.stack([focus(x, p) @ focus(other, p) for p in (1, 1.01, 2, 8, 32, 128)])
        if other.argmax() == top:
            # The limit is |x| |y|, which the product cannot reach before.
            assert products.max() > products[0]
        else:
            assert products.min() < products[0]


@given(grids, st.sampled_from([1, 3, 5, 7]), seeds)
def test_the_depthwise_matrix_keeps_to_its_neighbours(grid, size, seed):
    matrix = depthwise_matrix(positive(normal(size, size, seed=seed)), grid)
    y, x = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    y, x = y.flatten(), x.flatten()
    near = (y[:, None] - y).abs().le(size // 2) & (x[:, None] - x).abs().le(size // 2)
    assert (matrix != 0).equal(near)


@given(st.sampled_from(["linear", "focused"]), grids, st.integers(1, 3), st.integers(1, 4), seeds)
def test_the_equivalent_map_is_the_module(name, grid, heads, d, seed):
    """M_eq V + bias is what the module's mixer gives, head by head and channel by channel."""
    torch.manual_seed(seed)
    module = SelfAttention(heads * d, heads, name, grid, kernel_size=3, depthwise=True).double()
    torch.nn.init.normal_(module.mixer.mechanism.positional_encoding)
    torch.nn.init.normal_(module.mixer.mechanism.scale)
    q, k, v = (normal(2, grid[0] * grid[1], heads * d, seed=seed + i) for i in range(3))
    with record(module) as maps:
        mixed = module.mixer(q, k, v, grid)
    branch = module.mixer.depthwise
    whole = equivalent_map(maps["attention"], branch.weight[:, 0], grid)
    values = v.unflatten(-1, (heads, d))
    expected = torch.einsum("bhdnm,bmhd->bnhd", whole, values) + branch.bias
    assert_close(mixed, expected.flatten(-2), **exact)


@given(names, grids, grids, st.integers(1, 3), seeds)
def test_a_module_built_for_one_grid_takes_another(name, built, given_grid, heads, seed):
    torch.manual_seed(seed)
    module = SelfAttention(4 * heads, heads, name, grid=built)
    x = torch.randn(2, *given_grid, 4 * heads)
    assert module(x).shape == x.shape and module(x).isfinite().all()
