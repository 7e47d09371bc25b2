"""The gallery's pictures: every mechanism is on each, at its value, and so is one of your own."""

import pytest
import torch

import flatten_edu as fe
from flatten_edu.comparison.survey import Survey
from flatten_edu.gallery import CARDS, shown
from flatten_edu.plots.gallery import (
    answers,
    entropies,
    gallery_cost,
    map_facts,
    map_numbers,
    moved,
    photo_row,
    query_norm,
    reacts,
    reported,
)
from flatten_edu.plots.map_numbers import TASK
from flatten_edu.plots.mechanisms import random_map
from flatten_edu.plots.query_norm import LENGTHS
from flatten_edu.plots.reported import NETWORKS
from flatten_edu.timing import Times

REACT = {"softmax", "efficient", "performer", "nystrom", "agent", "inline", "rala", "mala",
         "nalaformer"}  # fmt: skip


def average(q, k, v):
    return v.mean(2, keepdim=True).expand(-1, -1, q.shape[2], -1)


@pytest.fixture
def yours():
    yield fe.gallery.add(average)
    fe.gallery.remove("average")


def survey(names):
    rows = [{"arm": name, "task": TASK, "entropy": 0.5, "rank": 12.0, "effective_rank": 7.0}
            for name in names]  # fmt: skip
    return Survey(tuple(names), rows, {}, {}, Times((), {}, 1), {}, [], [])


def cost_of(names):
    times = {name: (1e-3 * (1 + i), 1e-2 * (1 + i)) for i, name in enumerate(names)}
    memory = {name: (1.0 + i, 10.0 + i) for i, name in enumerate(names)}
    return Times((196, 784), times, 3, "one layer"), memory


def inside(card):
    card.canvas.draw()
    width, height = card.get_size_inches() * card.dpi
    for text in card.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text


def test_every_mechanism_answers_with_its_row():
    card, names = answers("face", 4, 8), shown()
    assert len(card.axes) == len(names) + 2  # and the photo, and the bar
    for axes, name in zip(card.axes[1:], names, strict=False):
        row = photo_row(name, "face", 8, 4).abs()
        shares = (row / row.sum() * 196).clamp_min(1e-9).log2()
        drawn = torch.as_tensor(axes.images[0].get_array().data).flatten()
        torch.testing.assert_close(drawn, shares)
    assert all(name in card.alt for name in names)
    inside(card)


def test_rows_can_be_asked_at_other_places():
    inside(answers((0, 0), 0.25, 1))


def test_who_reacts_to_the_length_of_a_query():
    assert {name for name in shown() if reacts(name)} == REACT
    assert moved("linear") < 1e-4 and moved("softmax") > 0.8
    found = entropies("softmax")
    assert found[0] > 0.99 and found[-1] < 0.2 and len(found) == len(LENGTHS)


@pytest.mark.parametrize("name", shown())
def test_curves_are_the_entropies(name):
    card = query_norm(name, p=3)
    lines = {line.get_gid(): line for line in card.axes[0].lines}
    assert set(lines) == set(shown()) and name.replace("_", " ") in card.texts[0].get_text()
    assert lines[name].get_ydata() == pytest.approx(entropies(name))
    assert lines[name].get_linewidth() > lines[next(n for n in lines if n != name)].get_linewidth()
    inside(card)


def test_maps_have_the_ranks_that_their_formulas_allow():
    ranks = {name: map_facts(name)["rank"] for name in shown()}
    assert ranks["softmax"] == ranks["linear_angular"] == ranks["performer"] == 196
    assert ranks["inline"] == ranks["mala"] == 65 and ranks["agent"] == ranks["nystrom"] == 49
    assert ranks["cosformer"] == ranks["polaformer"] == ranks["nalaformer"] == 128
    for name in ("linear", "focused", "efficient", "hydra", "litemla", "slab", "rala"):
        assert ranks[name] == 64, name
    assert map_facts("mala")["negative"] > 0.5 and map_facts("agent")["negative"] == 0


def test_numbers_before_and_after_training_are_drawn():
    card = map_numbers(survey(shown()), p=8)
    for axes, field in zip(card.axes, ("entropy", "rank", "effective_rank"), strict=True):
        discs = {line.get_gid(): line for line in axes.lines if line.get_gid() in shown()}
        assert set(discs) == set(shown())
        value = map_facts("focused", 8, 64, 16)[field]
        assert discs["focused"].get_xdata() == pytest.approx([value])
        rings = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
        assert len(rings) == len(shown())
    inside(card)


def test_cost_names_the_chosen_one():
    times, memory = cost_of(["softmax", "focused", "xca"])
    card = gallery_cost(times, memory, "xca")
    assert "xca at 784 tokens: 30 ms, place 3 of 3" in card.texts[0].get_text()
    drawn = {line.get_gid(): line.get_ydata() for line in card.axes[0].lines}
    assert list(drawn["focused"]) == pytest.approx([2, 20])
    inside(card)
    with pytest.raises(ValueError, match=r"^mechanism must be one of softmax, focused, xca"):
        gallery_cost(times, memory, "agent")


@pytest.mark.parametrize("network", NETWORKS)
def test_reported_numbers_are_those_of_the_cards(network):
    card = reported(network)
    dots = {line.get_gid(): line.get_xdata()[0] for line in card.axes[0].lines if line.get_gid()}
    assert dots == {n: c.reported[network] for n, c in CARDS.items() if network in c.reported}
    inside(card)


def test_a_mechanism_of_yours_is_on_every_picture(yours):
    times, memory = cost_of(["softmax", "focused", yours])
    cards = [
        answers(),
        query_norm(yours),
        map_numbers(survey(shown())),
        gallery_cost(times, memory, yours),
        reported("Swin-T"),
    ]
    for card in cards:
        assert any("average" in text.get_text() for text in card.texts)
        inside(card)
    assert map_facts(yours)["rank"] == 1


def test_a_changed_function_is_not_drawn_from_memory(yours):
    assert map_facts(yours)["rank"] == 1
    fe.gallery.add(fe.attention.softmax_attention, "average")
    assert map_facts(yours)["rank"] == 196


def test_an_unknown_mechanism_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"^mechanism must be one of softmax, .* but is 'agnt'$"):
        query_norm("agnt")
    with pytest.raises(ValueError, match=r"^network must be one of DeiT-T, PVT-T, Swin-T"):
        reported("DeiT-S")
    assert random_map("softmax").shape == (196, 196)
