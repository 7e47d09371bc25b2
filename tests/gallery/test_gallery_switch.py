"""Every mechanism of the gallery is a name of the one switch: module, grids, tables, errors."""

import copy
import pickle
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

import flatten_edu as fe
from flatten_edu.analysis import identity_values
from flatten_edu.attention import (
    NAMES,
    Mechanism,
    SelfAttention,
    has_branch,
    is_linear,
    make_mechanism,
    register,
)
from flatten_edu.attention.mechanism import Function
from flatten_edu.gallery import CARDS, Agent, mixing, rala_attention, rotary_angles

PAPER = ["softmax", "linear", "focused"]
GALLERY = [name for name in CARDS if name not in PAPER]
ONE_SET = ["xca", "linear_angular"]
TABLES = ["agent", "slab", "polaformer"]
BRANCH = ["agent", "inline", "mala", "nalaformer", "polaformer", "rala", "slab"]


def make(name, grid=(6, 4), heads=2, **options):
    torch.manual_seed(0)
    return SelfAttention(16, heads, name, grid=grid, **options).double()


def tokens(y=6, x=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, y, x, 16, generator=generator, dtype=torch.float64)


def test_the_papers_arms_come_first_and_all_others_follow():
    assert list(NAMES[:3]) == PAPER
    assert sorted(NAMES[3:]) == sorted(GALLERY) and len(GALLERY) == 15
    assert "agent" in NAMES and "agents" not in NAMES and [] not in NAMES and max not in NAMES


def test_a_name_can_be_added_and_the_papers_cannot_be_replaced():
    def make_first(**_):
        return Function(lambda q, k, v: v[:, :, :1].expand_as(q))

    register("first key", make_first)
    try:
        assert NAMES[-1] == "first key" and is_linear("first key") and not has_branch("first key")
        output = fe.create_model("deit_nano", attention="first key")(torch.randn(1, 1, 28, 28))
        assert output.shape == (1, 10)
        register("first key", make_first, branch=True, linear=False)
        assert has_branch("first key") and not is_linear("first key")
    finally:
        fe.attention.registry._ARMS.pop("first key")
    assert "first key" not in NAMES
    for name in PAPER:
        with pytest.raises(ValueError, match=f"another than '{name}'"):
            register(name, lambda **_: Mechanism())


def test_an_unknown_name_is_answered_with_all_known_ones():
    with pytest.raises(ValueError, match=r"'focused'.*'agent'.*but is 'agnt'$") as error:
        make_mechanism("agnt", 16, 4)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("depthwise", [None, True, False])
@pytest.mark.parametrize("name", GALLERY)
def test_the_branch_is_there_where_it_is_published(name, depthwise):
    module = make(name, depthwise=depthwise)
    wanted = name in BRANCH if depthwise is None else depthwise
    assert (module.mixer.depthwise is not None) == wanted
    assert is_linear(name) and has_branch(name) == (name in BRANCH)


@pytest.mark.parametrize("name", GALLERY)
def test_every_parameter_learns(name):
    module = make(name)
    module(tokens()).square().sum().backward()
    for key, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, key


@pytest.mark.parametrize("name", GALLERY)
def test_copies_pickles_and_state_dicts_give_the_same(name):
    module = make(name)
    output = module(tokens())
    assert_close(copy.deepcopy(module)(tokens()), output, rtol=0, atol=0)
    assert_close(pickle.loads(pickle.dumps(module))(tokens()), output, rtol=0, atol=0)
    torch.manual_seed(5)
    other = SelfAttention(16, 2, name, grid=(6, 4)).double()
    other.load_state_dict(module.state_dict())
    assert_close(other(tokens()), output, rtol=0, atol=0)


@pytest.mark.parametrize("name", GALLERY)
def test_another_grid_at_call_time(name):
    module = make(name)
    output = module(tokens(5, 9))
    assert output.shape == (2, 5, 9, 16) and output.isfinite().all()
    if name not in TABLES:
        made_for_it = make(name, grid=(5, 9))
        made_for_it.load_state_dict(module.state_dict())
        assert_close(made_for_it(tokens(5, 9)), output, rtol=0, atol=0)


@pytest.mark.parametrize("name", sorted(set(GALLERY) - set(ONE_SET)))
@pytest.mark.parametrize("grid", [(3, 5), (4, 6), (8, 3)])
def test_cross_attention_sees_the_context_and_its_grid(name, grid):
    module = make(name, grid=grid, depthwise=False)
    output = module(tokens(), context=tokens(*grid, seed=2))
    assert output.shape == (2, 6, 4, 16) and output.isfinite().all()
    again = module(tokens(), context=2 * tokens(*grid, seed=2))
    assert (output - again).abs().max() > 1e-9


