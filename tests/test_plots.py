"""The course's pictures: they show the right numbers, in words too, and stay inside their card."""

import ast
import itertools
import math
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.text import Text

from flatten_edu import plots
from flatten_edu.analysis import attention_map, row_entropy
from flatten_edu.attention import focus, softmax_attention
from flatten_edu.bench.peaks import Peaks
from flatten_edu.plots import style
from flatten_edu.plots.cost import _seconds
from flatten_edu.plots.tokens import patches, unpatch
from flatten_edu.timing import Times
from tools.notebooks import read

QUERIES = [(7, 8), (2, 6), (10, 5), (1, 1)]
SIZES = (49, 196, 784, 3136, 12544)
LAYERS = Times(
    SIZES,
    {
        "softmax": tuple(1e-8 * n**2 for n in SIZES),
        "linear": tuple(2e-6 * n for n in SIZES),
        "focused": tuple(3e-6 * n for n in SIZES),
    },
    rounds=5,
    what="Forward, one layer, width 128, 2 heads, one image, float32",
)


def measured(name="layers"):
    """The cost picture for measurements that are made up, so that its numbers are known."""
    seconds = LAYERS.seconds
    if name == "brackets":
        seconds = {"(Q Kᵀ) V": seconds["softmax"], "Q (Kᵀ V)": seconds["linear"]}
    if name == "never":
        seconds = {"softmax": seconds["linear"], "focused": seconds["focused"]}
    return plots.cost(Times(SIZES, seconds, 5, LAYERS.what))


def kept():
    """The picture of memory for made-up bytes."""
    forms = {"softmax, map stored": (10**5, 10**7), "softmax": (10**5, 4 * 10**6)}
    return plots.peaks(Peaks((49, 3136), {**forms, "focused": (2 * 10**5, 10**6)}, 128, 2))


# Every picture, with the values that its sliders walk through in the course.
PICTURES = {
    plots.softmax_row: {"query": QUERIES, "query_length": [0, 0.25, 0.5, 1, 1.5, 2, 4]},
    plots.map_memory: {"side": [224, 448, 896, 1792], "patch": [16, 8, 4]},
    measured: {"name": ["layers", "brackets", "never"]},
    plots.brackets: {"n": [25, 49, 100, 196, 300, 400], "d": [4, 8, 16, 32, 64]},
    plots.kernels: {"query_length": [0.5, 1, 2, 4, 8]},
    plots.two_maps: {"query": QUERIES},
    plots.figure4: {"p": [1, 2, 3, 4, 8, 16, 32]},
    plots.pair: {"y_angle": [5, 44, 50, 80], "p": [1, 2, 3, 4, 8, 16, 32]},
    plots.proposition1: {
        "p": [1, 2, 3, 4, 8, 16, 32],
        "features": ["ReLU", "dense"],
        "d": [16, 64],
    },
    plots.entropy: {"query_length": [1, 1.5, 2, 2.5]},
    plots.spectrum: {"d": [4, 8, 16, 32, 64], "p": [3, 1, 8, 32]},
    plots.rank_bound: {"n": [16, 49, 100, 196], "p": [3, 1, 8, 32]},
    plots.cliff: {"n": [196, 100, 49], "d": [64, 16], "p": [1, 3, 8, 32]},
    plots.figure5: {"block": [3, 1, 2], "head": [1, 3]},
    plots.same_features: {"seed": [0, 1, 2, 3]},
    plots.depthwise: {"kernel_size": [1, 3, 5, 7]},
    plots.restored: {"kernel_size": [1, 3, 5, 7]},
    plots.reach: {"layers": [1, 2, 3, 4, 7], "kernel_size": [5, 3, 7]},
    plots.controls: {},
    plots.photo_rows: {"patch": [*plots.PATCHES, (0, 13), (13, 0)], "p": [3, 1, 8, 32]},
    plots.photo_layers: {
        "patch": [*plots.PATCHES, (0, 0)],
        "block": [1, 2, 3],
        "head": [1, 2, 3],
        "p": [3, 1, 8],
        "channel": [1, 16],
    },
    plots.recoloured: {"seed": [0, 1, 2]},
    plots.rows: {"query": QUERIES, "p": [1, 2, 3, 4, 8, 16, 32]},
    plots.ablation: {"step": ["vanilla linear", "+ f_p", "+ DWC"]},
    plots.query_scale: {"scale": [1, 1 / 64, 1 / 16, 1 / 4, 1 / 2, 2, 4, 16, 64]},
    plots.precision: {"size": [0.01, 0.1, 1, 10, 100]},
    kept: {},
    plots.families: {
        "attention": ["focused", "softmax"],
        "pixels": [(224, 224), (224, 320), (384, 384), (448, 448)],
    },
    plots.stage_costs: {"pixels": [224, 448, 896]},
}


