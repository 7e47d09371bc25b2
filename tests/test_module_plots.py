"""The pictures of the module and of the backbones: their numbers are counted a second time here."""

import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import flatten_edu as fe
from flatten_edu import plots
from flatten_edu.attention import TokenMixer
from flatten_edu.bench.peaks import Peaks, layer_peaks
from flatten_edu.complexity import PAPER


def lines(figure, place=0):
    """The lines that have a name in one of the figure's axes."""
    return {line.get_gid(): line for line in figure.axes[place].lines if line.get_gid()}


# The module


def test_table_4_is_the_papers_and_its_last_step_is_deit():
    assert list(plots.TABLE4.values()) == [70.5, 71.8, 74.1]
    assert plots.TABLE4["+ DWC"] == PAPER["deit_tiny", "focused", 224][2]
    for step, value in plots.TABLE4.items():
        figure = plots.ablation(step)
        bars = {bar.get_gid(): bar for bar in figure.axes[0].patches if bar.get_gid()}
        assert 72.2 + bars[step].get_width() == pytest.approx(value)
        strong = [name for name, bar in bars.items() if bar.get_alpha() == 1]
        assert strong == [step]
        assert f"at this step: {value}" in figure.alt


def test_each_step_of_the_ablation_changes_what_it_is_for():
    linear, sharp, whole = (plots.ablation_facts(step) for step in plots.TABLE4)
    assert (linear.rank, sharp.rank, whole.rank) == (64, 64, 196)
    assert linear.entropy > sharp.entropy + 0.05 and sharp.entropy == whole.entropy
    assert linear.parameters == sharp.parameters == whole.parameters - 64 * 26
    with pytest.raises(ValueError, match="step must be one of"):
        plots.ablation("+ dwc")


def test_the_ablation_draws_the_same_numbers_whatever_was_drawn_before():
    before = torch.random.get_rng_state()
    plots.ablation_facts.__wrapped__.cache_clear()
    first = plots.ablation_facts("+ f_p")
    assert torch.random.get_rng_state().equal(before)
    torch.manual_seed(123)
    plots.ablation_facts.__wrapped__.cache_clear()
    assert plots.ablation_facts("+ f_p") == first


@pytest.mark.parametrize("scale", [1 / 64, 1 / 2, 4, 64])
def test_the_length_of_queries_moves_softmax_and_not_the_focused_map(scale):
    assert plots.moved_weight("focused", scale) < 1e-5
    assert plots.moved_weight("softmax", scale) > 0.1
    figure = plots.query_scale(scale)
    drawn = lines(figure, 3)
    for mechanism, line in drawn.items():
        at = dict(zip(line.get_xdata(), line.get_ydata(), strict=True))
        assert at[scale] == plots.moved_weight(mechanism, scale)
    assert f"{plots.moved_weight('focused', scale):.0e}" in figure.alt


def test_moved_weight_is_a_share():
    assert plots.moved_weight("softmax", 1) == 0
    # Long queries put all weight on one key, which had a fifth of it before.
    assert 0.7 < plots.moved_weight("softmax", 10_000) <= 1
    with pytest.raises(ValueError, match="scale must be above 0"):
        plots.query_scale(0)


def test_the_printed_form_fails_silently_and_the_librarys_does_not():
    # Finite, no warning, and wrong: the norm of x ** 3 does not fit.
    x = torch.tensor([30.0, 40.0]).half()
    assert (x**3).isfinite().all()
    assert plots.textbook_focus(x, 3).tolist() == [0, 0]
    assert torch.allclose(fe.attention.focus(x, 3), torch.tensor([19.44, 46.07]).half(), rtol=1e-3)


@pytest.mark.parametrize("size", [0.01, 0.1, 1, 10, 100])
def test_errors_of_both_forms_are_drawn_and_told(size):
    drawn = lines(plots.precision(size))
    for p, height in zip(*drawn["library float16"].get_data(), strict=True):
        assert height < 1e-3, p
    for p, height in zip(*drawn["library float32"].get_data(), strict=True):
        assert height < 1e-6, p
    for dtype, form in (("float16", "textbook"), ("float32", "textbook")):
        for p, height in zip(*drawn[f"{form} {dtype}"].get_data(), strict=True):
            error = plots.focus_error(form, dtype, p, size)
            assert (height > 0.01) == (error > 0.01), p
    holds = plots.focus_error("textbook", "float16", 3, size) < 0.01
    assert holds == (size in (0.1, 1, 10))