@pytest.mark.parametrize("name", ONE_SET)
def test_what_needs_one_set_of_tokens_says_so(name):
    with pytest.raises(ValueError, match=r"k must hold the same tokens as q, because") as error:
        make(name)(tokens(), context=tokens(3, 5))
    assert "\n" not in str(error.value) and "(2, 2, 15, 8)" in str(error.value)


@pytest.mark.parametrize("name", ["rala", "mala", "nalaformer"])
def test_channels_that_cannot_be_turned_are_refused_at_construction(name):
    with pytest.raises(ValueError, match=r"width / heads must be a multiple of 4 .* but is 2$"):
        make(name, heads=8)
    assert make(name, heads=4)(tokens()).isfinite().all()


@pytest.mark.parametrize("name", TABLES)
def test_tables_ask_for_a_grid_at_construction(name):
    with pytest.raises(ValueError, match=r"^grid must be \(rows, columns\)"):
        make(name, grid=None)


@pytest.mark.parametrize("agents", [0, 5, -4, 4.0])
def test_agents_must_be_a_square_number(agents):
    with pytest.raises(ValueError, match=r"^agents must be a square number such as 49, but is"):
        Agent(2, 4, agents=agents)


def test_hydra_refuses_values_of_another_width():
    q = torch.zeros(1, 1, 3, 4)
    with pytest.raises(ValueError, match=r"^v must be as wide as k, 4 channels, but has 2$"):
        fe.gallery.hydra_attention(q, q, q[..., :2])


def test_nystrom_refuses_an_unknown_start():
    q = torch.zeros(1, 1, 3, 4)
    with pytest.raises(ValueError, match=r"^start must be 'map' or 'batch', but is 'exact'$"):
        fe.gallery.nystrom_attention(q, q, q, start="exact")


@pytest.mark.parametrize("name", GALLERY)
def test_a_class_token_asks_and_is_asked(name):
    module = make(name, depthwise=False)
    first = torch.ones(2, 1, 16).double()
    flat = torch.cat([first, tokens().flatten(1, 2)], dim=1)
    output = module.attend(flat, grid=(6, 4))
    assert output.shape == flat.shape and output.isfinite().all()
    other = torch.cat([first * torch.linspace(-1, 2, 16), flat[:, 1:]], dim=1)
    change = (module.attend(other, grid=(6, 4)) - output).abs()
    assert change[:, 0].max() > 1e-9
    assert change[:, 1:].max() > 1e-9


@pytest.mark.parametrize("name", sorted(set(GALLERY) - {"xca"}))
def test_the_map_is_the_part_that_is_linear_in_the_values(name):
    mixer = make(name, depthwise=False).mixer
    x = tokens().flatten(1, 2)
    q, k, v = mixer.split(x, 2 * x, x.flip(1), (6, 4))
    grids = ((6, 4), (6, 4), None)
    weights = mixer.mechanism.mixing(q, k, identity_values(k), *grids)
    assert weights.shape == (2, 2, 24, 24)
    assert_close(mixer.mechanism.mixing(q, k, v, *grids), weights @ v)
    if not CARDS[name].map:
        assert_close(mixer.mechanism(q, k, v, (6, 4)), weights @ v)


def test_a_map_that_does_not_exist_is_not_made_up():
    q = torch.zeros(1, 1, 4, 4)
    for ask in (
        lambda: mixing("xca"),
        lambda: make_mechanism("xca", 4, 2).mixing(q, q, q, (2, 2), (2, 2), None),
    ):
        with pytest.raises(ValueError, match=r"^xca has no map of tokens"):
            ask()
    with pytest.raises(ValueError, match=r"^grid must be .* for 'agent'"):
        mixing("agent")
    with pytest.raises(ValueError, match=r"^name must be one of 'efficient', .* but is 'softmax'"):
        mixing("softmax")


@pytest.mark.parametrize("name", sorted(set(GALLERY) - {"xca"}))
def test_first_maps_are_those_of_fresh_modules(name):
    mechanism = make(name, depthwise=False).mixer.mechanism
    for parameter in mechanism.parameters():
        if parameter.ndim == 4:
            parameter.data.zero_()
    x = tokens().flatten(1, 2).unflatten(2, (2, 8)).transpose(1, 2)
    q, k, one = x, 2 * x.flip(2), identity_values(x)
    ours = mixing(name, (6, 4))(q, k, one)
    if name == "performer":
        assert_close(ours.sum(-1), torch.ones(2, 2, 24).double())
        assert_close(mixing(name)(q, k, one), ours, rtol=0, atol=0)
        return
    assert_close(mechanism.mixing(q, k, one, (6, 4), (6, 4), None), ours)


