"""What the pay-off promises: the same time for every arm, its step measured, a picture of both."""

import json

import pytest
import torch

from flatten_edu.__main__ import main
from flatten_edu.comparison import payoff as module
from flatten_edu.comparison.payoff import batch_of, payoff, step_costs, table, times_of
from flatten_edu.plots.payoff import payoff as picture

ARMS = ("softmax", "focused+dwc")


@pytest.fixture
def quick(monkeypatch):
    """Small test sets, and steps that are said to take a tenth of a second."""
    monkeypatch.setattr(module, "TEST_TOKENS", 128)
    monkeypatch.setattr(module, "step_costs", lambda size, arms, device: {
        arm: (0.1 if arm == "softmax" else 0.2, 8.0) for arm in arms
    })  # fmt: skip


def rows(pairs):
    """Made-up rows: seconds of a step at 64 and at 128 pixels, for each arm."""
    return [
        {"arm": arm, "size": size, "tokens": (size // 4) ** 2, "seed": seed,
         "batch": batch_of(size), "step_seconds": seconds * batch_of(size),
         "memory": 8.0 * batch_of(size), "steps": 10,
         "test_accuracy": 0.6 + 0.1 * seed, "mean_iou": 0.4, "chance": 0.35}
        for arm, found in pairs.items()
        for size, seconds in zip((64, 128), found, strict=True)
        for seed in (0, 1)
    ]  # fmt: skip


MADE = rows({"softmax": (0.01, 0.16), "focused+dwc": (0.02, 0.08)})


def test_every_arm_gets_as_many_steps_as_fit_into_the_time(quick, tmp_path):
    found = payoff((32, 16), ARMS, seconds=0.4, output=tmp_path / "run")
    assert [(row["size"], row["arm"]) for row in found] == [
        (16, "softmax"), (16, "focused+dwc"), (32, "softmax"), (32, "focused+dwc")
    ]  # fmt: skip
    assert [row["steps"] for row in found] == [4, 2, 4, 2]
    assert [row["tokens"] for row in found] == [16, 16, 64, 64]
    assert all(0 <= row["mean_iou"] <= row["test_accuracy"] <= 1 for row in found)


def test_a_stopped_one_goes_on_with_what_is_left(quick, tmp_path, monkeypatch):
    output, done, original = tmp_path / "run", [], module.one_run

    def dying(*call):
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(call)
        return original(*call)

    words = f"payoff --sizes 16 --arms softmax,focused+dwc --seconds 0.2 --output {output}".split()
    with monkeypatch.context() as patch:
        patch.setattr(module, "one_run", dying)
        assert main(words) == 130
    first = (output / "results.jsonl").read_text()
    assert first.count("\n") == 1 and main(words) == 0
    assert (output / "results.jsonl").read_text().startswith(first)
    assert {path.name for path in output.iterdir()} == {
        "comparison.json", "results.jsonl", "table.md", "payoff.png"
    }  # fmt: skip
    assert len(json.loads((output / "comparison.json").read_text())["starts"]) == 2
    assert main([*words, "--seconds", "0.3"]) == 2


def test_a_step_is_measured_in_time_and_memory():
    (found,) = step_costs(16, ["linear"], "cpu").values()
    assert 0 < found[0] < 5 and 0.1 < found[1] < 100


def test_the_mosaics_of_a_step_hold_as_many_tokens_at_every_size_below_256_pixels():
    assert {batch_of(size) * (size // 4) ** 2 for size in (32, 64, 128, 256)} == {4096}
    assert batch_of(512) == 1


def test_the_table_gives_the_cost_of_one_mosaic():
    lines = table(MADE).splitlines()
    assert lines[2] == "| 64 | 256 | softmax | 10 | 8 | 160 | 65.0 ± 7.1 % | 40.0 ± 0.0 % |"
    assert len(lines) == 2 + 4


def test_the_picture_marks_where_the_times_cross():
    crossing = times_of(MADE).crossing("softmax", "focused+dwc")
    assert crossing == pytest.approx(512)  # half way from 256 to 1,024, in logarithms
    card = picture(MADE, 60)
    lines = {line.get_gid(): line for line in card.axes[0].lines}
    assert lines["crossing"].get_xdata()[0] == pytest.approx(512)
    assert lines["crossing"].get_ydata()[0] == pytest.approx(0.04)
    assert lines["softmax"].get_ydata() == pytest.approx([0.01, 0.16])
    assert "cheaper from 512 tokens on, 2 times at 1,024" in card.texts[0].get_text()
    dots = {line.get_gid(): line for line in card.axes[2].lines}
    assert sorted(dots["softmax"].get_ydata()) == pytest.approx([60, 60, 70, 70])
    assert "cross at 512 tokens" in card.alt and "128 pixels, softmax: 160 ms" in card.alt


def test_a_picture_without_a_crossing_says_so():
    never = rows({"softmax": (0.01, 0.02), "focused+dwc": (0.02, 0.08)})
    card = picture(never, 60)
    assert card.texts[0].get_text() == "Up to 1,024 tokens focused attention is not cheaper here"
    assert "crossing" not in {line.get_gid() for line in card.axes[0].lines}
    alone = picture(rows({"linear": (0.01, 0.02)}), 60)
    assert alone.texts[0].get_text() == "What grows with the image, and how fast"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--sizes 50", "size must be a multiple of 4, 16 at least, but is 50; the nearest is 48"),
        ("--sizes 64,small", "--sizes must be whole numbers, such as 64,128, but has 'small'"),
        ("--arms focussed", "unknown arm 'focussed'; did you mean 'focused'?"),
        ("--seconds 0", "seconds must be above 0, but is 0.0"),
        ("--seeds 0", "seeds must be a whole number of at least 1"),
        pytest.param(
            "--device cuda",
            "device is 'cuda', but torch finds no GPU here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_a_wrong_call_gets_one_line_and_writes_nothing(words, message, tmp_path, capsys):
    assert main(["payoff", *words.split(), "--output", str(tmp_path / "run")]) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1 and list(tmp_path.iterdir()) == []
