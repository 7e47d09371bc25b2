"""Folders of runs, comparisons and surveys with damaged files get one line, and stay as they are.

What was found by these tests is listed in docs/found.md.
"""

import io
import json
import random

import pytest
import torch
from safetensors.torch import load, save_file
from strange import damaged, damaged_json, judge, twisted

from flatten_edu.__main__ import main
from flatten_edu.comparison import compare
from flatten_edu.comparison.payoff import payoff
from flatten_edu.comparison.results import Results
from flatten_edu.comparison.run import settings_of
from flatten_edu.comparison.survey import read_survey
from flatten_edu.comparison.table import HEADS, summarise
from flatten_edu.training import load_trained, train

TINY = {"patch_size": 4, "depth": 1, "width": 12, "heads": 1, "batch_size": 600, "epochs": 2}
WORDS = ("--model deit_nano --data digits --device cpu --option patch_size=4 --option depth=1 "
         "--option width=12 --option heads=1 --batch-size 600 --epochs 2")  # fmt: skip


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fill(folder, files) -> None:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that stands between two steps of its second epoch."""
    folder, left = tmp_path_factory.mktemp("runs") / "run", iter([False, False, True])
    train("deit_nano", "digits", output=folder, device="cpu", stop=lambda: next(left), **TINY)
    return contents(folder)


def strange_state(content: bytes, source: random.Random) -> bytes:
    """A file that torch reads and that says something else."""
    if source.randrange(4) == 0:
        return damaged(content, source)
    state = torch.load(io.BytesIO(content), weights_only=True)
    state["rows"] = json.loads(state["rows"])
    name = source.choice([*state, "rows", "epoch", "step", "seconds", "loss"])
    if name in ("model", "optimizer") and source.randrange(2):
        part = state[name] if name == "model" else state[name]["state"]
        key = source.choice(list(part))
        part[key] = source.choice([torch.zeros(3), torch.zeros(0), None, 7, "x", {}])
    elif name != "model":
        state[name] = source.choice([-1, 1, 2, 3, 10**6, twisted(state[name], source)])
    state["rows"] = json.dumps(state["rows"])
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def go_on(folder, capsys, about) -> bool:
    """Whether the run went on; if not, it said why in a line and left everything as it was."""
    before = contents(folder)
    code = main(["train", "--resume", "--output", str(folder), *WORDS.split()])
    told = capsys.readouterr()
    if code == 0:
        return True
    assert code == 2 and told.err.count("\n") == 1 and len(told.err) < 2000, (about, told.err)
    assert contents(folder) == before, about
    return False


def resume_damaged(files, folder, capsys, count) -> int:
    went_on = 0
    for number in range(count):
        source = random.Random(number)
        if number % 3:
            changed = {"state.pt": strange_state(files["state.pt"], source)}
        else:
            changed = {"run.json": damaged_json(json.loads(files["run.json"]), source)}
        fill(folder, files | changed)
        try:
            went_on += go_on(folder, capsys, number)
        except Exception as error:
            raise AssertionError(f"damage {number}: {error!r}") from error
    return went_on


def test_a_run_with_a_damaged_file_goes_on_or_says_why(stopped, tmp_path, capsys):
    assert 1 < resume_damaged(stopped, tmp_path / "run", capsys, 18) < 17


@pytest.mark.long
def test_300_runs_with_damaged_files_go_on_or_say_why(stopped, tmp_path, capsys):
    assert 20 < resume_damaged(stopped, tmp_path / "run", capsys, 300) < 280


@pytest.mark.parametrize("place", [{"step": 10**6}, {"step": -1}, {"epoch": 10**6}, {"epoch": 0}])
def test_a_run_that_stands_nowhere_does_not_go_on_for_ever(place, stopped, tmp_path, capsys):
    """Beyond the last step of an epoch it once wrote its state again and again, without end."""
    state = torch.load(io.BytesIO(stopped["state.pt"]), weights_only=True) | place
    fill(tmp_path / "run", stopped)
    torch.save(state, tmp_path / "run" / "state.pt")
    assert not go_on(tmp_path / "run", capsys, place)


def test_moments_of_other_shapes_are_told_before_a_step_is_made(stopped, tmp_path, capsys):
    state = torch.load(io.BytesIO(stopped["state.pt"]), weights_only=True)
    state["optimizer"]["state"][0]["exp_avg"] = torch.zeros(3)
    fill(tmp_path / "run", stopped)
    torch.save(state, tmp_path / "run" / "state.pt")
    assert not go_on(tmp_path / "run", capsys, "moments")


def test_what_a_file_says_of_the_recipe_does_not_count(stopped, tmp_path, capsys):
    """A list in the place of AdamW's eps once ended inside torch."""
    state = torch.load(io.BytesIO(stopped["state.pt"]), weights_only=True)
    state["optimizer"]["param_groups"][0] |= {"eps": [1.0], "weight_decay": 1e6}
    ends = []
    for name, changed in (("as it was", {}), ("changed", {"state.pt": state})):
        fill(tmp_path / name, stopped)
        if changed:
            torch.save(state, tmp_path / name / "state.pt")
        assert go_on(tmp_path / name, capsys, name)
        ends.append(contents(tmp_path / name)["last.safetensors"])
    assert load(ends[0]).keys() == load(ends[1]).keys()
    assert all(torch.equal(load(ends[0])[key], load(ends[1])[key]) for key in load(ends[0]))


