"""The one module: every arm of the switch, other grids, cross-attention, wrong calls."""

import copy
import pickle

import pytest
import torch
from torch.testing import assert_close

from flatten_edu.attention import Mechanism, SelfAttention, linear_attention
from flatten_edu.attention.focused import resize_positions
from flatten_edu.attention.mechanism import name_of

ARMS = ["softmax", "linear", "focused", linear_attention]


def make(attention="focused", **options):
    torch.manual_seed(0)
    return SelfAttention(16, 4, attention, **({"grid": (6, 4)} | options)).double()


def tokens(y=6, x=4, seed=1):
    return torch.randn(2, y, x, 16, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("depthwise", [None, True, False])
@pytest.mark.parametrize("attention", ARMS, ids=name_of)
def test_every_arm_has_the_parts_it_should_have(attention, depthwise):
    module = make(attention, depthwise=depthwise)
    names = dict(module.named_parameters())
    branch = depthwise or (depthwise is None and attention == "focused")
    assert any("depthwise" in name for name in names) == branch
    assert any("scale" in name for name in names) == (attention in ("linear", "focused"))
    assert module(tokens()).shape == (2, 6, 4, 16)


def test_linear_is_focused_with_power_one_and_no_branch():
    linear, focused = make("linear"), make("focused", p=1, depthwise=False)
    assert_close(linear(tokens()), focused(tokens()), rtol=0, atol=0)


def test_the_branch_is_added_to_any_mechanism():
    without, with_branch = make("softmax"), make("softmax", depthwise=True)
    with_branch.load_state_dict(without.state_dict(), strict=False)
    torch.nn.init.zeros_(with_branch.mixer.depthwise.weight)
    torch.nn.init.ones_(with_branch.mixer.depthwise.bias)
    change = torch.nn.functional.linear(torch.ones(16).double(), without.proj.weight)
    assert_close(with_branch(tokens()) - without(tokens()), change.expand(2, 6, 4, 16))


@pytest.mark.parametrize("attention", ARMS, ids=name_of)
def test_a_context_of_itself_is_self_attention(attention):
    module = make(attention)
    assert_close(module(tokens(), context=tokens()), module(tokens()))


@pytest.mark.parametrize("attention", ARMS, ids=name_of)
def test_cross_attention_sees_the_context_only(attention):
    module = make(attention, grid=(3, 5))
    x, context = tokens(), tokens(3, 5, seed=2)
    before = module(x, context)
    changed = context.clone()
    changed[:, 1, 2] += 1
    assert before.shape == x.shape
    assert (module(x, changed) - before).abs().max() > 1e-6


@pytest.mark.parametrize("attention", ARMS, ids=name_of)
def test_a_class_token_asks_and_is_asked_but_has_no_place(attention):
    module = make(attention)
    flat = torch.cat([torch.ones(2, 1, 16).double(), tokens().flatten(1, 2)], dim=1)
    output = module.attend(flat, grid=(6, 4))
    assert output.shape == flat.shape
    other = flat.clone()
    other[:, 0] *= 2
    assert (module.attend(other, grid=(6, 4))[:, 1:] - output[:, 1:]).abs().max() > 1e-9


def test_positions_are_resized_to_another_grid():
    places = torch.arange(24.0).reshape(1, 24, 1)
    assert resize_positions(places, (6, 4), (6, 4)) is places
    doubled = resize_positions(places, (6, 4), (12, 8))
    assert doubled.shape == (1, 96, 1)
    assert_close(doubled.mean(), places.mean(), rtol=0, atol=1e-4)
    image = places.reshape(1, 1, 6, 4)
    expected = torch.nn.functional.interpolate(image, size=(12, 8), mode="bicubic")
    assert_close(doubled.flatten(), expected.flatten())


def test_the_positional_encoding_breaks_the_symmetry_of_the_keys():
    module = make("linear", depthwise=False)
    turned = torch.flip(tokens(), dims=(1,))
    assert_close(torch.flip(module(turned), dims=(1,)), module(tokens()))
    torch.nn.init.normal_(module.mixer.mechanism.positional_encoding)
    assert (torch.flip(module(turned), dims=(1,)) - module(tokens())).abs().max() > 1e-6


def test_a_mask_hides_keys_from_softmax():
    module = make("softmax")
    mask = torch.zeros(1, 1, 24, 24).double()
    mask[..., 5] = -torch.inf
    changed = tokens()
    changed[:, 1, 1] += 3
    rows = [place for place in range(24) if place != 5]
    before, after = (module(x, mask=mask).flatten(1, 2)[:, rows] for x in (tokens(), changed))
    assert_close(before, after)


def test_a_mechanism_of_ones_own_gets_the_grid():
    class Nearest(Mechanism):
        def forward(self, q, k, v, grid, mask=None):
            assert grid == (6, 4)
            return v.roll(1, dims=2)

    assert make(Nearest()).forward(tokens()).shape == (2, 6, 4, 16)


@pytest.mark.parametrize("attention", ARMS, ids=name_of)
def test_modules_can_be_copied_and_pickled(attention):
    module = make(attention)
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert_close(twin(tokens()), module(tokens()), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"heads": 5}, "width must be a multiple of heads.*heads=4"),
        ({"heads": 0}, "heads=1"),
        ({"heads": True}, "heads=True"),
        ({"p": 0.5}, "p must be finite and at least 1"),
        ({"p": float("nan")}, "p must be finite and at least 1"),
        ({"kernel_size": 4}, "kernel_size must be odd.*3 and 5"),
        ({"kernel_size": 0}, "kernel_size must be odd"),
        ({"attention": "flash"}, "'softmax', 'linear', 'focused', .* or a function"),
        ({"attention": 3}, "attention must be"),
        ({"grid": None}, r"grid must be \(rows, columns\)"),
        ({"grid": (0, 3)}, r"grid must be \(rows, columns\)"),
    ],
)
def test_wrong_options_give_one_clear_line(options, line):
    settings = {"heads": 4, "attention": "focused", "grid": (4, 4)} | options
    with pytest.raises(ValueError, match=line) as error:
        SelfAttention(16, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(2, 24, 16), (2, 6, 4, 8), (6, 4, 16)])
def test_wrong_tokens_give_one_clear_line(shape):
    with pytest.raises(ValueError, match=r"x must be b y x c with c = 16"):
        make()(torch.zeros(shape).double())


def test_a_function_that_returns_another_shape_is_named():
    def halved(q, k, v):
        return v[:, :, ::2]

    with pytest.raises(ValueError, match=r"halved must return b h n d"):
        make(halved)(tokens())
