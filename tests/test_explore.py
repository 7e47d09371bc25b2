"""`explore` without a browser: what it checks, draws, keeps, shows, and writes."""

import io
import json
import re
import sys

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import v4
from PIL import Image

import flatten_edu as fe
from flatten_edu._card import FRAME_LIMIT, held, page
from flatten_edu._frames import render
from flatten_edu._live import Live, _neighbours
from flatten_edu._sliders import Slider
from flatten_edu._small import reduce_colours, small_png
from flatten_edu.plots import COLOURS, figure4


def square(p=2, head=0):
    """A small picture whose colour depends on its values."""
    figure = Figure(figsize=(1.2, 0.8), dpi=50, facecolor=(p / 100, head / 100, 0))
    figure.alt = f"p = {p}, <head> {head}"
    return figure


def positional(p, /):
    return square(p)


def required(p, width):
    return square(p)


def anything(**values):
    return square(len(values))


def broken(p=1):
    if p == 2:
        raise ValueError("nothing to see\nat two")
    return square(p)


def no_figure(p=1):
    return [p]


def mean_colour(frame):
    return np.asarray(Image.open(io.BytesIO(frame.png)).convert("RGB")).reshape(-1, 3).mean(axis=0)


class Spoken(Live):
    """A live widget that keeps what it says to the browser."""

    def __init__(self, frames):
        self.said = []
        super().__init__(frames)

    def send(self, content, buffers=None):
        self.said.append(content)


@pytest.fixture
def live():
    return lambda picture, **values: Spoken(fe.explore(picture, **values).frames)


# What it checks


@pytest.mark.parametrize(
    ("picture", "values", "error", "says"),
    [
        (lambda p=1: square(p), {"p": [1]}, TypeError, "got a lambda; write it with def"),
        (square(), {"p": [1]}, TypeError, "must be a function, got Figure; write explore(picture"),
        (square, {"q": [1]}, TypeError, "square has no parameter 'q'; it takes ['p', 'head']"),
        (square, {"heads": [1]}, TypeError, "no parameter 'heads'; did you mean 'head'?"),
        (positional, {"p": [1]}, TypeError, "positional has no parameter 'p'"),
        (required, {"p": [1]}, TypeError, "required needs 'width', which has no default"),
        (square, {"p": []}, ValueError, "p must have at least one value, got an empty list"),
        (square, {"p": 3}, TypeError, "p must be a list of values, got 3; write p=[...]"),
        (square, {"p": "123"}, TypeError, "p must be a list of values, got '123'"),
        (square, {"p": iter([1, 2])}, TypeError, "p must be a list of values"),
        (square, {"p": [2, float("nan")]}, ValueError, "p must hold finite values, got nan"),
        (square, {"p": [2, float("inf")]}, ValueError, "p must hold finite values, got inf"),
        (square, {"p": [2, 3, 2]}, ValueError, "p must hold each value once, got 2 twice"),
        (square, {"p": [1, 3]}, ValueError, "default 2, which is not among [1, 3]; add it"),
        (no_figure, {"p": [1]}, TypeError, "no_figure must return a matplotlib Figure, got list"),
    ],
)
def test_a_wrong_call_says_in_one_line_what_would_be_right(picture, values, error, says):
    with pytest.raises(error) as caught:
        fe.explore(picture, **values)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sliders_start_at_the_pictures_defaults_or_at_the_first_value():
    assert fe.explore(square, p=[1, 2, 3], head=range(6)).values == {"p": 2, "head": 0}
    assert fe.explore(required, p=[5, 6], width=[7, 8]).values == {"p": 5, "width": 7}
    assert fe.explore(anything, p=[5], q=[6, 7]).values == {"p": 5, "q": 6}
    assert fe.explore(square).values == {}


@pytest.mark.parametrize("values", [np.array([1, 2, 3]), torch.tensor([1, 2, 3]), range(1, 4)])
def test_arrays_tensors_and_ranges_become_plain_numbers(values):
    explorer = fe.explore(square, p=values)
    assert explorer.frames.sliders[0].values == (1, 2, 3)
    assert type(explorer.values["p"]) is int


def test_labels_are_short_and_never_the_same():
    assert Slider("p", (1.1 + 2.2, 5.0, 1e-7), 0).labels == ["3.3", "5", "1e-07"]
    assert Slider("p", (1.0000001, 1.0000002), 0).labels == ["1.0000001", "1.0000002"]
    assert Slider("who", ("suit", None, True), 0).labels == ["suit", "None", "True"]


# What it draws and keeps


