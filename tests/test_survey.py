"""What `probe --all` promises: every name, every probe, kept, and gone on with."""

import json

import pytest

import flatten_edu as fe
from flatten_edu.__main__ import main
from flatten_edu.comparison import survey as module
from flatten_edu.comparison.survey import LABELS, memory, read_survey, run_survey, with_arm
from flatten_edu.plots.abilities import abilities
from flatten_edu.tasks import tokens

pytestmark = pytest.mark.slow

ARMS = ["softmax", "linear", "inline", "xca"]


@pytest.fixture(autouse=True, scope="module")
def small():
    """Two steps a run, two small sizes: what is tested here is not what they learn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "PARTS", {"train": 64, "validation": 8, "test": 16})
        patch.setattr(module, "SIZES", (16, 256))
        patch.setattr(module, "NAMES", ARMS)
        cost, used = module.cost, module.memory
        patch.setattr(module, "cost", lambda arms, **how: cost(arms, (16, 256), **how))
        patch.setattr(module, "memory", lambda arms: used(arms, (16, 256)))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("survey") / "all"


@pytest.fixture(scope="module")
def found(folder):
    return run_survey(folder, seeds=2, command="flatten-edu probe --all")


def test_every_mechanism_goes_through_every_probe(found):
    assert found.arms == tuple(ARMS)
    for arm in ARMS:
        for label in LABELS:
            values = found.values(arm, label)
            assert len(values) == 2 and all(0 <= value <= 1 for value in values)
            assert found.mean(arm, label) == pytest.approx(sum(values) / 2)
    assert found.rank == {"softmax": 196, "linear": 64, "inline": 65, "xca": None}
    assert found.entropy["inline"] is None and found.entropy["linear"] > found.entropy["softmax"]
    assert found.values("xca", LABELS[1], "rank") == []
    assert found.notes == [
        "no map of xca: xca has no map of tokens: it mixes channels; look at gallery.channel_map"
    ]


def test_times_and_memory_stand_beside_it(found):
    assert found.times.sizes == (16, 256) and "processor time" in found.times.where
    for arm in ARMS:
        assert all(seconds > 0 for seconds in found.times.seconds[arm])
        assert 0 < found.memory[arm][0] < found.memory[arm][1]


def test_what_is_kept_says_how_it_was_made(found, folder):
    assert read_survey(folder) == found
    (start,) = found.starts
    assert start["command"] == "flatten-edu probe --all" and start["versions"]["torch"]
    kept = json.loads((folder / "comparison.json").read_text())
    assert list(kept["tasks"]) == list(LABELS) and kept["tasks"][LABELS[0]]["recipe"]["lr"] == 3e-3


def test_a_stopped_survey_goes_on(found, folder, monkeypatch):
    runs = []
    monkeypatch.setattr(module, "in_order", lambda due: runs.extend(due) or [])
    lines = (folder / "results.jsonl").read_text().splitlines()
    (folder / "results.jsonl").write_text("\n".join(lines[:-3]) + "\n")
    run_survey(folder, seeds=2)
    assert [(run.task, run.arm, run.seed) for run in runs] == [
        ("copy_wrapped", arm, 1) for arm in ("linear", "inline", "xca")
    ]
    (folder / "results.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match="choose another folder"):
        run_survey(folder, seeds=2, epochs=2)


def test_a_folder_without_a_survey_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must hold a finished survey.*probe --all makes one"):
        read_survey(tmp_path)


def test_one_more_mechanism_stands_beside_the_others(found):
    name = fe.gallery.add(lambda q, k, v: v.mean(2, True).expand(-1, -1, q.shape[2], -1), "mean")
    try:
        more = with_arm(found, name)
        assert more.arms == (*ARMS, "mean") and len(more.values("mean", LABELS[0])) == 1
        assert more.rank["mean"] == 1 and more.memory["mean"][1] > 0
        assert with_arm(more, name).arms == more.arms and len(found.arms) == 4
        assert "mean" in abilities(more).alt
    finally:
        fe.gallery.remove(name)


def test_memory_of_a_map_grows_with_its_square():
    small, large = memory(["linear_angular"], [49, 196])["linear_angular"]
    assert large == pytest.approx(4 * small, rel=0.2)


def test_the_picture_has_a_field_for_every_mechanism_and_probe(found):
    card = abilities(found)
    fields = [text for text in card.texts if text.get_gid() == "field"]
    assert len(fields) == len(ARMS) * len(LABELS)
    order = sorted(ARMS, key=lambda arm: -sum(found.mean(arm, label) for label in LABELS))
    first = [f"{100 * found.mean(order[0], label):.0f}" for label in LABELS]
    assert [text.get_text() for text in fields[:5]] == first
    assert all(arm in card.alt for arm in ARMS) and card.get_size_inches()[0] == 8


def test_the_command_writes_table_and_picture(tmp_path, capsys):
    folder = tmp_path / "all"
    words = f"probe --all --seeds 1 --jobs 1 --output {folder}"
    assert main(words.split()) == 0
    text = capsys.readouterr().out
    assert (folder / "survey.png").read_bytes().startswith(b"\x89PNG")
    table = (folder / "table.md").read_text()
    assert table in text and "| softmax |" in table and "flatten-edu probe --all" not in table
    assert table.count("\n| ") == len(ARMS) and f"everything is in {folder}" in text


@pytest.mark.parametrize("call", ["probe", "probe softmax --all"])
def test_a_name_or_all_of_them(call, capsys):
    assert main(call.split()) == 2
    errors = capsys.readouterr().err
    assert "either the name of an attention, or --all" in errors and errors.count("\n") == 1