@pytest.mark.filterwarnings("ignore:Using a non-tuple")
def test_a_tensor_in_the_place_of_all_moments_is_told(stopped, tmp_path, capsys):
    """It once ended in an IndexError of torch."""
    state = torch.load(io.BytesIO(stopped["state.pt"]), weights_only=True)
    state["optimizer"]["state"][0] = torch.zeros(3)
    fill(tmp_path / "run", stopped)
    torch.save(state, tmp_path / "run" / "state.pt")
    assert not go_on(tmp_path / "run", capsys, "moments")


def test_a_state_that_is_refused_leaves_the_metrics_as_they_were(stopped, tmp_path, capsys):
    state = torch.load(io.BytesIO(stopped["state.pt"]), weights_only=True)
    rows = json.loads(state["rows"])
    rows[0]["train_loss"] += 1
    fill(tmp_path / "run", stopped)
    torch.save(state | {"rows": json.dumps(rows), "step": 10**6}, tmp_path / "run" / "state.pt")
    assert not go_on(tmp_path / "run", capsys, "rows")


def describe_damaged(files, folder, count) -> int:
    """Weights whose description of themselves is damaged."""
    path, whole = folder / "odd.safetensors", folder / "whole.safetensors"
    whole.write_bytes(files["last.safetensors"])
    model, about = load_trained(whole)
    good = 0
    for number in range(count):
        said = damaged_json(about, random.Random(number)).decode(errors="replace")
        save_file(model.state_dict(), path, metadata={"flatten_edu": said})
        names = ("odd", "model", "option", "options", "arm", "attention", "weights", "unknown")
        try:
            good += judge(lambda: load_trained(path), names) is not None
        except AssertionError as error:
            raise AssertionError(f"damage {number}: {error}") from error
    return good


def test_weights_that_describe_themselves_wrongly_are_told(stopped, tmp_path):
    assert 5 < describe_damaged(stopped, tmp_path, 60) < 55


@pytest.mark.long
def test_2000_descriptions_of_weights_are_read_or_told(stopped, tmp_path):
    assert 100 < describe_damaged(stopped, tmp_path, 2000) < 1900


def evaluate_damaged(files, folder, capsys, count) -> int:
    path, whole = folder / "odd.safetensors", folder / "whole.safetensors"
    whole.write_bytes(files["last.safetensors"])
    model, about = load_trained(whole)
    good = 0
    for number in range(count):
        said = json.dumps(twisted(about, random.Random(number)))
        save_file(model.state_dict(), path, metadata={"flatten_edu": said})
        call = ["evaluate", str(path), "--device", "cpu", "--picture", str(folder / "a.png")]
        try:
            code = main(call)
        except Exception as error:
            raise AssertionError(f"damage {number}: {error!r}") from error
        told = capsys.readouterr()
        assert code in (0, 2) and told.err.count("\n") == (code == 2), (number, told.err)
        good += code == 0
    return good


@pytest.mark.long
def test_200_weights_that_describe_themselves_wrongly_are_evaluated_or_told(
    stopped, tmp_path, capsys
):
    assert 20 < evaluate_damaged(stopped, tmp_path, capsys, 200) < 180


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparisons") / "one"
    settings = (("batch_size", 1200), ("epochs", 1))
    results = Results(folder, {"tasks": settings_of(["copy_near"], (), settings)})
    results.begin({"command": "flatten-edu compare", "date": "2026-11-25"})
    numbers = {"validation_accuracy": 0.3, "train_loss": 2.0, "seconds": 1.5, "mean_iou": None,
               "parameters": 700, "chance": 0.1, "tokens": 49, "entropy": 0.9, "rank": 40.0,
               "effective_rank": 30.0, "equivalent_rank": None}  # fmt: skip
    for arm in ("none", "dwc"):
        row = {"task": "copy_near", "arm": arm, "seed": 0, "test_accuracy": 0.25}
        results.add(row | numbers)
    return contents(folder)


