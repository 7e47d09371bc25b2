"""Every mechanism of the gallery by its name in `compare`, `probe`, `bench` and `explore`."""

import pytest

import flatten_edu as fe
from flatten_edu.arms import find_arm
from flatten_edu.bench import Settings
from flatten_edu.bench.measure import forward_calls, training_calls
from flatten_edu.comparison import compare
from flatten_edu.comparison.probe import cost, untrained
from flatten_edu.gallery import CARDS, shown
from flatten_edu.plots.gallery import query_norm
from flatten_edu.tasks import tokens

GALLERY = [name for name in CARDS if name not in ("softmax", "linear", "focused")]


def test_compare(monkeypatch):
    monkeypatch.setattr(tokens, "PARTS", {"train": 32, "validation": 4, "test": 4})
    rows = compare("copy_far", GALLERY, 1, options={"side": 6}, device="cpu")
    assert [row["arm"] for row in rows] == GALLERY
    for row in rows:
        assert row["tokens"] == 36 and 0 <= row["test_accuracy"] <= 1
        assert (row["rank"] is None) == (row["arm"] == "xca")


@pytest.mark.parametrize("name", GALLERY)
def test_probe_says_rank_or_why_there_is_none(name):
    notes: list[str] = []
    _, rank = untrained(find_arm(name), notes)
    if name == "xca":
        assert rank is None and notes[0].startswith("no map of xca: xca has no map of tokens")
        assert "\n" not in notes[0]
    else:
        assert 49 <= rank <= 196 and notes == []


def test_probe_measures_the_cost_of_every_one():
    times = cost(GALLERY, [16])
    assert list(times.seconds) == GALLERY and min(times.seconds.values()) > (0,)


def test_bench():
    settings = Settings(width=16, batch=1, attention=tuple(GALLERY))
    for calls in (forward_calls(settings, 16), training_calls(settings, 16)):
        assert list(calls)[-len(GALLERY) :] == GALLERY
        for name in GALLERY:
            calls[name]()


def test_explore():
    explorer = fe.explore(query_norm, mechanism=shown())
    assert explorer.values == {"mechanism": "softmax"}
    assert set(shown()) == {*CARDS} - {"xca"}
