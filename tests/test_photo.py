"""A photo looked at: its task, the trained networks, and what the pictures show of them."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange, repeat

import flatten_edu as fe
from flatten_edu import plots, trained
from flatten_edu.analysis import attention_map, numerical_rank, record, row_entropy
from flatten_edu.attention import focused_attention
from flatten_edu.calls import calls
from flatten_edu.data import photo
from flatten_edu.plots.photo import grey_photo
from flatten_edu.tasks import colours
from flatten_edu.training import evaluate

# The task


def paint(*rgb):
    """A photo of one colour, as the task has it: 1 4 112 112."""
    image = torch.tensor(rgb, dtype=torch.float32)
    return colours.with_luma(repeat(image, "c -> 1 c y x", y=112, x=112))


@pytest.mark.parametrize("name", colours.CLASSES)
def test_a_patch_is_called_by_its_colour(name):
    rgb = [0.3 + 0.4 * channel for channel in colours.HUES[name]]
    _, labels = colours.labelled(paint(*rgb))
    assert labels.unique().tolist() == [colours.CLASSES.index(name)]


def test_orange_is_red_and_skin_is_no_grey():
    for rgb, name in (
        ((0.9, 0.4, 0.2), "red"),
        ((0.9, 0.7, 0.6), "red"),
        ((0.8, 0.8, 0.79), "grey"),
    ):
        label = int(colours.labelled(paint(*rgb))[1][0, 0])
        assert colours.CLASSES[label] == name


def test_sixteen_patches_keep_their_colour_and_are_not_asked():
    images, labels = colours.labelled(colours.with_luma(photo("coffee", size=112)[None]))
    hidden, asked = colours.hide(images, labels, torch.Generator().manual_seed(0))
    known = asked[0] < 0
    assert known.sum() == 16 and asked[0][~known].equal(labels[0][~known])
    cells = rearrange(hidden[0], "c (y a) (x b) -> (y x) c (a b)", a=8, b=8)
    before = rearrange(images[0], "c (y a) (x b) -> (y x) c (a b)", a=8, b=8)
    assert cells[known].equal(before[known])
    assert cells[~known, 0].equal(before[~known, 0]) and not cells[~known, 1:].any()


def test_hues_are_turned_and_lightness_is_not_learned_by_heart():
    images, labels = colours.labelled(repeat(paint(0.9, 0.4, 0.2), "1 c y x -> b c y x", b=200))
    moved, asked = colours.jitter(images, labels, torch.Generator().manual_seed(0))
    answers = asked.amax(dim=1)
    assert set(answers.tolist()) == set(range(1, 7)), "an orange wall may have any hue, never grey"
    luma = moved[:, 0, 0, 0]
    assert 60 < (luma > 0.5).sum() < 140
    known = asked[0] < 0
    kept = rearrange(moved[0, 1:3], "c (y a) (x b) -> (y x) c (a b)", a=8, b=8)[known]
    length = torch.linalg.vector_norm(kept, dim=1)
    assert torch.allclose(length, images[0, 1:3, 0, 0].norm().expand_as(length), atol=1e-4)


def test_no_photo_is_in_two_parts_and_the_astronaut_only_judges():
    every = [name for names in colours.PHOTOS.values() for name in names]
    assert len(every) == len(set(every)) and colours.PHOTOS["test"] == ("astronaut",)


# The trained networks


@pytest.mark.parametrize("arm", trained.ARMS)
def test_trained_weights_are_small_and_belong_to_their_arm(arm):
    assert trained.path(arm).stat().st_size < 1_000_000
    model = trained.load(arm)
    branches = [name for name, _ in model.named_parameters() if "depthwise" in name]
    assert bool(branches) == arm.endswith("+dwc")
    assert not model.training


@pytest.mark.parametrize("arm", trained.ARMS)
def test_the_accuracy_that_stands_in_a_file_is_the_one_that_is_measured(arm):
    found = evaluate(trained.load(arm), colours.squares("test", 100)).accuracy
    assert found == pytest.approx(trained.metrics(arm)["test_accuracy"], abs=1e-3)


def test_the_table_of_the_trained_networks_is_that_of_their_files():
    table = (trained.FOLDER / "README.md").read_text(encoding="utf-8")
    for arm in trained.ARMS:
        last = trained.metrics(arm)
        row = next(line for line in table.splitlines() if line.startswith(f"| {arm} |"))
        assert f"| {last['epoch']} |" in row
        assert f"| {100 * last['test_accuracy']:.1f} |" in row


def test_an_unknown_network_is_told_in_one_line():
    with pytest.raises(ValueError, match="with arm 'linea'; did you mean 'linear'") as caught:
        trained.load("linea")
    assert "\n" not in str(caught.value)


# Calls


@pytest.mark.parametrize("attention", ["softmax", "linear", "focused"])
def test_a_call_has_the_recorded_map_and_its_values_give_the_output(attention):
    torch.manual_seed(0)
    model = fe.create_model("deit_nano", attention=attention, depthwise=True).eval()
    images = torch.randn(2, 1, 28, 28)
    found = calls(model, images)
    with record(model.double()) as maps, torch.no_grad():
        model(images.double())
    assert list(found) == list(maps) == ["blocks.0", "blocks.1", "blocks.2"]
    for name, call in found.items():
        assert torch.allclose(call.map(), maps[name], atol=1e-9)
        mixed = torch.einsum("b h d n m, b h d m -> b h d n", call.equivalent(), call.values())
        bias = call.mixer.depthwise.bias.repeat(3)
        out = rearrange(mixed, "b h d n -> b n (h d)") + bias
        assert torch.allclose(out, call.output(), atol=1e-9)


def test_looking_leaves_the_network_as_it_was():
    model = fe.create_model("deit_nano", attention="focused")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    call = calls(model, torch.randn(1, 1, 28, 28))["blocks.1"]
    sharp = row_entropy(call.map(8)).mean()
    assert sharp < row_entropy(call.map()).mean() and call.mixer.mechanism.p == 3
    assert torch.allclose(call.map(3), call.map())
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    assert next(model.parameters()).dtype == torch.float32 and model.training
    assert not model.blocks[0].attn.mixer._forward_hooks


def test_a_softmax_call_has_no_branch_and_does_not_see_p():
    call = calls(fe.create_model("deit_nano", attention="softmax"), torch.randn(1, 1, 28, 28))
    call = call["blocks.0"]
    assert call.map(8).equal(call.map()) and not call.branch().any()
    assert call.equivalent()[:, :, 5].equal(call.map())


# Pictures of tokens made by hand


def test_photo_maps_are_those_of_the_formulas_and_rows_sum_to_one():
    tokens = plots.photo_tokens()
    assert torch.allclose(tokens.norm(dim=-1), torch.tensor(8.0).double())
    for p in (1, 3, 8):
        maps = plots.photo_maps(p)
        for m in ("softmax", "linear", "focused"):
            assert torch.allclose(maps[m].sum(-1), torch.ones(196).double())
        one = rearrange(torch.eye(196).double(), "n m -> 1 1 n m")
        assert torch.allclose(maps["focused"], focused_attention(tokens, tokens, one, p)[0, 0])
    assert torch.allclose(plots.photo_maps(1)["linear"], plots.photo_maps(1)["focused"])
    assert torch.allclose(maps["softmax"], attention_map(tokens, tokens, "softmax")[0, 0])


def test_the_fitted_kernel_is_the_best_one():
    maps, values = plots.photo_maps(), plots.photo_tokens()[0, 0]
    goal = (maps["softmax"] - maps["focused"]) @ values
    kernel = plots.fitted_kernel()

    def missed(kernel):
        return float((fe.attention.depthwise_matrix(kernel, (14, 14)) @ values - goal).norm())

    for n in (0, 7, 12, 24):
        for step in (-0.01, 0.01):
            other = kernel.clone()
            other.view(-1)[n] += step
            assert missed(other) > missed(kernel)


def test_the_branch_changes_the_row_inside_its_frame_alone():
    maps = plots.photo_maps()
    changed = rearrange(maps["equivalent"] - maps["focused"] != 0, "n (y x) -> n y x", y=14)
    inside = torch.zeros(14, 14, dtype=torch.bool)
    inside[6:11, 3:8] = True
    assert changed[8 * 14 + 5].equal(inside)


def test_the_photo_picture_draws_the_row_and_tells_half_of_its_weight():
    figure = plots.photo_rows("face", p=8)
    row = plots.photo_maps(8)["focused"][3 * 14 + 6]
    heaviest = np.sort(row.numpy())[::-1].cumsum()
    half = int(np.searchsorted(heaviest, heaviest[-1] / 2)) + 1
    assert f"focused {half}" in figure.alt
    drawn = figure.axes[3].images[0].get_array()[5::10, 5::10].sum(-1).flatten()
    grey = grey_photo(photo("astronaut", size=224))[5::10, 5::10].flatten()
    # Viridis gets lighter from end to end: without the photo, the order by weight is left.
    light = torch.tensor(drawn) - 3 * 0.26 * grey
    heavy, faint = row.argsort(descending=True)[:20], row.argsort()[:20]
    assert light[heavy].min() > light[faint].max()


def test_a_patch_outside_of_the_photo_is_told():
    for patch in ("moon", (14, 0), (0, -1)):
        with pytest.raises(ValueError, match="patch must be one of suit, face"):
            plots.photo_rows(patch)


def test_focused_rows_are_nearer_to_softmax_but_not_those_of_the_sum():
    away = plots.nearness()
    assert (away["rows focused"] < away["rows linear"]).sum() > 185
    assert away["rows equivalent"].mean() > away["rows focused"].mean()
    assert away["outputs equivalent"].mean() < 0.7 * away["outputs focused"].mean()


# Pictures of the trained networks


def test_maps_of_the_trained_networks_are_maps():
    for mechanism in ("softmax", "linear", "focused"):
        for block in (1, 2, 3):
            map = plots.trained_map(mechanism, block)
            assert map.shape == (3, 196, 196) and map.min() >= 0
            assert torch.allclose(map.sum(-1), torch.ones(3, 196).double(), atol=1e-3)
            assert numerical_rank(map).max() <= (196 if mechanism == "softmax" else 16)
    assert plots.trained_map("equivalent", 2).shape == (3, 16, 196, 196)


def test_the_layers_picture_tells_its_entropies_and_p_moves_focused_alone():
    one, eight = (plots.photo_layers("helmet", block=2, head=3, p=p) for p in (1, 8))
    for figure, p in ((one, 1), (eight, 8)):
        for mechanism in ("softmax", "linear", "focused"):
            row = plots.trained_map(mechanism, 2, p)[2][11 * 14 + 10 : 11 * 14 + 11]
            assert f"{mechanism} {float(row_entropy(row)):.2f}" in figure.alt
    images = [[axes.images[0].get_array() for axes in f.axes[1:5]] for f in (one, eight)]
    same = [np.array_equal(a, b) for a, b in zip(*images, strict=True)]
    assert same == [True, True, False, False]


def test_the_nearest_dot_answers_with_the_colour_of_the_nearest_dot():
    _, labels, known = plots.lost_colours(seed=3)
    found = plots.found_colours("nearest", seed=3)
    assert found[known].equal(labels[known])
    n = int((~known).nonzero()[50])
    y, x = divmod(n, 14)
    dots = [divmod(int(m), 14) for m in known.nonzero()]
    least = min((y - a) ** 2 + (x - b) ** 2 for a, b in dots)
    near = {int(labels[a * 14 + b]) for a, b in dots if (y - a) ** 2 + (x - b) ** 2 == least}
    assert int(found[n]) in near
    right = (found == labels)[~known].double().mean()
    assert plots.found_share("nearest", 3) == pytest.approx(float(right))


# Rank


def test_the_cliff_stands_at_the_smaller_of_n_and_d():
    for n, d in ((196, 64), (196, 16), (49, 64), (49, 16)):
        lines = {line.get_gid(): line for line in plots.cliff(n, d).axes[0].lines}
        assert lines["bound"].get_xdata()[0] == min(n, d)
        assert len(lines["linear"].get_xdata()) == len(lines["focused"].get_xdata()) == min(n, d)
        assert len(lines["softmax"].get_xdata()) == n


def test_figure5_draws_as_many_singular_values_as_its_map_has_rank():
    figure = plots.figure5(block=2, head=3)
    lines = {line.get_gid(): line for line in figure.axes[-1].lines if line.get_gid()}
    for mechanism in ("softmax", "linear", "focused", "equivalent"):
        ranks = plots.trained_ranks(mechanism, 2)[2]
        rank = int(ranks[0] if mechanism == "equivalent" else ranks)
        assert len(lines[mechanism].get_xdata()) == rank
    assert max(len(lines[m].get_xdata()) for m in ("linear", "focused")) <= 16
    assert len(lines["equivalent"].get_xdata()) == 196


@pytest.mark.parametrize("block", [1, 2, 3])
def test_the_branch_of_a_trained_network_restores_the_rank_of_each_channel(block):
    assert plots.trained_ranks("linear", block).max() <= 16
    assert plots.trained_ranks("focused", block).max() <= 16
    assert plots.trained_ranks("equivalent", block).unique().tolist() == [196]
    assert plots.trained_ranks("softmax", block).min() > 16


def test_controls_show_the_committed_runs_and_say_where_they_are_missing(tmp_path):
    rows = plots.control_rows()
    assert {row["task"] for row in rows} == {"textures", "copy_near", "copy_wrapped"}
    shares = [r["test_accuracy"] for r in rows if (r["task"], r["arm"]) == ("textures", "dwc")]
    assert plots.control_mean("textures", "dwc") == pytest.approx(sum(shares) / len(shares))
    with pytest.raises(FileNotFoundError, match="lacks results"):
        plots.control_rows(tmp_path)


def test_kept_runs_are_found_beside_the_notebooks_of_an_installed_package(tmp_path, monkeypatch):
    root, module = Path(__file__).parent.parent, sys.modules[plots.control_rows.__module__]
    monkeypatch.setattr(module, "__file__", str(tmp_path / "site" / "package" / "room" / "file.py"))
    for folder in (root, root / "notebooks"):
        monkeypatch.chdir(folder)
        assert len(plots.control_rows()) > 20
