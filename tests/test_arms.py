"""What the arms of a comparison are: names, the two controls, functions of one's own."""

import pytest
import torch

import flatten_edu as fe
from flatten_edu.analysis import equivalent_map, numerical_rank
from flatten_edu.arms import ARMS, PermutedBranch, find_arm, resolve, shuffled
from flatten_edu.attention import DepthwiseBranch, SelfAttention, linear_attention
from flatten_edu.training.build import Plan

GRID = (7, 5)


def attention(name: str) -> SelfAttention:
    torch.manual_seed(0)
    arm = find_arm(name)
    module = SelfAttention(16, 2, grid=GRID, **arm.options())
    arm.finish(module)
    return module.double()


def reach(module: SelfAttention, token: int = 17) -> torch.Tensor:
    """Which tokens change the output of one token: the pattern of a row of the Jacobian."""
    x = torch.randn(1, *GRID, 16, dtype=torch.float64, requires_grad=True)
    answer = module(x).flatten(1, 2)[0, token].sum()
    (change,) = torch.autograd.grad(answer, x, allow_unused=True, materialize_grads=True)
    return change.flatten(1, 2)[0].abs().sum(-1) > 0


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_runs_and_learns(name):
    module = attention(name)
    module(torch.randn(2, *GRID, 16, dtype=torch.float64)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters()
               if parameter.requires_grad)  # fmt: skip


def test_what_each_arm_sees():
    rows, columns = torch.arange(35) // 5, torch.arange(35) % 5
    near = ((rows - 17 // 5).abs() <= 2) & ((columns - 17 % 5).abs() <= 2)
    own = torch.arange(35) == 17
    for name in ("softmax", "linear", "focused", "focused+1x1"):
        assert reach(attention(name)).all(), name
    assert reach(attention("dwc")).equal(near)
    assert not reach(attention("none")).any()
    places = shuffled(35)
    where = int(places.argsort()[17])
    around = ((rows - where // 5).abs() <= 2) & ((columns - where % 5).abs() <= 2)
    permuted = attention("none")
    permuted.mixer.depthwise = PermutedBranch(8, 5).double()
    seen = reach(permuted)
    assert seen.equal(torch.zeros(35, dtype=torch.bool).scatter(0, places[around], True))
    assert not seen.equal(near)
    alone = attention("none")
    alone.mixer.depthwise = DepthwiseBranch(8, 1).double()
    assert reach(alone).equal(own)


def test_the_permuted_branch_is_its_matrix():
    branch = PermutedBranch(3, 5).double()
    values = torch.randn(1, 35, 3, dtype=torch.float64)
    expected = torch.einsum("dnm,bmd->bnd", branch.matrix(GRID), values) + branch.bias
    assert torch.allclose(branch(values, GRID), expected, atol=1e-12)


def test_the_controls_restore_the_rank_as_the_branch_does():
    torch.manual_seed(0)
    features = torch.rand(2, 1, 49, 8, dtype=torch.float64)
    map = linear_attention(features[:1], features[1:], torch.eye(49).double()[None, None])[0, 0]
    assert numerical_rank(map) <= 8
    for size, kind in ((5, DepthwiseBranch), (5, PermutedBranch), (1, DepthwiseBranch)):
        matrix = kind(4, size).double().matrix((7, 7))
        assert (numerical_rank(map + matrix) == 49).all(), (size, kind)
    assert numerical_rank(equivalent_map(map, torch.zeros(1, 1).double(), (7, 7))) <= 8


def test_a_permuted_model_takes_the_weights_of_a_plain_one():
    facts = {"img_size": [8, 8], "patch_size": 2, "num_classes": 10, "in_chans": 1}
    plain = Plan("deit_nano", facts, "focused+dwc").build(seed=0)
    mixed = Plan("deit_nano", facts, "focused+permuted").build(seed=0)
    fe.load_checkpoint(mixed, plain.state_dict())
    images = torch.randn(2, 1, 8, 8)
    assert not torch.allclose(plain(images), mixed(images))


def test_building_an_arm_leaves_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    Plan("deit_nano", {}, "focused+permuted").build(seed=3)
    assert torch.rand(2).equal(expected)


def test_names_of_the_gallery_and_functions_are_arms_too():
    assert find_arm("mala+dwc").options() == {
        "attention": "mala", "depthwise": True, "kernel_size": 5,
    }  # fmt: skip
    arm = find_arm("flatten_edu.attention:linear_attention+1x1")
    assert arm.attention is linear_attention and arm.branch == "1x1"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("focussed", "unknown arm 'focussed'; did you mean 'focused'"),
        ("focused+dcw", r"unknown branch 'dcw'; did you mean focused\+dwc"),
        ("dwc+dwc", "unknown arm 'dwc\\+dwc'"),
        ("", "unknown arm ''"),
        ("nowhere:f", "there is no module 'nowhere'"),
        ("math:cosh_+dwc", "math has no 'cosh_'; did you mean math:cosh"),
    ],
)
def test_an_unknown_arm_is_named_with_the_nearest(name, message):
    with pytest.raises(ValueError, match=message):
        find_arm(name)


def test_lists_of_mechanisms_are_resolved_entry_by_entry():
    name = "flatten_edu.attention:linear_attention"
    assert resolve(["softmax", [name, "focused"]]) == ["softmax", [linear_attention, "focused"]]
