"""The paper's numbers and their pictures: every number is on its picture, in its place."""

import pytest

from flatten_edu import latency, paper
from flatten_edu.complexity import PAPER
from flatten_edu.plots import results
from flatten_edu.plots.choices import _TITLES
from flatten_edu.plots.trade import FAMILIES
from flatten_edu.plots.transfer import MEASURES

TIMES = latency.Latencies(
    {("deit_tiny", "softmax"): 0.05, ("deit_tiny", "focused"): 0.06,
     ("swin_tiny", "softmax"): 0.2, ("swin_tiny", "focused"): 0.25,
     ("swin_base", "softmax"): 0.7, ("swin_small", "focused"): 0.35},
    pixels=224, rounds=3)  # fmt: skip


def measured():
    return results.latency(TIMES)


STATES = [
    *((results.trade, {"family": family}) for family in FAMILIES),
    *((results.choices, {"table": table}) for table in _TITLES),
    *((results.transfer, {"measure": measure}) for measure in MEASURES),
    (measured, {}),
]


@pytest.mark.parametrize(
    ("picture", "state"), STATES, ids=lambda part: getattr(part, "__name__", str(part))
)
def test_every_state_is_a_card_with_all_its_words_inside(picture, state):
    card = picture(**state)
    card.canvas.draw()
    width, height = card.bbox.size
    for text in (*card.texts, *(t for axes in card.axes for t in axes.texts)):
        box = text.get_window_extent()
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        assert inside, f"{text.get_text()!r} leaves the card"
    assert len(card.alt) > 60


def marks(card):
    """name -> (x, y) of the marks that stand for focused attention."""
    lines = [line for axes in card.axes for line in axes.lines if line.get_gid()]
    return {line.get_gid(): (line.get_xdata()[0], line.get_ydata()[0]) for line in lines}


def test_trade_shows_the_focused_accuracy_of_every_network_with_a_cost():
    found = {gid: y for gid, (_, y) in marks(results.trade()).items()}
    wanted = {f"{name} {size}": row[2] for (name, kind, size), row in PAPER.items()
              if kind == "focused" and row[1] is not None}  # fmt: skip
    assert found == wanted and len(found) == 13


def test_a_family_stands_out_and_the_others_fade():
    shown = {line.get_gid(): line.get_alpha() for axes in results.trade("Swin").axes
             for line in axes.lines if line.get_gid()}  # fmt: skip
    loud = {gid for gid, opacity in shown.items() if opacity == 1}
    assert loud == {"swin_tiny 224", "swin_small 224", "swin_base 224", "swin_base 384"}


def test_choices_stand_at_their_distance_from_softmax():
    found = {gid: round(x, 2) for gid, (x, _) in marks(results.choices(5)).items()}
    assert found == {"2": 0.73, "3": 0.81, "4": 0.64, "8": 0.69, "32": 0.58}
    assert marks(results.choices(3))["hydra"][0] == pytest.approx(68.3 - 72.2)
    with pytest.raises(ValueError, match="table must be 3, 4, 5, 6 or 7, but is 2"):
        results.choices(2)


def test_transfer_shows_the_rows_of_one_measure():
    card = results.transfer("mask AP")
    lines = [line for line in card.axes[0].lines if line.get_gid()]
    assert [line.get_xdata()[0] for line in lines] == [37.0, 40.2, 42.1, 44.1, 45.4]
    with pytest.raises(ValueError, match="measure must be one of box AP, mask AP, mIoU"):
        results.transfer("AP")


def test_latency_says_both_ratios_in_its_title():
    title = measured().texts[0].get_text()
    assert title == "At equal accuracy 2.0 times as fast here; at equal size 0.8 to 0.8"
    found = marks(measured())
    assert found["swin_small focused"] == (350, 83.5)
    assert found["swin_base softmax"] == (700, 83.5)


def test_the_numbers_are_those_of_the_paper():
    assert paper.gains()["pvt_tiny", 224] == 2.7 and len(paper.gains()) == 14
    assert [row.gain for row in paper.ADE20K] == [0.64, 0.31, 0.5]
    assert len(paper.COCO) == 10
    assert paper.LINEAR_ATTENTIONS["Swin-T"]["linear_angular"] == 79.4
    slow, fast = (paper.IMAGENET[(*pair, 224)] for pair in paper.SPEED_PAIR)
    assert slow[2] == fast[2] == 83.5


def test_networks_are_timed_in_turn_and_told():
    told = []
    pairs = [("deit_nano", "softmax"), ("deit_nano", "focused")]
    found = latency.measure(pairs, pixels=28, rounds=2, progress=told.append)
    assert list(found.seconds) == pairs and len(told) == 2
    assert found.ratio(*pairs) == pytest.approx(found.seconds[pairs[0]] / found.seconds[pairs[1]])