def test_agents_biases_are_resized():
    agent = Agent(2, (6, 4), agents=4).double()
    square, rows, columns = agent.gather.tables
    found = agent.gather((12, 5), extra=1)
    assert found.shape == (2, 4, 61) and found[..., 0].eq(0).all()
    expected = F.interpolate(square, (12, 5), mode="bilinear") + F.interpolate(
        columns, (1, 5), mode="bilinear"
    )
    expected = expected + F.interpolate(rows[..., 0], 12, mode="linear").unsqueeze(-1)
    assert_close(found[..., 1:], expected.flatten(2))


def test_defaults_leave_fewer_agents_and_landmarks_than_tokens():
    """On a small map 49 of each would be every token, and the mechanism plain softmax."""
    assert make_mechanism("agent", 16, (7, 7), heads=2).agents == 9
    assert make_mechanism("agent", 16, (14, 14), heads=2).agents == 49
    x = tokens(7, 7).flatten(1, 2)[:, None]
    ours = fe.gallery.nystrom_attention(x, x, x)
    assert_close(ours, fe.gallery.nystrom_attention(x, x, x, landmarks=12))
    exact = fe.attention.softmax_attention(x, x, x)
    assert_close(fe.gallery.nystrom_attention(x, x, x, landmarks=49), exact)
    assert (ours - exact).abs().max() > 1e-3


def test_turned_products_depend_on_the_offset_alone():
    angles = rotary_angles((5, 7), 8).double().unflatten(0, (5, 7))
    offsets = angles[1:, 2:] - angles[:-1, :-2]
    assert_close(offsets, offsets[:1, :1].expand_as(offsets), rtol=0, atol=1e-6)
    assert rotary_angles((2, 2), 8, extra=1)[0].eq(0).all()


def test_queries_and_keys_are_turned_by_their_own_grids():
    q, k = tokens(), tokens(4, 6, seed=3)
    heads = [t.flatten(1, 2)[:, None] for t in (q, k)]
    mechanism = make_mechanism("rala", 16, (4, 6), heads=1)
    angles = [rotary_angles(grid, 16, like=q) for grid in ((6, 4), (4, 6))]
    ours = mechanism.cross(*heads, heads[1], (6, 4), (4, 6), None)
    assert_close(ours, rala_attention(*heads, heads[1], *angles))
    wrong = mechanism(*heads, heads[1], (4, 6))
    assert (ours - wrong).abs().max() > 1e-3


def test_cards_say_what_there_is_to_know():
    assert list(CARDS)[:3] == PAPER and set(CARDS) == set(NAMES)
    known = {"focus", "rank", "norm", "signs", "cost", "locality", "normalisation"}
    for name, card in CARDS.items():
        assert card.name == name and card.title and card.idea and card.venue and card.cost
        assert set(card.repairs) <= known and 2017 <= card.year <= 2026
        assert card.year <= int("".join(filter(str.isdigit, card.venue)))
        assert set(card.reported) <= {"DeiT-T", "PVT-T", "Swin-T"}
    assert CARDS["agent"].reported == {"DeiT-T": 74.9, "PVT-T": 78.4, "Swin-T": 82.6}
    assert CARDS["mala"].reported == {"DeiT-T": 75.1, "Swin-T": 83.7}
    assert CARDS["hydra"].reported == {"DeiT-T": 68.3, "Swin-T": 80.7}
    assert CARDS["focused"].reported == {"DeiT-T": 74.1, "PVT-T": 77.8, "Swin-T": 82.1}


@pytest.mark.parametrize(
    "question",
    [
        "SelfAttention(16, 2, 'agent', grid=4)",
        "attention.has_branch('agent') or 1 / 0",
        "'rala' in attention.NAMES or 1 / 0",
        "len(attention.NAMES) == 18 or 1 / 0",
    ],
)
def test_its_names_are_known_in_a_fresh_process_that_imports_attention_alone(question):
    lines = "from flatten_edu import attention; from flatten_edu.attention import SelfAttention"
    subprocess.run([sys.executable, "-c", f"{lines}; {question}"], check=True, timeout=120)
