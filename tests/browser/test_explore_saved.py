"""`explore` in saved pages: frames that move without a kernel, a network, or even a script."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from nbformat import v4
from PIL import Image

import flatten_edu as fe
from flatten_edu._card import page as saved_page
from flatten_edu._frames import render

pytestmark = pytest.mark.browser


def bars(p=3, head=0):
    figure = Figure(figsize=(6, 3), dpi=100)
    figure.subplots().barh(range(3), [p, head, 2], color=["#0072B2", "#E69F00", "#009E73"])
    figure.alt = f"Bars at p = {p}, <head> {head}."
    return figure


@pytest.fixture
def html(monkeypatch):
    """The output of one call of `explore`, as the notebooks are committed with it."""
    monkeypatch.setenv("FLATTEN_EDU_FRAMES", "1")
    return lambda **values: saved_page(fe.explore(bars, **values).frames)


def open_offline(new_page, folder: Path, body: str, **options):
    file = folder / "page.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><body>{body}")
    page = new_page(offline=True, **options)
    page.asked = []
    page.on("request", lambda r: r.url.startswith(("data:", "file:")) or page.asked.append(r.url))
    page.goto(file.as_uri())
    return page


def pictures(page):
    return [image.get_attribute("alt") for image in page.locator("figure img").all()]


def test_keys_move_the_frames_without_kernel_or_network(new_page, html, tmp_path):
    page = open_offline(new_page, tmp_path, html(p=[1, 2, 3, 4], head=[0, 1]))
    page.keyboard.press("Tab")
    slider = page.get_by_role("slider", name="p")
    assert slider.evaluate("input => input === document.activeElement")
    assert slider.get_attribute("aria-valuetext") == "3"
    assert pictures(page) == ["Bars at p = 3, <head> 0."]
    before = page.locator("img").get_attribute("src")
    page.keyboard.press("ArrowRight")
    assert pictures(page) == ["Bars at p = 4, <head> 0."]
    assert slider.get_attribute("aria-valuetext") == "4"
    assert page.locator("figcaption").inner_text() == "Bars at p = 4, <head> 0."
    page.get_by_role("slider", name="head").press("End")
    assert pictures(page) == ["Bars at p = 4, <head> 1."]
    shown = Image.open(io.BytesIO(page.locator("img").screenshot())).convert("RGB")
    off = np.abs(np.asarray(shown).astype(int) - render(bars(p=4, head=1), "bars"))
    assert off.shape == (300, 600, 3)
    assert (off > 24).mean() < 0.002
    page.get_by_role("slider", name="head").press("Home")
    page.get_by_role("slider", name="p").press("ArrowLeft")
    assert page.locator("img").get_attribute("src") == before
    assert page.locator("img").evaluate("image => image.naturalWidth") == 600
    assert page.asked == []
    assert page.complaints == []


def test_figures_on_one_page_do_not_clash_even_where_they_are_the_same(new_page, html, tmp_path):
    one, other = html(p=[1, 2, 3]), html(p=[3, 4])
    page = open_offline(new_page, tmp_path, one + other + one)
    assert page.get_by_role("slider").count() == 3
    page.get_by_role("slider").nth(2).press("Home")
    page.get_by_role("slider").nth(1).press("End")
    assert [int(words[12]) for words in pictures(page)] == [3, 4, 1]
    assert page.complaints == []


def test_a_large_grid_moves_one_slider_at_a_time_and_says_so(new_page, html, tmp_path):
    page = open_offline(new_page, tmp_path, html(p=range(1, 9), head=range(6)))
    assert "one slider moves at a time" in page.locator("figure").inner_text()
    page.get_by_role("slider", name="p").press("End")
    assert pictures(page) == ["Bars at p = 8, <head> 0."]
    page.get_by_role("slider", name="head").press("End")
    assert pictures(page) == ["Bars at p = 3, <head> 5."]
    assert page.get_by_role("slider", name="p").get_attribute("aria-valuetext") == "3"
    assert page.complaints == []


def test_without_scripts_one_picture_stands_with_its_words(new_page, html, tmp_path):
    page = open_offline(new_page, tmp_path, html(p=[1, 2, 3]), java_script_enabled=False)
    assert page.get_by_role("slider").count() == 0
    assert pictures(page) == ["Bars at p = 3, <head> 0."]
    text = page.locator("figure").inner_text()
    assert "A still picture" in text and "Bars at p = 3, <head> 0." in text


def test_the_card_is_white_in_a_dark_page(new_page, html, tmp_path):
    body = "<style>body { background: #111; color: #eee }</style>" + html(p=[1, 2, 3])
    page = open_offline(new_page, tmp_path, body)
    style = "part => [getComputedStyle(part).backgroundColor, getComputedStyle(part).color]"
    assert page.locator("figure").evaluate(style) == ["rgb(255, 255, 255)", "rgb(34, 34, 34)"]


@pytest.mark.parametrize("trust", [True, False], ids=["trusted", "not trusted"])
def test_jupyterlab_moves_the_frames_of_a_trusted_notebook_before_its_kernel_runs(
    lab, notebook, html, trust
):
    output = v4.new_output("display_data", {"text/html": html(p=[1, 2, 3, 4])})
    path = notebook(("fe.explore(bars, p=[1, 2, 3, 4])", output))
    page = lab.open(path, trust=trust, theme="Dark")
    page.locator("figure img").wait_for(timeout=30_000)
    assert pictures(page) == ["Bars at p = 3, <head> 0."]
    if trust:
        times = lab.step(page, page.get_by_role("slider", name="p"), "ArrowRight", presses=1)
        assert pictures(page) == ["Bars at p = 4, <head> 0."]
        assert max(times) <= 1000
        assert page.locator("figure").inner_text().splitlines()[:2] == ["p", "4"]
    else:
        assert page.get_by_role("slider").count() == 0
        assert "A still picture" in page.locator("figure").inner_text()
    if folder := os.environ.get("FLATTEN_EDU_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"saved_{'' if trust else 'not_'}trusted.png")
    assert page.complaints == []