def sliders_of_the_course():
    """Pictures that chapters explore by values that are written there: place, picture, values."""
    for path in sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb")):
        cells = (cell.source for cell in read(path).cells if cell.cell_type == "code")
        for node in (node for source in cells for node in ast.walk(ast.parse(source))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "fe.explore":
                picture = ast.unparse(node.args[0])
                if picture.startswith("plots."):
                    written = {k.arg: ast.unparse(k.value) for k in node.keywords}
                    yield path.stem, picture, written


def test_every_slider_of_the_course_is_swept_here():
    found = list(sliders_of_the_course())
    assert len(found) > 20
    for place, picture, written in found:
        swept = PICTURES[getattr(plots, picture.partition(".")[2])]
        for name, text in written.items():
            values = swept[name] if text == "sizes" else eval(text)
            assert set(values) <= set(swept[name]), f"{picture} of {place}: {name}"


def states(values):
    """The first and last corners of the grid, and each slider by itself."""
    starts = {name: given[0] for name, given in values.items()}
    single = [{**starts, name: v} for name, given in values.items() for v in given]
    corners = itertools.product(*({0, len(given) - 1} for given in values.values()))
    corner = [{n: values[n][i] for n, i in zip(values, at, strict=True)} for at in corners]
    return [state for i, state in enumerate(single + corner) if state not in (single + corner)[:i]]


def written(figure, monkeypatch):
    """Every text that is really drawn, with its box in dots."""
    texts = []
    draw = Text.draw

    def noted(self, renderer, *args, **kwargs):
        if self.get_visible() and self.get_text().strip():
            texts.append((self, self.get_window_extent(renderer)))
        return draw(self, renderer, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", noted)
        FigureCanvasAgg(figure).draw()
    return texts


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.__name__)
def test_every_state_is_a_card_with_words_inside_it_that_do_not_overlap(picture, monkeypatch):
    places = set()
    for state in states(PICTURES[picture]):
        figure = picture(**state)
        assert isinstance(figure, Figure), state
        assert len(figure.alt) > 60 and "nan" not in figure.alt, state
        width, height = figure.bbox.size
        texts = written(figure, monkeypatch)
        for text, box in texts:
            inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
            assert inside, f"{text.get_text()!r} leaves the card at {state}: {box}"
        level = [(t, b) for t, b in texts if t.get_rotation() in (0, 90)]
        for (a, box), (b, other) in itertools.combinations(level, 2):
            wide = min(box.x1, other.x1) - max(box.x0, other.x0)
            high = min(box.y1, other.y1) - max(box.y0, other.y0)
            # A text's box has room for accents and descenders: those may touch.
            assert wide < 1 or high < 4, f"{a.get_text()!r} on {b.get_text()!r} at {state}"
        places.add(tuple(tuple(axes.get_position().bounds) for axes in figure.axes))
    assert picture is measured or len(places) == 1, "axes move under the slider"


def test_pictures_leave_matplotlib_as_it_was():
    before = dict(matplotlib.rcParams)
    plots.figure4()
    plots.rows()
    assert dict(matplotlib.rcParams) == before
    assert "flatten_edu.plots" in sys.modules
    assert all(not figure.canvas.manager for figure in (plots.figure4(), plots.rows()))


def test_words_have_enough_contrast_on_white():
    def luminance(colour):
        values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        line = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return np.dot(line, (0.2126, 0.7152, 0.0722))

    for colour in (*style.SHADES.values(), style.GREY, style.INK):
        assert 1.05 / (luminance(colour) + 0.05) > 4.5, colour
    assert style.SHADES.keys() == style.COLOURS.keys()


# Figure 4


PAPER = {
    1: [0.373, 0.188, 0.260, 0.179],
    2: [0.567, 0.165, 0.166, 0.101],
    3: [0.749, 0.115, 0.085, 0.051],
    8: [0.992, 0.006, 0.001, 0.001],
}


@pytest.mark.parametrize("p", PAPER)
def test_figure4_has_bars_of_the_printed_heights_and_arrows_of_constant_length(p):
    figure = plots.figure4(p)
    bars = [b for b in figure.axes[1].patches if isinstance(b, Rectangle) and b.get_fill()]
    assert [round(b.get_width() / 100, 3) for b in bars] == PAPER[p]
    arrows = {a.get_gid(): a for a in figure.axes[0].patches if isinstance(a, FancyArrowPatch)}
    old = dict(
        zip(("k₁", "k₂", "k₃", "k₄"), plots.figure4.__wrapped__.__globals__["KEYS"], strict=True)
    )
    for name, key in old.items():
        tip = arrows[name]._posA_posB[1]
        assert math.isclose(math.hypot(*tip), math.hypot(*key))
        assert np.allclose(tip, focus(torch.tensor([key]).double(), p)[0].numpy())
    assert f"k1 {style.percent(PAPER[p][0])}" in figure.alt


def test_softmax_shares_are_the_printed_ones_and_sharpen_with_the_query():
    assert plots.softmax_shares().numpy().round(3).tolist() == [0.338, 0.208, 0.251, 0.203]
    assert plots.softmax_shares(10)[0] > 0.9


# Entropy


TABLE = {1: 0.991, 2: 0.969, 3: 0.925, 4: 0.864, 8: 0.634, 16: 0.423, 32: 0.302}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_entropies_are_those_of_the_paper(seed):
    q, k = plots.random_queries(seed=seed)
    for p, printed in TABLE.items():
        found = row_entropy(attention_map(q, k, "focused", p)).mean()
        assert abs(found - printed) < 0.015, p


def test_the_entropy_picture_draws_the_measured_curve_and_levels():
    axes = plots.entropy(query_length=2).axes[0]
    curve = next(line for line in axes.lines if line.get_gid() == "focused")
    at = dict(zip(curve.get_xdata().round(6), curve.get_ydata(), strict=True))
    for p in (1, 2, 4, 8, 16, 32):
        assert abs(at[math.log2(p)] - TABLE[p]) < 0.015
    levels = [line.get_ydata()[0] for line in axes.lines if line.get_gid() == "softmax"]
    assert levels == pytest.approx([0.907, 0.676], abs=0.015)


def test_focused_attention_does_not_see_the_length_of_the_query():
    q, k = plots.random_queries()
    map, longer = (attention_map(length * q, k, "focused") for length in (1, 2))
    # The 1e-6 of the feature map is all that changes.
    assert (map - longer).abs().max() < 1e-6
    assert plots.random_entropy("softmax", length=2) < plots.random_entropy("softmax") - 0.2


# Proposition 1


@pytest.mark.parametrize("features", ["ReLU", "dense"])
def test_proposition1_holds_for_a_large_power_and_not_for_every_power(features):
    same, other = plots.shares_that_hold(features, 1024)
    assert same > 0.995 and other > 0.995
    assert plots.shares_that_hold(features, 3)[0] < 0.95


def test_proposition1_picture_shows_and_tells_the_shares():
    figure = plots.proposition1(p=3, features="dense")
    same, other = plots.shares_that_hold("dense", 3)
    assert 0.02 < same < 0.1 and other > 0.99
    dots = [line.get_ydata()[0] for line in figure.axes[1].lines if len(line.get_xdata()) == 1]
    assert dots == [same, other]
    assert f"{style.percent(same)} of the pairs" in figure.alt
    with_zeros = plots.shares_that_hold("ReLU", 3)[0]
    assert 0.8 < with_zeros < 0.95


def test_a_pair_on_one_axis_may_first_move_apart():
    figure = plots.pair(y_angle=44, p=3)
    curve = figure.axes[1].lines[1].get_ydata()
    before = math.cos(math.radians(24))
    assert curve[0] == pytest.approx(before)
    assert curve.min() < before < curve[-1]
    assert f"from {before:.3f} to 0.774" in figure.alt


# Maps of a digit


def test_a_digit_becomes_196_tokens_of_equal_length_and_its_patches_become_it_again():
    tokens = plots.digit_tokens(5)
    assert tokens.q.shape == (1, 1, 196, 64) and tokens.q.dtype == torch.float64
    assert torch.allclose(tokens.q.norm(dim=-1), torch.tensor(8.0).double())
    assert unpatch(patches(tokens.image)).equal(tokens.image.double())
    assert plots.digit_tokens(5, d=16).q.shape == (1, 1, 196, 16)


def test_softmax_row_draws_scores_weights_and_mixed_values():
    figure = plots.softmax_row(query=(2, 6), query_length=2)
    tokens, n = plots.digit_tokens(), 2 * 14 + 6
    images = [axes.images[0].get_array() for axes in figure.axes[1:4]]
    scores = 2 * (tokens.k[0, 0] @ tokens.q[0, 0, n]) / 8
    assert np.allclose(images[0].flatten(), scores)
    assert np.allclose((2 ** images[1].flatten()).sum() / 196, 1, atol=1e-6)
    assert np.allclose(images[1].flatten(), (196 * scores.softmax(-1)).clamp_min(1e-9).log2())
    mixed = softmax_attention(2 * tokens.q, tokens.k, tokens.v)
    assert np.allclose(images[2], unpatch(mixed))


def test_rows_draw_the_maps_rows_and_count_half_of_their_weight():
    figure = plots.rows(p=8, query=(10, 5))
    for axes, mechanism in zip(figure.axes[1:4], ("softmax", "linear", "focused"), strict=True):
        row = plots.digit_map(mechanism, 8)[10 * 14 + 5]
        assert np.allclose(2 ** axes.images[0].get_array().flatten(), 196 * row)
        heaviest = np.sort(row.numpy())[::-1].cumsum()
        half = int(np.searchsorted(heaviest, 0.5)) + 1
        assert f"{mechanism} {half}" in figure.alt
        assert axes.spines["left"].get_edgecolor() == matplotlib.colors.to_rgba(
            style.COLOURS[mechanism]
        )


def test_two_maps_tell_the_entropies_of_the_row_and_of_all():
    figure = plots.two_maps(query=(7, 8))
    for mechanism in ("softmax", "linear"):
        entropy = row_entropy(plots.digit_map(mechanism))
        assert f"{entropy[7 * 14 + 8]:.2f}" in figure.alt
        assert f"{entropy.mean():.2f}" in figure.alt


# Cost


def test_the_cost_picture_computes_its_title_and_its_words(monkeypatch):
    figure = measured()
    words = [text.get_text() for text, _ in written(figure, monkeypatch)]
    # 1e-8 N^2 = 3e-6 N at N = 300.
    assert "Focused attention is cheaper here from about 300 tokens on" in words
    assert "4 × tokens, 16 × time" in words and "4 × tokens, 4 × time" in words
    assert "42 × faster" in words
    assert "overtakes at N = 300" in figure.alt and "softmax 2.00" in figure.alt
    lines = {line.get_gid(): line for line in figure.axes[0].lines if line.get_gid()}
    assert np.allclose(lines["focused"].get_ydata(), LAYERS.seconds["focused"])
    never = measured("never")
    assert "does not overtake" in never.alt


def test_times_carry_their_unit():
    assert [_seconds(s) for s in (2e-5, 0.01, 0.1, 10)] == ["20 µs", "10 ms", "0.1 s", "10 s"]


def test_map_memory_draws_areas_in_proportion():
    figure = plots.map_memory(side=896)
    squares = {p.get_gid(): p for p in figure.artists if isinstance(p, Rectangle) and p.get_gid()}
    assert squares["1792"].get_width() == pytest.approx(16 / 4 * squares["896"].get_width())
    areas = [squares[s].get_width() * squares[s].get_height() for s in ("224", "448")]
    assert areas[1] == pytest.approx(16 * areas[0])
    assert plots.map_bytes(196, heads=3) == 3 * 196**2 * 4
    assert "118 MB" in figure.alt and "2,401 times" in figure.alt


def test_brackets_draw_blocks_whose_areas_are_their_entries():
    figure = plots.brackets(n=196, d=64)
    boxes = [p for p in figure.artists if isinstance(p, Rectangle)]
    works = {p.get_gid(): p.get_width() for p in boxes if p.get_gid()}
    assert works["(Q Kᵀ) V"] / works["Q (Kᵀ V)"] == pytest.approx(196 / 64)
    areas = sorted(p.get_width() * p.get_height() for p in boxes if not p.get_gid())
    assert areas[-1] / areas[0] == pytest.approx(196**2 / 64**2)
    assert "4.92 million" in figure.alt and "1.61 million" in figure.alt
    with pytest.raises(ValueError, match="n must be from 1 to 400"):
        plots.brackets(n=401)


def test_only_a_longer_query_moves_the_exponential_curve():
    curves = {}
    for length in (1, 8):
        lines = plots.kernels(length).axes[0].lines
        curves[length] = {line.get_gid(): line.get_ydata() for line in lines if line.get_gid()}
        for curve in curves[length].values():
            assert curve.mean() == pytest.approx(1)
    assert np.allclose(curves[1]["linear"], curves[8]["linear"], atol=1e-4)
    assert curves[8]["softmax"].max() > 3 * curves[1]["softmax"].max()


# Rank


@pytest.mark.parametrize("d", [4, 16, 64])
def test_kernel_maps_of_the_digit_stop_at_rank_d_and_softmax_goes_on(d):
    figure = plots.spectrum(d=d)
    lines = {line.get_gid(): line for line in figure.axes[-1].lines if line.get_gid()}
    lengths = {name: len(line.get_xdata()) for name, line in lines.items()}
    assert lengths["softmax"] == 196
    assert lengths["linear"] <= d and lengths["focused"] <= d
    for name, length in lengths.items():
        values, rank = plots.digit_spectrum(name, 3, d)
        assert rank == length and values[0] == 1
        assert values[rank - 1] > 196 * np.finfo(float).eps >= values[rank:].max(initial=0)
    assert f"linear map has rank {lengths['linear']}" in figure.alt


def test_rank_follows_the_bound_of_equation_9():
    axes = plots.rank_bound(n=49).axes[0]
    drawn = {line.get_gid(): line.get_ydata() for line in axes.lines if line.get_gid()}
    widths = np.array([2, 4, 8, 16, 32, 64, 128, 256])
    for mechanism in ("linear", "focused"):
        assert (drawn[mechanism] <= np.minimum(49, widths)).all()
        assert (drawn[f"{mechanism} effective"] <= drawn[mechanism] + 1e-9).all()
    assert drawn["softmax"][-1] == 49
    assert plots.ranks("softmax")[0] == 196
    assert plots.ranks("linear")[0] == plots.ranks("focused")[0] == 64


def test_angles_between_outputs_are_exact_and_told():
    angles, rank = plots.output_angles("linear")
    assert rank == 64
    assert angles.diagonal().abs().max() < 1e-5 and (angles - angles.T).abs().max() < 1e-5
    figure = plots.same_features()
    for mechanism in ("softmax", "linear", "focused", "equivalent"):
        found = plots.pair_angles(mechanism)
        assert len(found) == 196 * 195 // 2
        assert f" {np.median(found):.0f}" in figure.alt
    bars = figure.axes[1].patches
    assert sum(bar.get_height() for bar in bars) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(6))