def test_each_frame_is_drawn_once():
    drawn = []

    def picture(p=1):
        drawn.append(p)
        return square(p)

    explorer = fe.explore(picture, p=[1, 2, 3])
    assert drawn == [1]
    frames = explorer.sweep()
    assert explorer.sweep() == frames
    assert drawn == [1, 2, 3]


def test_a_frame_is_what_its_values_say():
    frames = fe.explore(square, p=[2, 50], head=[0, 80]).sweep()
    assert [frame.alt for frame in frames] == [
        *("p = 2, <head> 0", "p = 2, <head> 80", "p = 50, <head> 0", "p = 50, <head> 80")
    ]
    colours = [mean_colour(frame) for frame in frames]
    expected = [[5, 0, 0], [5, 204, 0], [128, 0, 0], [128, 204, 0]]
    np.testing.assert_allclose(colours, expected, atol=1)
    assert {(frame.width, frame.height) for frame in frames} == {(60, 40)}


def test_a_picture_without_words_gets_the_call_as_its_alternative_text():
    def plain(p=1):
        return Figure(figsize=(1, 1))

    frame = fe.explore(plain, p=[1]).sweep()[0]
    assert frame.alt == "Picture drawn by plain(p=1)"
    assert frame.caption == ""


def test_a_transparent_figure_stands_on_white():
    figure = Figure(figsize=(1, 1), facecolor="none")
    assert (render(figure, "picture") == 255).all()


def test_a_figure_of_pyplot_is_not_left_open():
    from matplotlib import pyplot

    def picture(p=1):
        figure, axes = pyplot.subplots(figsize=(1, 1))
        axes.plot([p])
        return figure

    fe.explore(picture, p=[1, 2]).sweep()
    assert pyplot.get_fignums() == []


def test_an_error_at_the_start_passes_with_the_pictures_own_traceback():
    def picture(p=2):
        return broken(p)

    with pytest.raises(ValueError, match="nothing to see") as caught:
        fe.explore(picture, p=[1, 2])
    assert caught.traceback[-1].name == "broken"
    assert caught.value.__notes__ == ["while drawing picture(p=2)"]


def test_a_sweep_finds_an_error_at_any_value():
    explorer = fe.explore(broken, p=[1, 2, 3])
    with pytest.raises(ValueError) as caught:
        explorer.sweep()
    assert caught.value.__notes__ == ["while drawing broken(p=2)"]


# What the live widget says to the browser


def test_a_move_is_answered_with_its_frame(live):
    widget = live(square, p=[1, 2, 3])
    widget.positions = [2]
    assert [(m["at"], m["alt"]) for m in widget.said] == [((2,), "p = 3, <head> 0")]
    assert widget.said[0]["src"].startswith("data:image/png;base64,")


def test_an_error_under_a_slider_is_told_kept_and_passes_by(live):
    widget = live(broken, p=[1, 2, 3])
    widget.positions = [1]
    assert widget.said[0]["error"] == "broken(p=2) failed with ValueError: nothing to see at two"
    assert "in broken" in widget.said[0]["traceback"]
    assert [str(error) for error in widget.errors] == ["nothing to see\nat two"]
    widget.positions = [2]
    assert widget.said[1]["alt"] == "p = 3, <head> 0"


def test_the_figure_knows_its_sliders_values_and_errors():
    explorer = fe.explore(broken, p=[1, 2, 3])
    explorer.live = Spoken(explorer.frames)
    explorer.live.positions = [1]
    assert explorer.values == {"p": 2}
    assert explorer.errors == explorer.live.errors != []


def test_a_page_loaded_anew_gets_the_present_frame_again(live):
    widget = live(square, p=[1, 2, 3])
    widget.positions = [2]
    widget._handle_custom_msg("again", [])
    assert [message["at"] for message in widget.said] == [(2,), (2,)]


def test_what_comes_next_is_drawn_ahead_first(live):
    import asyncio

    async def step():
        widget = live(square, p=[1, 2, 3, 4, 5], head=[0, 1])
        widget.positions = [2, 0]
        await asyncio.sleep(1)
        return [message["at"] for message in widget.said]

    assert asyncio.run(step()) == [(2, 0), (3, 0), (2, 1)]


def test_neighbours_are_one_step_away_inside_the_grid_and_not_drawn_yet():
    frames = fe.explore(square, p=[2, 3], head=[0, 1, 2]).frames
    assert _neighbours(frames, (0, 0), (0, 1)) == [(0, 2), (1, 1)]
    assert _neighbours(frames, (0, 0), (0, 0)) == [(1, 0), (0, 1)]


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.delenv("FLATTEN_EDU_FRAMES", raising=False)
    explorer = fe.explore(square, p=[1, 2])
    monkeypatch.delitem(sys.modules, "flatten_edu._live")
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r'anywidget.*pip install "flatten-edu\[lab\]"'):
        explorer._bundle()


