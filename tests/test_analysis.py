"""Maps, entropy and ranks against numbers that are known."""

import math

import pytest
import torch
from torch.testing import assert_close

import flatten_edu as fe
from flatten_edu.analysis import (
    attention_map,
    effective_rank,
    equivalent_map,
    numerical_rank,
    record,
    row_entropy,
    singular_values,
)
from flatten_edu.attention import depthwise_matrix, linear_attention
from flatten_edu.attention.mechanism import name_of


def orthogonal(size, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64)).Q


def test_entropy_of_known_rows():
    half = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.25] * 4, [0, 0, 1.0, 0]])
    assert_close(row_entropy(half), torch.tensor([0.5, 1.0, 0.0]))
    assert_close(row_entropy(8 * half), row_entropy(half))
    assert row_entropy(torch.ones(3, 1)).tolist() == [0, 0, 0]


def test_a_negative_weight_has_no_entropy():
    with pytest.raises(ValueError, match="non-negative"):
        row_entropy(torch.tensor([[1.0, -0.1]]))


def test_ranks_of_a_matrix_with_known_singular_values():
    values = torch.tensor([4.0, 2.0, 1.0, 1e-3, 0.0, 0.0], dtype=torch.float64)
    matrix = orthogonal(6, 0) @ torch.diag(values) @ orthogonal(6, 1)
    assert_close(singular_values(matrix), values)
    assert numerical_rank(matrix).item() == 4
    share = values[:4] / values.sum()
    assert effective_rank(matrix).item() == pytest.approx(math.exp(-(share * share.log()).sum()))
    assert effective_rank(orthogonal(6, 2)).item() == pytest.approx(6)


def test_ranks_work_along_leading_axes():
    maps = torch.stack([torch.eye(5), torch.ones(5, 5)]).double()
    assert numerical_rank(maps).tolist() == [5, 1]
    assert_close(effective_rank(maps), torch.tensor([5.0, 1.0]).double())


def test_a_float32_map_would_read_as_full_rank():
    q, k = (torch.randn(1, 1, 196, 64, generator=torch.manual_seed(i)) for i in range(2))
    right = attention_map(q, k, "linear")
    assert right.dtype == torch.float64 and numerical_rank(right).item() == 64
    assert numerical_rank(right.float().double()).item() == 196


def test_a_function_has_a_map_too():
    q, k = torch.randn(1, 2, 5, 3), torch.randn(1, 2, 7, 3)
    assert_close(attention_map(q, k, linear_attention), attention_map(q, k, "linear"))


def test_an_unknown_mechanism_is_named():
    with pytest.raises(ValueError, match="'softmax', 'linear', 'focused'"):
        attention_map(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2), "flash")


@pytest.mark.parametrize(
    "attention", ["softmax", "linear", "focused", linear_attention], ids=name_of
)
def test_recorded_maps_mix_the_values_as_the_model_does(attention):
    torch.manual_seed(0)
    model = fe.create_model("deit_nano", attention=attention, depthwise=False)
    seen = {}
    mixer = model.blocks[1].attn.mixer
    handle = mixer.register_forward_hook(
        lambda _, inputs, output: seen.update(v=inputs[2], o=output)
    )
    with record(model) as maps:
        model(torch.randn(2, 1, 28, 28))
    handle.remove()
    assert list(maps) == ["blocks.0", "blocks.1", "blocks.2"]
    weights = maps["blocks.1"]
    assert weights.shape == (2, 3, 49, 49) and weights.dtype == torch.float64
    # Not quite one for the focused module: 1e-6 stands in its denominator, as published.
    assert_close(weights.sum(-1), torch.ones(2, 3, 49).double(), rtol=0, atol=5e-3)
    values = seen["v"].unflatten(-1, (3, 16)).transpose(1, 2).double()
    mixed = (weights @ values).transpose(1, 2).flatten(2)
    assert_close(mixed.float(), seen["o"], rtol=1e-4, atol=1e-5)


def test_recording_leaves_the_model_as_it_was():
    model = fe.create_model("deit_nano")
    images = torch.randn(1, 1, 28, 28)
    before = model(images)
    with record(model) as maps:
        assert model(images).equal(before)
    count = len(maps)
    maps.clear()
    assert model(images).equal(before)
    assert count == 3 and not maps and not any(m._forward_hooks for m in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_recording_sees_a_class_token():
    model = fe.create_model("deit_nano", class_token=True)
    with record(model) as maps:
        model(torch.randn(1, 1, 28, 28))
    assert maps["blocks.0"].shape == (1, 3, 50, 50)


def test_a_model_without_attention_is_refused():
    with (
        pytest.raises(ValueError, match="no attention between tokens"),
        record(torch.nn.Linear(2, 2)),
    ):
        pass


def test_the_equivalent_map_takes_one_kernel_or_one_a_channel():
    maps = torch.rand(2, 3, 6, 6).double()
    kernels = torch.randn(4, 3, 3).double()
    whole = equivalent_map(maps, kernels, (2, 3))
    assert whole.shape == (2, 3, 4, 6, 6)
    one = equivalent_map(maps, kernels[1], (2, 3))
    assert_close(whole[:, :, 1], one)
    assert_close(one - maps, depthwise_matrix(kernels[1], (2, 3)).expand_as(maps))


def test_a_map_of_another_grid_is_refused():
    with pytest.raises(ValueError, match="n = 2 x 4 = 8 tokens"):
        equivalent_map(torch.ones(6, 6), torch.ones(3, 3), (2, 4))


@pytest.mark.parametrize("wrong", [torch.ones(3), torch.ones(2, 2, dtype=torch.long), [[1.0]]])
def test_what_is_no_map_is_refused(wrong):
    for function in (row_entropy, numerical_rank, effective_rank):
        with pytest.raises(ValueError, match=r"map must be a tensor \.\.\. n m"):
            function(wrong)


@pytest.mark.parametrize("attention", ["hydra", "litemla", "polaformer", "agent", "linear_angular"])
def test_mechanisms_of_the_gallery_are_recorded(attention):
    model = fe.create_model("deit_nano", attention=attention)
    with record(model) as maps:
        model(torch.randn(1, 1, 28, 28))
    assert list(maps) == ["blocks.0", "blocks.1", "blocks.2"]
    assert all(map.shape[-2:] == (49, 49) and map.isfinite().all() for map in maps.values())


def test_what_has_no_map_of_tokens_is_left_out():
    one = fe.create_model("deit_nano", attention=[["softmax", "xca", "softmax"]])
    with record(one) as maps:
        one(torch.randn(1, 1, 28, 28))
    assert list(maps) == ["blocks.0", "blocks.2"]
    without = fe.create_model("deit_nano", attention="xca")
    with pytest.raises(ValueError, match="no attention between tokens"), record(without):
        pass


def test_a_name_of_the_gallery_has_a_map():
    q, k = torch.randn(1, 2, 16, 8), torch.randn(1, 2, 16, 8)
    for name in ("efficient", "agent", "inline"):
        rows = attention_map(q, k, name, grid=(4, 4)).sum(-1)
        assert_close(rows, torch.ones(1, 2, 16).double())