def test_memory_of_a_kept_map_grows_with_the_square():
    found = layer_peaks([196, 784])
    stored, fused, focused = (found.size_of[name] for name in found.size_of)
    # Scores and weights, two heads, four bytes.
    assert stored[1] >= 2 * 2 * 784**2 * 4
    assert stored[1] / stored[0] > 9
    assert fused[1] / fused[0] < 5 and focused[1] / focused[0] < 5


def test_the_picture_of_memory_says_how_many_times_more():
    forms = {"softmax, map stored": (10, 3000), "softmax": (10, 300), "focused": (20, 200)}
    figure = plots.peaks(Peaks((49, 3136), forms, 128, 2))
    assert "15 × the memory at 3,136 tokens" in figure.texts[0].get_text()
    assert lines(figure)["focused"].get_ydata().tolist() == [20, 200]


# Backbones


@pytest.mark.parametrize("attention", ["softmax", "focused"])
def test_networks_of_the_picture_are_those_of_the_paper(attention):
    for name in ("deit_tiny", "pvt_tiny", "swin_tiny", "cswin_tiny"):
        parameters, work, _ = PAPER[name, attention, 224]
        found = plots.network(name, attention)
        assert found.parameters / 1e6 == pytest.approx(parameters, rel=0.035)
        assert found.multiply_adds / 1e9 == pytest.approx(work, abs=0.05)


def test_a_tile_is_a_block_and_green_where_it_is_focused():
    figure = plots.families()
    boxes = [box for box in figure.artists if (box.get_gid() or "").startswith("swin")]
    assert [box.get_gid() for box in boxes] == ["swin_tiny 2", "swin_tiny 2", "swin_tiny 6",
                                                "swin_tiny 2"]  # fmt: skip
    colours = [box.get_facecolor()[:3] for box in boxes]
    assert colours[0] == colours[1] != colours[2] == colours[3]
    assert "Swin-T: focused 2, focused 2, softmax 6, softmax 2" in figure.alt
    assert "CSwin-T: softmax 1, softmax 2, softmax 21, softmax 1" in plots.families("softmax").alt


def test_the_grids_follow_the_image():
    stages = plots.network("pvt_tiny", "focused", (224, 320)).stages
    assert [stage.grid for stage in stages] == [(56, 80), (28, 40), (14, 20), (7, 10)]


@pytest.mark.parametrize(("kind", "attention"), [("all", "softmax"), ("focused", "focused")])
def test_mixing_costs_are_those_that_torch_counts(kind, attention):
    n, c = 196, 96
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        mixer = TokenMixer(c, 3, attention, grid=(14, 14)).eval()
        q, k, v = torch.randn(3, 1, n, c)
        with torch.no_grad():
            mixer(q, k, v, (14, 14))
    counted = counter.get_total_flops() / 2
    # The sums of a row are left out: one of 90 multiply-adds.
    assert plots.mixing_cost(kind, n, c) == pytest.approx(counted, rel=0.015)


def test_stage_costs_draw_and_tell_the_formula():
    figure = plots.stage_costs(448)
    bars = {bar.get_gid(): bar for bar in figure.axes[0].patches if bar.get_gid()}
    for kind in ("all", "window", "focused"):
        for stage, width in enumerate((96, 192, 384, 768)):
            tokens = (448 // (4 * 2**stage)) ** 2
            top = bars[f"{kind} {stage}"].get_y() + bars[f"{kind} {stage}"].get_height()
            assert top == pytest.approx(plots.mixing_cost(kind, tokens, width))
    ratio = 2 * 112**2 / (2 * 32 + 25)
    assert f"focused saves {ratio:.0f} × in stage 1" in figure.texts[0].get_text()
    assert math.isclose(plots.mixing_cost("all", 49, 768), plots.mixing_cost("window", 49, 768))
    with pytest.raises(ValueError, match="pixels must be from 32 to 16384, a multiple of 32"):
        plots.stage_costs(250)
