"""The course as a reader has it: every chapter runs in JupyterLab, and every slider moves."""

import statistics
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
READY = """() => {
    const cards = [...document.querySelectorAll(".jp-OutputArea figure.explore")];
    return cards.length && cards.every((card) => !card.innerText.includes("A still picture"));
}"""


def run(lab, path):
    page = lab.open(path)
    lab.run_all(page)
    page.wait_for_function(READY, timeout=60_000)
    return page


# It trains for two minutes before a slider moves; `make test` executes it without a browser.
LONGEST = "08_train_and_compare"
CHAPTERS = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.long] if path.stem == LONGEST else [])
    for path in NOTEBOOKS
]


@pytest.mark.parametrize("path", CHAPTERS)
def test_every_slider_of_a_chapter_moves_its_picture(lab, path):
    page = run(lab, path)
    sliders = page.get_by_role("slider").all()
    assert sliders
    for slider in sliders:
        assert slider.get_attribute("aria-label")
        last = slider.evaluate("input => input.value === input.max")
        there, back = ("ArrowLeft", "ArrowRight") if last else ("ArrowRight", "ArrowLeft")
        lab.step(page, slider, there, presses=1)
        lab.step(page, slider, back, presses=1)
    assert page.get_by_role("alert").count() == 0
    assert page.complaints == []


def test_p_of_chapter_3_is_live(lab, record_property):
    page = run(lab, next(path for path in NOTEBOOKS if path.name.startswith("03_")))
    p = page.get_by_role("slider", name="p").first
    steps = int(p.get_attribute("max"))
    p.press("Home")
    first = lab.step(page, p, "ArrowRight", presses=steps, pause=0.4)
    back = lab.step(page, p, "ArrowLeft", presses=steps)
    medians = [statistics.median(times) for times in (first, back)]
    record_property("milliseconds: first visit, revisit", medians)
    assert medians[0] <= 250
    assert medians[1] <= 60