# What a saved page holds


def saved(picture, monkeypatch, **values):
    monkeypatch.setenv("FLATTEN_EDU_FRAMES", "1")
    return page(fe.explore(picture, **values).frames)


def data_of(html):
    call = re.search(r"showSaved\(\"[0-9a-f]+\", (.*)\);\n\}\)\(\);</script>$", html)
    return json.loads(call[1])


def test_a_saved_page_is_the_same_each_time(monkeypatch):
    pages = {saved(figure4, monkeypatch, p=[1, 3]) for _ in range(2)}
    assert len(pages) == 1


def test_a_saved_page_holds_every_frame_once_with_its_words(monkeypatch):
    html = saved(square, monkeypatch, p=[1, 2, 3], head=[0, 1])
    data = data_of(html)
    assert len(data["frames"]) == 5  # and the start, which stands in the card
    assert data["frames"]["2,1"]["alt"] == "p = 3, <head> 1"
    assert data["start"] == [1, 0]
    assert data["sliders"][0] == {"name": "p", "labels": ["1", "2", "3"]}
    assert 'alt="p = 2, &lt;head&gt; 0"' in html
    assert html.count("</script>") == 1


def test_a_saved_page_asks_for_nothing_from_elsewhere(monkeypatch):
    html = re.sub(r"data:image/png;base64,[\w+/=]*", "", saved(figure4, monkeypatch, p=[1, 3]))
    assert not re.search(r"https?:|//cdn|import\(|fetch\(|@import", html)


def test_a_picture_without_sliders_is_a_still(monkeypatch):
    html = saved(square, monkeypatch)
    assert "<img" in html and "<script" not in html and "A still picture" not in html