def test_linear_outputs_are_most_alike_and_the_branch_tells_them_apart(seed):
    middle = {
        m: np.median(plots.pair_angles(m, seed))
        for m in ("softmax", "linear", "focused", "equivalent")
    }
    assert middle["linear"] < middle["focused"] < middle["softmax"]
    assert middle["focused"] < middle["equivalent"]


# The branch


def test_the_branch_picture_shows_the_matrix_and_its_border_rows():
    figure = plots.depthwise(kernel_size=5)
    matrix = figure.axes[0].images[0].get_array()
    assert matrix.shape == (49, 49)
    assert (matrix[0] != 0).sum() == 9 and (matrix[24] != 0).sum() == 25
    corner, middle = (figure.axes[i].images[0].get_array() for i in (1, 2))
    assert np.array_equal(corner.flatten(), matrix[0])
    assert np.array_equal(middle.flatten(), matrix[24])
    assert np.allclose(middle[1:6, 1:6], plots.branch_kernel(5))
    assert "rank 16, with the branch added 49" in figure.alt


def test_smaller_kernels_are_cuts_of_the_larger_ones_with_the_same_norm():
    large = plots.branch_kernel(7)
    for size in (1, 3, 5, 7):
        kernel = plots.branch_kernel(size)
        edge = (7 - size) // 2
        cut = large[edge : 7 - edge, edge : 7 - edge]
        assert kernel.norm() == pytest.approx(1 / math.sqrt(3))
        assert torch.allclose(kernel / kernel.norm(), cut / cut.norm())


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_any_branch_restores_the_rank_neighbours_or_not(size):
    ranks = list(plots.control_ranks(size).values())
    assert ranks == [196, 196, 196, 64]
    figure = plots.restored(size)
    widths = [box.get_width() for box in figure.artists if box.get_gid()]
    assert np.allclose(np.array(widths) / widths[0], np.array(ranks) / 196)
    assert "end at 64" in figure.alt and "go on to 196" in figure.alt


def test_reach_grows_by_half_a_kernel_a_layer():
    for layers, size in ((1, 3), (2, 3), (1, 5), (3, 5), (2, 7)):
        steps = layers * (size // 2)
        rows = torch.arange(14)
        near = (rows - 7).abs() <= steps
        assert plots.reached(layers, size).equal(near[:, None] & near[None, :])
    assert "25 of 196 through 1 depthwise layer" in plots.reach().alt
    assert "needs 4 layers" in plots.reach().alt
    with pytest.raises(ValueError, match="kernel_size must be one of 3, 5, 7"):
        plots.reach(kernel_size=1)
