"""`explore` beside a kernel: keys, pictures, errors, names, in JupyterLab."""

import statistics
import time

import pytest

pytestmark = pytest.mark.browser

PICTURES = """
import time
import flatten_edu as fe
from matplotlib.figure import Figure
drawn = []

def bars(p=4, head=0):
    drawn.append((p, head))
    figure = Figure(figsize=(8, 4.2), dpi=100)
    for axes in figure.subplots(1, 2):
        axes.barh(range(4), [1, 2, p, head], color=["#0072B2", "#E69F00", "#009E73", "#CC79A7"])
        axes.set(title=f"$f_p$ at p = {p:g}", xlabel="share, %")
    figure.alt = f"Bars at p = {p:g}, head {head}."
    return figure

def slow(p=0):
    time.sleep(0.3)
    return bars(p)

def broken(p=1):
    if p == 2:
        raise ValueError("nothing to see at two")
    return bars(p)
"""
VALUES = [4 + i / 2 for i in range(44)]


def sliders(page):
    page.wait_for_selector("figure.explore input", timeout=90_000)
    return page.get_by_role("slider")


def shows(page, words, seconds=10):
    page.locator(f"figure.explore img[alt='{words}']").wait_for(timeout=seconds * 1000)


def test_a_key_changes_the_picture_at_once_and_a_visited_value_sooner(
    lab, notebook, record_property
):
    page = lab.open(notebook(PICTURES, f"fe.explore(bars, p={VALUES}, head=range(3))"))
    lab.run_all(page)
    p, head = sliders(page).all()
    rounds = []
    for _ in range(3):  # what else the machine does can only add to the times
        first = lab.step(page, p, "ArrowRight", presses=20, pause=0.4)  # as one reads
        hurried = lab.step(page, p, "ArrowRight", presses=20)  # nothing is drawn ahead
        back = lab.step(page, p, "ArrowLeft", presses=20)
        rounds.append([statistics.median(times) for times in (first, hurried, back)])
        first, hurried, back = (min(medians) for medians in zip(*rounds, strict=True))
        if first <= 250 and hurried <= 400 and back <= 60:
            break
        p.press("Home")
        head.press("ArrowRight")
    record_property("milliseconds: first visit, hurried, revisit", rounds)
    assert first <= 250
    assert hurried <= 400
    assert back <= 60
    assert page.complaints == []


def test_a_held_key_leaves_out_the_steps_in_between(lab, notebook):
    page = lab.open(
        notebook(PICTURES, "fe.explore(slow, p=range(21))", "print(len(drawn), 'drawn')")
    )
    lab.run_all(page)
    sliders(page).first.focus()
    for _ in range(20):
        page.keyboard.down("ArrowRight")
        time.sleep(0.03)
    page.keyboard.up("ArrowRight")
    shows(page, "Bars at p = 20, head 0.", seconds=3)  # 20 drawings would take 8 seconds
    assert page.complaints == []


def test_an_error_is_read_in_the_notebook_and_other_values_go_on(lab, notebook):
    cell = "figure = fe.explore(broken, p=[1, 2, 3])"
    page = lab.open(notebook(PICTURES, cell, "1"))
    lab.run_all(page)
    slider = sliders(page).first
    slider.press("ArrowRight")
    alert = page.get_by_role("alert")
    alert.wait_for(timeout=10_000)
    assert "broken(p=2) failed with ValueError: nothing to see at two" in alert.inner_text()
    assert alert.evaluate("box => getComputedStyle(box).color") == "rgb(176, 0, 32)"
    alert.get_by_text("Where it happened").click()
    assert "Traceback" in alert.inner_text()
    slider.press("ArrowRight")
    shows(page, "Bars at p = 3, head 0.")
    assert page.get_by_role("alert").count() == 0
    assert page.complaints == []


def test_a_slider_has_a_name_a_readable_value_and_its_keys_to_itself(lab, notebook):
    page = lab.open(
        notebook(PICTURES, "fe.explore(bars, p=[3.9000000000000004, 4, 4.5], head=[0, 1])")
    )
    lab.run_all(page)
    p, head = sliders(page).all()
    assert p.get_attribute("aria-label") == "p"
    assert head.get_attribute("aria-label") == "head"
    assert p.get_attribute("aria-valuetext") == "4"
    p.press("ArrowLeft")
    assert p.get_attribute("aria-valuetext") == "3.9"
    shows(page, "Bars at p = 3.9, head 0.")
    p.press("End")
    head.press("ArrowUp")
    shows(page, "Bars at p = 4.5, head 1.")
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    for key in ("b", "x", "d", "d"):  # in JupyterLab: a new cell, cut, delete
        head.press(key)
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    assert page.complaints == []


def test_a_page_loaded_anew_takes_up_where_it_was(lab, notebook):
    page = lab.open(notebook(PICTURES, "fe.explore(bars, p=[4, 5, 6])"))
    lab.run_all(page)
    sliders(page).first.press("ArrowRight")
    shows(page, "Bars at p = 5, head 0.")
    lab.command(page, "docmanager:save")
    page.reload()
    assert sliders(page).first.get_attribute("aria-valuetext") == "5"
    shows(page, "Bars at p = 5, head 0.")
    sliders(page).first.press("ArrowRight")
    shows(page, "Bars at p = 6, head 0.")


def test_two_figures_on_a_page_move_alone_and_each_stands_once(lab, notebook):
    page = lab.open(
        notebook(
            PICTURES, "first = fe.explore(bars, p=[4, 5])\n1 + 1", "fe.explore(bars, p=[4, 5])"
        )
    )
    lab.run_all(page)
    page.wait_for_function("document.querySelectorAll('figure.explore input').length > 1")
    assert page.locator("figure.explore").count() == 2
    sliders(page).last.press("ArrowRight")
    shows(page, "Bars at p = 5, head 0.")
    assert sliders(page).first.get_attribute("aria-valuetext") == "4"
    shows(page, "Bars at p = 4, head 0.")


def test_an_error_at_the_start_fails_the_cell_and_is_seen_by_these_tests(lab, notebook):
    page = lab.open(notebook(PICTURES, "fe.explore(broken, head=[2])"))
    with pytest.raises(AssertionError, match="broken has no parameter 'head'"):
        lab.run_all(page)
