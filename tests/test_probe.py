"""What a profile says: abilities, rank, evenness and cost of a mechanism beside others."""

import re

import pytest

from flatten_edu.__main__ import main
from flatten_edu.arms import Arm, find_arm
from flatten_edu.comparison import run as run_module
from flatten_edu.comparison.probe import ABILITIES, GRID, SIZES, Profile, cost, probe, untrained
from flatten_edu.plots.profile import profile, rows_of, short
from flatten_edu.tasks import tokens
from flatten_edu.timing import Times

STRANGER = "flatten_edu.attention:focused_attention"
LINES = []


@pytest.fixture(scope="module", autouse=True)
def few_samples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "PARTS", {"train": 960, "validation": 100, "test": 100})
        patch.setattr(run_module, "_KEPT", {})
        yield


@pytest.fixture(scope="module")
def found():
    # Eight steps a task: what is tested here is not what they learn.
    return probe(STRANGER, ["softmax"], batch_size=120, report=LINES.append)


def test_every_ability_is_probed_for_every_arm(found):
    assert found.arms == (STRANGER, "softmax")
    for arm in found.arms:
        assert set(found.accuracy[arm]) == {ability.label for ability in ABILITIES}
        assert all(0.05 < value <= 1 for value in found.accuracy[arm].values())


def test_every_run_says_how_long_the_rest_will_take(found):
    told = [re.fullmatch(r"(\d+)/10  .+, .+: .+ %, about (\d+) s left", line) for line in LINES]
    assert [match and int(match[1]) for match in told] == list(range(1, 11))
    assert told[-1] and told[-1][2] == "0"


def test_maps_before_training_have_the_ranks_of_the_paper():
    notes: list[str] = []
    entropy, rank = untrained(find_arm("softmax"), notes)
    assert rank == 196 == GRID[0] * GRID[1] and 0 < entropy < 1
    for name in ("linear", "focused", STRANGER):
        assert untrained(find_arm(name), notes)[1] == 64, name
    assert untrained(find_arm("none"), notes) == (None, 0.0) and notes == []
    assert untrained(find_arm("linear"), notes)[0] > untrained(find_arm("focused"), notes)[0]


def test_what_cannot_be_measured_is_said():
    def average(q, k, v):
        if v.shape[-1] != q.shape[-1]:
            raise ValueError("values as wide as queries, please")
        return v.mean(2, keepdim=True).expand_as(q)

    notes: list[str] = []
    arm = Arm("mine:average", average, None)
    assert untrained(arm, notes) == (None, None)
    assert notes == ["no map of mine:average: values as wide as queries, please"]


def test_time_is_measured_at_every_size():
    times = cost(["linear", "softmax"])
    assert times.sizes == SIZES
    assert all(seconds > 0 for name in times.seconds for seconds in times.seconds[name])
    assert times.seconds["softmax"][-1] > times.seconds["softmax"][0]


def test_the_picture_has_a_dot_for_every_ability_and_arm(found):
    card = profile(found)
    rows = rows_of(found)
    dots = {line.get_gid(): line for line in card.axes[0].lines}
    for arm in found.arms:
        expected = [values[arm] for _, values in rows if arm in values]
        assert dots[arm].get_xdata().tolist() == pytest.approx(expected)
    assert dots[STRANGER].get_marker() == "D" and dots["softmax"].get_marker() == "o"
    # 960 samples, 120 a step.
    assert "after 8 steps, one seed" in " ".join(text.get_text() for text in card.texts)
    assert all(label in card.alt for label, _ in rows) and "Time at 3,136 tokens" in card.alt
    card.canvas.draw()
    width, height = card.get_size_inches() * card.dpi
    for text in card.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text


@pytest.mark.parametrize("number", [1, 4, 6])
def test_the_times_of_many_arms_stay_on_the_card(number):
    arms = tuple(f"my_module:attention_{n}" for n in range(number))
    values = {label: 0.5 for label in (ability.label for ability in ABILITIES)}
    times = Times(SIZES, {arm: (0.1, 0.2, 0.3) for arm in arms}, 3)
    some = Profile(arms, {arm: values for arm in arms}, dict.fromkeys(arms, 0.9),
                   dict.fromkeys(arms, 64.0), times, 300)  # fmt: skip
    card = profile(some)
    card.canvas.draw()
    words = [text for text in card.texts if "ms" in text.get_text()]
    assert len(words) == 3 * number
    assert min(text.get_window_extent().y0 for text in card.texts) >= 5


def test_the_command_prints_and_draws(tmp_path, capsys):
    path = tmp_path / "mine.png"
    words = f"probe {STRANGER} --beside softmax --batch-size 120 --jobs 1 --output {path}"
    assert main(words.split()) == 0
    text = capsys.readouterr().out
    assert path.read_bytes().startswith(b"\x89PNG") and f"the picture is {path}" in text
    assert re.search(r"^rank, of 196 +33 % +100 %$", text, re.MULTILINE)
    assert main(words.split()) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("probe", "probe takes either the name of an attention, or --all"),
        ("probe focussed", "unknown arm 'focussed'; did you mean 'focused'?"),
        ("probe nowhere:f", "there is no module 'nowhere'"),
        ("probe focused --beside soft", "unknown arm 'soft'; did you mean 'softmax'?"),
    ],
)
def test_a_wrong_call_gets_one_line(call, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(call.split()) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_function_is_called_by_its_own_name():
    assert short(STRANGER) == "focused_attention" and short("softmax") == "softmax"
