"""The functions are the paper's equations, and the numbers are the paper's."""

import pytest
import torch
from plain import attention, depthwise, focused_weights, softmax_weights

from flatten_edu.analysis import attention_map, numerical_rank, row_entropy
from flatten_edu.attention import (
    depthwise_matrix,
    focus,
    focused_attention,
    linear_attention,
    softmax_attention,
)

FIGURE_4_QUERY = [0.39, 0.94]
FIGURE_4_KEYS = [[0.43, 0.86], [0.54, 0.30], [0.97, 0.32], [0.86, 0.14]]


def qkv(b=2, h=3, n=4, m=5, d=6, e=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((b, h, n, d), (b, h, m, d), (b, h, m, e))
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


@pytest.mark.parametrize(
    ("function", "weights"),
    [
        (softmax_attention, softmax_weights),
        (linear_attention, lambda q, k: focused_weights(q, k, 1)),
        (focused_attention, lambda q, k: focused_weights(q, k, 3)),
        (lambda q, k, v: focused_attention(q, k, v, p=8), lambda q, k: focused_weights(q, k, 8)),
        (lambda *a: focused_attention(*a, p=2.5), lambda q, k: focused_weights(q, k, 2.5)),
    ],
    ids=["softmax", "linear", "focused", "focused p = 8", "focused p = 2.5"],
)
def test_functions_agree_with_plain_loops(function, weights):
    q, k, v = qkv()
    torch.testing.assert_close(function(q, k, v), attention(q, k, v, weights), rtol=0, atol=1e-12)


@pytest.mark.parametrize("grid", [(4, 6), (1, 5), (7, 2), (3, 3)])
@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_depthwise_matrix_is_the_convolution_also_at_the_borders(grid, size):
    generator = torch.Generator().manual_seed(size)
    kernel = torch.randn(size, size, generator=generator, dtype=torch.float64)
    image = torch.randn(grid, generator=generator, dtype=torch.float64)
    product = depthwise_matrix(kernel, grid) @ image.flatten()
    torch.testing.assert_close(product.reshape(grid), depthwise(image, kernel), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("attention", "p", "scores"),
    [
        ("focused", 1, [0.373, 0.188, 0.260, 0.179]),
        ("focused", 2, [0.567, 0.165, 0.166, 0.101]),
        ("focused", 3, [0.749, 0.115, 0.085, 0.051]),
        ("focused", 8, [0.992, 0.006, 0.001, 0.001]),
    ],
)
def test_figure_4_scores(attention, p, scores):
    q, k = torch.tensor([[[FIGURE_4_QUERY]]]), torch.tensor([[FIGURE_4_KEYS]])
    rows = attention_map(q, k, attention, p=p)
    assert [round(share, 3) for share in rows.flatten().tolist()] == scores


def test_softmax_of_figure_4_is_flatter():
    # The plain exponential, as the paper's figure has vectors without a scale.
    q, k = torch.tensor(FIGURE_4_QUERY), torch.tensor(FIGURE_4_KEYS)
    shares = (k @ q).softmax(0)
    assert [round(share, 3) for share in shares.tolist()] == [0.338, 0.208, 0.251, 0.203]


@pytest.mark.parametrize("seed", range(3))
def test_entropies_and_ranks_of_random_maps(seed):
    generator = torch.Generator().manual_seed(seed)
    q, k = (torch.randn(1, 4, 196, 64, generator=generator) for _ in range(2))
    expected = {1: 0.991, 2: 0.969, 3: 0.925, 4: 0.864, 8: 0.634, 16: 0.423, 32: 0.302}
    for p, entropy in expected.items():
        assert row_entropy(attention_map(q, k, p=p)).mean().item() == pytest.approx(
            entropy, abs=0.015
        )
    kernel = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    branch = depthwise_matrix(kernel, (14, 14))
    focused = attention_map(q, k, p=3)
    assert numerical_rank(attention_map(q, k, "softmax")).tolist() == [[196] * 4]
    assert numerical_rank(attention_map(q, k, "linear")).tolist() == [[64] * 4]
    assert numerical_rank(focused).tolist() == [[64] * 4]
    assert numerical_rank(branch).item() == 196
    assert numerical_rank(focused + branch).tolist() == [[196] * 4]


def test_focus_of_a_row_of_zeros_is_zero():
    x = torch.zeros(2, 3, requires_grad=True)
    y = focus(x, 8)
    y.sum().backward()
    assert y.eq(0).all() and x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("p", [0, 0.5, -3, float("inf"), float("nan")])
def test_a_power_below_one_or_not_finite_is_refused(p):
    with pytest.raises(ValueError, match=r"^p must be finite and at least 1.*p=3$"):
        focus(torch.ones(3), p)


@pytest.mark.parametrize("p", ["3", None, True])
def test_a_power_that_is_no_number_is_refused(p):
    with pytest.raises(TypeError, match=r"^p must be a number"):
        focused_attention(*qkv(), p=p)


@pytest.mark.parametrize(
    ("shapes", "line"),
    [
        (((1, 2, 4, 8), (1, 2, 4, 6), (1, 2, 4, 8)), "d differs between q and k"),
        (((1, 2, 4, 8), (1, 3, 4, 8), (1, 3, 4, 8)), "h differs between q and k"),
        (((2, 2, 4, 8), (1, 2, 4, 8), (1, 2, 4, 8)), "b differs between q and k"),
        (((1, 2, 4, 8), (1, 2, 5, 8), (1, 2, 4, 8)), "m differs between k and v"),
        (((2, 4, 8), (1, 2, 5, 8), (1, 2, 4, 8)), "q must be b h n d"),
    ],
)
@pytest.mark.parametrize("function", [softmax_attention, linear_attention, focused_attention])
def test_shapes_that_do_not_fit_are_named(function, shapes, line):
    with pytest.raises(ValueError, match=line) as error:
        function(*(torch.zeros(shape) for shape in shapes))
    assert "\n" not in str(error.value)
    assert str(shapes[0]) in str(error.value)


def test_mixed_dtypes_are_named():
    q, k, v = qkv()
    with pytest.raises(ValueError, match=r"one dtype.*float64.*float32"):
        linear_attention(q, k.float(), v)


@pytest.mark.parametrize("kernel", [torch.ones(4, 4), torch.ones(3, 5), torch.ones(3), "kernel"])
def test_a_kernel_without_a_centre_is_refused(kernel):
    with pytest.raises(ValueError, match="kernel"):
        depthwise_matrix(kernel, (4, 4))


@pytest.mark.parametrize("grid", [(0, 4), (4,), "14", None, (2.0, 2), (3, -1)])
def test_a_grid_that_is_none_is_refused(grid):
    with pytest.raises(ValueError, match=r"grid must be \(rows, columns\)"):
        depthwise_matrix(torch.ones(3, 3), grid)