@pytest.mark.parametrize(
    ("lengths", "kept", "alone"),
    [
        ([24], [24], False),
        ([41], [24], False),
        ([4, 6], [4, 6], False),
        ([7, 6], [7, 6], True),
        ([3, 4, 5], [3, 4, 5], True),
        ([40, 3], [12, 3], True),
    ],
)
def test_a_saved_page_is_bounded(lengths, kept, alone):
    sliders = [Slider(f"s{i}", tuple(range(n)), n // 3) for i, n in enumerate(lengths)]
    positions, one_at_a_time = held(sliders)
    assert [len(k) for k in positions] == pytest.approx(kept, abs=1)
    assert one_at_a_time is alone
    count = sum(map(len, positions)) if alone else np.prod([len(k) for k in positions])
    assert count <= FRAME_LIMIT
    for slider, k in zip(sliders, positions, strict=True):
        assert {0, slider.start, len(slider.values) - 1} <= set(k)


def test_a_bounded_page_says_what_it_leaves_out(monkeypatch):
    html = saved(square, monkeypatch, p=range(40), head=range(3))
    assert re.search(r"it holds 1[12] of 40 values of p, and one slider moves at a time\.", html)


# Colours


def test_meaningful_colours_and_white_survive_a_small_palette():
    colours = [*COLOURS.values(), "#FFFFFF"]
    exact = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pixels[0, : len(exact)] = exact
    palette, indices = reduce_colours(pixels, 64)
    assert len(palette) <= 64
    np.testing.assert_array_equal(palette[indices[0, : len(exact)]], exact)


def test_a_picture_with_few_colours_does_not_change():
    pixels = np.repeat(np.arange(120, dtype=np.uint8)[:, None], 9, axis=1)[..., None].repeat(3, -1)
    palette, indices = reduce_colours(pixels, 128)
    np.testing.assert_array_equal(palette[indices], pixels)


def test_a_saved_frame_of_the_course_looks_as_drawn_and_is_small():
    pixels = render(figure4(p=3), "figure4")
    palette, indices = reduce_colours(pixels, 128)
    off = np.abs(palette[indices].astype(int) - pixels).max(axis=-1)
    assert (off > 24).mean() < 0.002
    assert len(small_png(pixels)) < 30_000


def test_a_flat_colour_is_never_shown_as_another():
    from matplotlib import colormaps

    values = np.repeat(np.linspace(0, 1, 100), 12)[None].repeat(40, axis=0)
    pixels = (colormaps["viridis"](values)[..., :3] * 255).round().astype(np.uint8)
    noise = np.random.default_rng(0).integers(100, 156, (40, 600, 1), dtype=np.uint8)
    pixels = np.hstack([pixels, noise.repeat(3, axis=-1)])
    palette, indices = reduce_colours(pixels, 128)
    assert np.abs(palette[indices].astype(int) - pixels).max() <= 16


def test_a_saved_frame_over_the_start_frame_is_the_frame():
    under, pixels = (render(figure4(p=p), "figure4") for p in (3, 8))
    over = Image.open(io.BytesIO(small_png(pixels, under))).convert("RGBA")
    page = Image.fromarray(under).convert("RGBA")
    shown = np.asarray(Image.alpha_composite(page, over).convert("RGB")).astype(int)
    off = np.abs(shown - pixels).max(axis=-1)
    assert (off > 24).mean() < 0.002
    assert np.mean(np.asarray(over)[..., 3] == 0) > 0.5
    assert len(small_png(pixels, under)) < 0.75 * len(small_png(pixels))


@pytest.mark.parametrize("factor", [0.9, 2])
def test_a_saved_frame_shows_no_seam_where_the_page_scales_it(factor):
    under = np.full((40, 60, 3), 255, dtype=np.uint8)
    pixels = under.copy()
    under[10:30, 10:20] = 0  # a bar goes
    pixels[10:30, 40:50] = 0  # and another one comes
    size = (round(60 * factor), round(40 * factor))

    def scaled(image):
        return image.convert("RGBa").resize(size, Image.Resampling.BILINEAR).convert("RGBA")

    over = Image.open(io.BytesIO(small_png(pixels, under))).convert("RGBA")
    shown = Image.alpha_composite(scaled(Image.fromarray(under)), scaled(over)).convert("RGB")
    expected = scaled(Image.fromarray(pixels)).convert("RGB")
    assert np.abs(np.asarray(shown).astype(int) - np.asarray(expected)).max() <= 2


def test_frames_that_are_the_same_or_of_another_size_are_whole_in_the_page():
    small, large = np.zeros((4, 6, 3), dtype=np.uint8), np.zeros((8, 6, 3), dtype=np.uint8)
    assert Image.open(io.BytesIO(small_png(small, small))).size == (6, 4)
    whole = Image.open(io.BytesIO(small_png(large, small))).convert("RGBA")
    assert np.asarray(whole)[..., 3].min() == 255


# In a notebook

SETUP = """
import flatten_edu as fe
from matplotlib.figure import Figure
def square(p=2):
    return Figure(figsize=(1, 1), facecolor=(p / 10, 0, 0))
def broken(p=1):
    if p == BAD:
        raise ValueError(f"nothing to see at {p}")
    return square(p)
"""


def execute(*cells, bad=2, monkeypatch=None, frames=""):
    monkeypatch.setenv("FLATTEN_EDU_FRAMES", frames)
    sources = [SETUP.replace("BAD", str(bad)), *cells]
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source in sources])
    quiet = ["--IPKernelApp.log_level=ERROR"]
    NotebookClient(notebook, timeout=120, kernel_name="python3", extra_arguments=quiet).execute()
    return [cell.outputs for cell in notebook.cells[1:]]


@pytest.mark.notebook
@pytest.mark.parametrize(
    ("frames", "kind"), [("", "application/vnd.jupyter.widget-view+json"), ("1", "text/html")]
)
def test_a_figure_is_shown_once_wherever_it_stands_in_a_cell(monkeypatch, frames, kind):
    outputs = execute(
        "fe.explore(square, p=[1, 2, 3])",
        "kept = fe.explore(square, p=[1, 2, 3])\nkept.values['p']",
        "kept",
        monkeypatch=monkeypatch,
        frames=frames,
    )
    shown = [[kind in output.get("data", {}) for output in cell] for cell in outputs]
    assert shown == [[True], [True, False], [True]]
    assert outputs[1][1]["data"]["text/plain"] == "2"
    for cell in outputs:
        assert cell[0]["output_type"] == "display_data"
        assert cell[0]["data"]["text/plain"] == "explore(square, p=[1, 2, 3])"
        assert cell[0]["data"]["image/png"]


@pytest.mark.notebook
@pytest.mark.parametrize(("frames", "bad"), [("", 1), ("1", 3)])
def test_a_broken_picture_fails_the_notebook(monkeypatch, frames, bad):
    with pytest.raises(CellExecutionError, match=f"nothing to see at {bad}"):
        execute("fe.explore(broken, p=[1, 2, 3])", bad=bad, monkeypatch=monkeypatch, frames=frames)