def ask(folder):
    return compare("copy_near", ["none", "dwc"], seeds=1, output=folder, batch_size=1200, epochs=1)


def damage_results(files, source):
    if source.randrange(2):
        about = json.loads(files["comparison.json"])
        return files | {"comparison.json": damaged_json(about, source)}
    rows = files["results.jsonl"].splitlines()
    place = source.randrange(len(rows))
    rows[place] = damaged_json(json.loads(rows[place]), source)
    return files | {"results.jsonl": b"\n".join(rows) + b"\n"}


def compare_damaged(files, folder, count, read, monkeypatch) -> int:
    # What is missing would be computed again, which is tested elsewhere.
    monkeypatch.setattr("flatten_edu.comparison.run.in_order", lambda due: iter(()))
    good = 0
    for number in range(count):
        fill(folder, damage_results(files, random.Random(number)))
        before = contents(folder)
        names = ("comparison", "results", "output", "copy_near", "survey")
        try:
            found = judge(lambda: read(folder), names)
        except AssertionError as error:
            raise AssertionError(f"damage {number}: {error}") from error
        assert found is not None or contents(folder) == before
        good += found is not None
    return good


def table(folder):
    rows = ask(folder)
    cells = summarise(rows, "copy_near", ["none", "dwc"])
    assert all(len(line) == len(HEADS) for line in cells)
    return cells


def test_a_comparison_with_damaged_files_goes_on_or_says_why(compared, tmp_path, monkeypatch):
    assert 10 < compare_damaged(compared, tmp_path / "one", 200, table, monkeypatch) < 190


@pytest.mark.long
def test_2000_comparisons_with_damaged_files_go_on_or_say_why(compared, tmp_path, monkeypatch):
    assert 100 < compare_damaged(compared, tmp_path / "one", 2000, table, monkeypatch) < 1900


NUMBERS = {"size": 64, "tokens": 256, "batch": 16, "step_seconds": 0.1, "memory": 1.0, "steps": 2,
           "test_accuracy": 0.5, "mean_iou": 0.2, "chance": 0.1}  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [{"batch": "x"}, {"step_seconds": None}, {"size": [64]}, {"task": 3}]
)
def test_a_payoff_with_a_damaged_row_says_so(wrong, tmp_path):
    from flatten_edu.comparison.payoff import about, name_of

    row = {"task": name_of(64), "arm": "focused", "seed": 0} | NUMBERS
    said = {"tasks": {name_of(64): about(64, 9.0)}}
    fill(tmp_path / "p", {"comparison.json": json.dumps(said).encode(),
                          "results.jsonl": json.dumps(row).encode() + b"\n"})  # fmt: skip
    assert payoff([64], ["focused"], 1, seconds=9.0, output=tmp_path / "p") == [row]
    (tmp_path / "p" / "results.jsonl").write_text(json.dumps(row | wrong) + "\n")
    with pytest.raises(ValueError, match=f"results.jsonl, line 1 .*no right {next(iter(wrong))}"):
        payoff([64], ["focused"], 1, seconds=9.0, output=tmp_path / "p")


SURVEY = {
    "arms": ["softmax", "linear"],
    "entropy": {"softmax": 0.9, "linear": None},
    "rank": {"softmax": 30.0, "linear": None},
    "times": {
        "sizes": [49, 196],
        "seconds": {"softmax": [0.1, 0.2], "linear": [0.1, 0.3]},
        "rounds": 3,
        "what": "a pass",
        "where": "one thread",
    },
    "memory": {"softmax": [0.1, 0.2], "linear": [0.1, 0.3]},
    "notes": ["a note"],
}


def survey_damaged(compared, folder, count) -> int:
    good = 0
    for number in range(count):
        fill(folder, compared | {"survey.json": damaged_json(SURVEY, random.Random(number))})
        try:
            good += judge(lambda: read_survey(folder), ("survey",)) is not None
        except AssertionError as error:
            raise AssertionError(f"damage {number}: {error}") from error
    return good


def test_a_damaged_survey_is_read_or_told(compared, tmp_path):
    assert 20 < survey_damaged(compared, tmp_path / "one", 200) < 180


@pytest.mark.long
def test_2000_damaged_surveys_are_read_or_told(compared, tmp_path):
    assert 200 < survey_damaged(compared, tmp_path / "one", 2000) < 1800
