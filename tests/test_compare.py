"""What `compare` promises: the same for every arm, every seed kept, a stopped one goes on."""

import errno
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
import torch
from rich.console import Console

import flatten_edu as fe
from flatten_edu.__main__ import main
from flatten_edu.arms import find_arm
from flatten_edu.attention import SelfAttention, softmax_attention
from flatten_edu.commands.compare import Tables
from flatten_edu.comparison import compare, measure, plain, summarise
from flatten_edu.comparison import run as module
from flatten_edu.comparison.measure import equivalent_rank
from flatten_edu.data import Samples, load_data
from flatten_edu.plots.arms import arms as picture
from flatten_edu.plots.arms import gain
from flatten_edu.tasks import tokens

# Eight steps on recall with 16 tokens, of fewer samples than the task has.
ALL = tokens.PARTS
FEW = {"train": 960, "validation": 100, "test": 100}
FAST = {"options": {"tokens": 16}, "batch_size": 120, "device": "cpu"}
WORDS = "--option tokens=16 --batch-size 120 --device cpu --jobs 1"


@pytest.fixture(scope="module", autouse=True)
def few_samples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "PARTS", FEW)
        patch.setattr(module, "_KEPT", {})
        yield


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare") / "run"
    return compare("recall", ["softmax", "linear+dwc", "none"], 2, output=folder, **FAST)


def without_time(rows: list[dict]) -> list[dict]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_every_arm_runs_with_every_seed_in_order(rows):
    found = [(row["task"], row["arm"], row["seed"]) for row in rows]
    assert found == [("recall", arm, seed) for arm in ("softmax", "linear+dwc", "none")
                     for seed in (0, 1)]  # fmt: skip
    assert all(0.05 < row["test_accuracy"] <= 1 and row["chance"] == 1 / 8 for row in rows)


def test_what_is_measured_fits_the_arm(rows):
    by_arm = {row["arm"]: row for row in rows}
    softmax, linear, none = (by_arm[name] for name in ("softmax", "linear+dwc", "none"))
    assert {row["tokens"] for row in rows} == {16}
    assert 0 < softmax["entropy"] <= 1 and none["entropy"] is None
    assert none["rank"] == 0 and none["equivalent_rank"] is None
    assert linear["rank"] <= 16 and linear["equivalent_rank"] == pytest.approx(16, abs=0.5)
    assert none["parameters"] < softmax["parameters"] < linear["parameters"]


def test_a_stopped_comparison_goes_on_where_it_was(tmp_path, monkeypatch):
    done, original = [], module.one_run

    def dying(run):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(run)
        return original(run)

    arms = ["linear", "none"]
    whole = compare("recall", arms, 2, **FAST)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "one_run", dying)
        compare("recall", arms, 2, output=tmp_path / "run", **FAST)
    lines = (tmp_path / "run" / "results.jsonl").read_text()
    assert lines.count("\n") == 2
    (tmp_path / "run" / "results.jsonl").write_text(lines + '{"task": "recall", "ar')
    seen = []
    rows = compare("recall", arms, 2, output=tmp_path / "run",
                   report=lambda rows, runs: seen.append((len(rows), runs)), **FAST)  # fmt: skip
    assert seen == [(2, 4), (3, 4), (4, 4)]
    assert without_time(rows) == without_time(whole)
    kept = [
        json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()
    ]
    assert len(kept) == 4


def test_more_arms_and_seeds_may_be_added_and_other_settings_not(tmp_path):
    folder = tmp_path / "run"
    first = compare("recall", ["none"], 1, output=folder, **FAST)
    more = compare("recall", ["none", "dwc"], 2, output=folder, **FAST)
    assert len(more) == 4 and more[0] == first[0]
    with pytest.raises(ValueError, match=r"recall with lr=0\.003, but lr=0\.1 was asked for"):
        compare("recall", ["none"], 1, output=folder, lr=0.1, **FAST)
    other = FAST | {"options": {"tokens": 25}}
    with pytest.raises(ValueError, match="with tokens=16, but tokens=25 was asked for"):
        compare("recall", ["none"], 1, output=folder, **other)
    assert (folder / "results.jsonl").read_text().count("\n") == 4


@pytest.mark.long
def test_runs_side_by_side_give_the_same_numbers(monkeypatch):
    monkeypatch.setattr(tokens, "PARTS", ALL)  # what another process has
    monkeypatch.setattr(module, "_KEPT", {})
    one, two = (compare("recall", ["linear", "dwc"], 2, jobs=jobs, **FAST) for jobs in (1, 2))
    assert without_time(one) == without_time(two)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": "recal"}, "unknown task 'recal'; did you mean 'recall'"),
        ({"arms": ["focussed"]}, "unknown arm 'focussed'; did you mean 'focused'"),
        ({"arms": []}, "every arm must be named once"),
        ({"arms": ["none", "none"]}, "every arm must be named once"),
        ({"seeds": 0}, "seeds must be a whole number of at least 1, but is 0"),
        ({"jobs": 0}, "jobs must be a whole number of at least 1, but is 0"),
        ({"tasks": ["recall", "copy_near"]}, "options belong to one task, but there are 2"),
        ({"lr": -1.0}, "lr must be a number at least 0"),
        ({"batch_size": 10**6}, "batch_size must be at most the [0-9]+ training samples of recall"),
        ({"flip": 0.5}, "flip needs one label an image, but recall has a label for each place"),
        ({"precision": "fp16"}, "precision 'fp16' needs a GPU"),
    ],
)
def test_a_wrong_call_is_one_line_and_writes_nothing(change, message, tmp_path):
    call = {"tasks": "recall", "arms": ["none"], "seeds": 1} | FAST | change
    with pytest.raises((ValueError, TypeError), match=message):
        compare(output=tmp_path / "run", **call)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_another_comparison_is_left_as_it_is(tmp_path):
    folder = tmp_path / "run"
    compare("recall", ["none"], 1, output=folder, **FAST)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    few = {"batch_size": 120, "device": "cpu"}
    with pytest.raises(ValueError, match="holds a comparison on recall, but copy_near was asked"):
        compare("copy_near", ["none"], 1, output=folder, **few)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    rows = compare(["recall", "copy_near"], ["none"], 1, output=tmp_path / "both", **few)
    assert [row["task"] for row in rows] == ["recall", "copy_near"]


def test_every_start_is_kept_with_its_command_date_and_versions(tmp_path):
    for seeds in (1, 2, 2):
        compare("recall", ["none"], seeds, output=tmp_path / "run",
                command=f"compare --seeds {seeds}", **FAST)  # fmt: skip
    starts = json.loads((tmp_path / "run" / "comparison.json").read_text())["starts"]
    assert [start["command"] for start in starts] == ["compare --seeds 1", "compare --seeds 2"]
    assert starts[0]["date"] <= starts[1]["date"] and starts[0]["versions"]["torch"]
    assert all(start["device"] and start["python"] and start["cores"] for start in starts)


@pytest.mark.parametrize("file", ["comparison.json", "results.jsonl"])
def test_a_full_disk_is_one_line_and_loses_no_finished_run(file, tmp_path, monkeypatch, capsys):
    folder, synced = tmp_path / "run", []

    def full(descriptor):
        synced.append(descriptor)
        if len(synced) > {"comparison.json": 0, "results.jsonl": 3}[file]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    call = f"compare --task recall --arms none --seeds 2 {WORDS} --output {folder}".split()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        assert main(call) == 2
    errors = capsys.readouterr().err
    assert f"cannot write to {folder}: No space left on device" in errors
    assert errors.count("\n") == 1 and "the same command goes on" in errors
    kept = (folder / "results.jsonl").read_text() if file == "results.jsonl" else ""
    assert main(call) == 0
    assert (folder / "results.jsonl").read_text().startswith(kept)
    assert (folder / "results.jsonl").read_text().count("\n") == 2


MINE = """
from einops import reduce, repeat

def mine(q, k, v):
    return repeat(reduce(v, "b h m d -> b h d", "mean"), "b h d -> b h n d", n=q.shape[2])
"""


def test_a_function_of_ones_own_is_an_arm_with_and_without_a_branch(tmp_path, monkeypatch, capsys):
    (tmp_path / "my_attention.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    call = f"compare --task recall --seeds 1 {WORDS} --output run --arms".split()
    assert main([*call, "my_attention:mine,my_attention:mine+dwc"]) == 0
    found = {row["arm"]: row for row in module.Results("run", settings_in(Path("run"))).rows}
    assert found["my_attention:mine"]["rank"] == 1 and found["my_attention:mine"]["entropy"] == 1
    assert found["my_attention:mine+dwc"]["equivalent_rank"] > 8
    assert "my_attention:mine+dwc" in Path("run", "table.md").read_text()
    assert main([*call, "my_attention:yours"]) == 2
    assert "my_attention has no 'yours'" in capsys.readouterr().err


def settings_in(folder: Path) -> dict:
    return {"tasks": json.loads((folder / "comparison.json").read_text())["tasks"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop", "code"),
    [(signal.SIGKILL, -9), pytest.param(signal.SIGINT, 130, marks=pytest.mark.long)],
)
def test_a_command_that_is_stopped_in_the_middle_goes_on(stop, code, tmp_path):
    (tmp_path / "my_attention.py").write_text(MINE)
    words = "compare --task recall --option tokens=16 --seeds 2 --arms my_attention:mine,none"
    call = [sys.executable, "-m", "flatten_edu", *words.split(), "--jobs", "2", "--device", "cpu",
            "--output"]  # fmt: skip
    # A shell that starts the tests in the background has them ignore the key for interruption.
    given = {"env": os.environ | {"OMP_NUM_THREADS": "1"}, "cwd": tmp_path,
             "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # fmt: skip
    log = tmp_path / "run" / "results.jsonl"
    process = subprocess.Popen([*call, tmp_path / "run"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, **given)  # fmt: skip
    while not (log.exists() and log.read_text().count("\n")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    workers = children_of(process.pid)
    process.send_signal(stop)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == code and len(workers) >= 2
    if stop == signal.SIGINT:
        assert errors.count("\n") == 1 and "the same command goes on" in errors
    first = log.read_text().splitlines()[0]
    wait_until_gone(workers)
    for folder in ("run", "whole"):
        done = subprocess.run([*call, tmp_path / folder], capture_output=True, **given)
        assert done.returncode == 0, done.stderr
    assert log.read_text().splitlines()[0] == first
    one, two = (
        sorted(without_time(module.Results(folder, settings_in(folder)).rows), key=str)
        for folder in (tmp_path / "run", tmp_path / "whole")
    )
    assert one == two and len(one) == 4


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until_gone(pids: list[int], seconds: float = 30) -> None:
    """A worker of a process that was killed ends by itself."""
    end = time.monotonic() + seconds
    while alive := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < end, alive
        time.sleep(0.1)


def test_a_folder_with_other_files_is_left_as_it_is(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="already holds other files"):
        compare("recall", ["none"], 1, output=tmp_path, **FAST)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_the_equivalent_rank_is_that_of_the_sum():
    arm = find_arm("linear+permuted")
    module = arm.finish(SelfAttention(16, 2, grid=(4, 4), **arm.options())).double()
    q = torch.randn(3, 16, 16, dtype=torch.float64)
    map = fe.analysis.mixer_map(module.mixer, q, q, q, (4, 4))
    expected = [
        torch.linalg.matrix_rank(map[b, h] + matrix).item()
        for b in range(3) for h in range(2) for matrix in module.mixer.depthwise.matrix((4, 4))[:4]
    ]  # fmt: skip
    assert equivalent_rank(module.mixer, map).flatten().tolist() == expected


def test_measuring_changes_nothing():
    model = fe.create_model("deit_nano", img_size=8, patch_size=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    samples = load_data("digits").test
    found = measure(model, samples)
    assert found["tokens"] == 16 and found["equivalent_rank"] > found["rank"]
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    assert all(value.dtype == before[name].dtype for name, value in model.state_dict().items())


def test_maps_too_large_to_be_made_are_left_out():
    model = fe.create_model("deit_nano", img_size=66, patch_size=2, attention="linear")
    found = measure(model, Samples(torch.rand(1, 1, 66, 66), torch.zeros(1, dtype=torch.long)))
    assert found.pop("tokens") == 1089 and set(found.values()) == {None}


def test_segments_are_scored_by_mean_iou_and_others_are_not(rows):
    few = {"parts": {"train": 16, "validation": 4, "test": 4}}
    (row,) = compare("textures", ["none"], 1, options=few, epochs=1, device="cpu")
    assert 0 < row["mean_iou"] < row["test_accuracy"]
    assert all(row["mean_iou"] is None for row in rows)


def test_a_model_with_a_class_token_is_measured_too():
    model = fe.create_model("deit_nano", class_token=True, attention=softmax_attention)
    found = measure(model, Samples(torch.rand(4, 1, 28, 28), torch.zeros(4, dtype=torch.long)))
    assert found["tokens"] == 50 and found["equivalent_rank"] is None


ROWS = [
    {"task": "textures", "arm": arm, "seed": seed, "test_accuracy": value + 0.01 * seed,
     "mean_iou": value - 0.1, "chance": 0.35, "seconds": 2.0, "parameters": 1234,
     "entropy": None, "rank": 16.0, "equivalent_rank": None}
    for arm, value in (("linear", 0.70), ("linear+dwc", 0.82), ("linear+permuted", 0.70))
    for seed in range(3)
]  # fmt: skip


def test_the_table_gives_means_and_spreads():
    lines = summarise(ROWS, "textures", ["linear", "linear+dwc", "softmax"])
    assert lines[0] == ["linear", "71.0 ± 1.0 %", "60.0 ± 0.0 %", "3", "2", "1,234", "-", "16", "-"]
    assert lines[2] == ["softmax", *[""] * 8]
    assert plain(lines).splitlines()[0].split()[-3:] == ["seconds", "parameters", "rank"]
    assert len({len(line) for line in plain(lines[:2]).splitlines()}) == 1


def test_the_live_table_holds_what_is_finished_and_names_what_is_to_come():
    live = Tables(["textures"], ["linear", "linear+dwc", "softmax"], Path("runs"))
    console = Console(file=io.StringIO(), width=120)
    console.print(live.tables(ROWS[:4], 9))
    text = console.file.getvalue()
    assert "textures, 4 of 9 runs" in text and "M_eq" not in text
    lines = {line.split()[0]: line.split() for line in text.splitlines()[2:] if line.strip()}
    assert lines["linear"][1:4] == ["71.0", "±", "1.0"]
    assert lines["linear+dwc"][1:4] == ["82.0", "%", "72.0"] and lines["softmax"] == ["softmax"]


def test_a_terminal_gets_the_live_table(monkeypatch, tmp_path):
    written = io.StringIO()
    written.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", written)
    call = f"compare --task recall --arms none --seeds 2 {WORDS} --output {tmp_path}/run"
    assert main(call.split()) == 0
    assert "recall, 1 of 2 runs" in written.getvalue()
    assert "recall, 2 of 2 runs" in written.getvalue()


def test_the_picture_has_a_dot_for_every_seed():
    card = picture(ROWS, {"textures": "which one am I in?"})
    dots = {line.get_gid(): line for axes in card.axes for line in axes.lines if line.get_gid()}
    for arm in ("linear", "linear+dwc", "linear+permuted"):
        expected = [100 * row["test_accuracy"] for row in ROWS if row["arm"] == arm]
        assert dots[arm].get_xdata().tolist() == pytest.approx(expected)
    assert dots["chance"].get_xdata()[0] == pytest.approx(35)
    texts = [text.get_text() for axes in card.axes for text in axes.texts]
    assert texts == ["+12", "0"]
    assert "linear 71.0, linear+dwc 83.0, linear+permuted 71.0" in card.alt


def test_the_title_says_what_the_numbers_support():
    def title(rows):
        return picture(rows).texts[0].get_text()

    assert title(ROWS) == "On this task neighbours help, restored rank does not"
    more = [row | {"task": "recall"} for row in ROWS]
    assert title(ROWS + more) == "On these tasks neighbours help, restored rank does not"
    small = [row | {"test_accuracy": 0.7 + 0.001 * row["seed"]} for row in ROWS]
    assert title(small).startswith("The branch adds less than 5 points here")
    both = [row | {"test_accuracy": 0.9} if "+" in row["arm"] else row for row in ROWS]
    assert title(both) == "The same recipe, seeds and data for every arm"


def test_a_gain_is_clear_only_where_no_two_seeds_overlap():
    values = {"a": [10.0, 20.0], "b": [19.0, 40.0], "c": [21.0, 22.0]}
    assert gain(values, "b", "a") == (14.5, False)
    assert gain(values, "c", "a") == (6.5, True)


@pytest.mark.parametrize("tasks", [1, 2, 4])
def test_nothing_is_written_beyond_the_card(tasks):
    rows = [row | {"task": f"task_{number}"} for row in ROWS for number in range(tasks)]
    card = picture(rows, {f"task_{number}": "what is 4 down, 4 right?" for number in range(tasks)})
    card.canvas.draw()
    width, height = card.get_size_inches() * card.dpi
    for text in [*card.texts, *(text for axes in card.axes for text in axes.texts)]:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text


def test_the_command_leaves_a_table_and_a_picture(capsys, tmp_path):
    call = f"compare --task recall --arms linear,dwc --seeds 1 {WORDS} --output {tmp_path}/run"
    assert main(call.split()) == 0
    text = capsys.readouterr().out
    names = {"comparison.json", "results.jsonl", "table.md", "arms.png"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == names
    assert "run 1/2  recall  linear  seed 0" in text and "run 2/2  recall  dwc" in text
    rows = [
        json.loads(line) for line in (tmp_path / "run" / "results.jsonl").read_text().splitlines()
    ]
    for row in rows:
        mean = statistics.mean([100 * row["test_accuracy"]])
        assert f"| {row['arm']} | {mean:.1f} %" in (tmp_path / "run" / "table.md").read_text()
    assert main(call.split()) == 0
    assert "2 runs are there already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("compare --task recall --arms mine:short --jobs 2", "short must return b h n d = (1, 4,"),
        ("compare --task recall --batch-size 1000000", "batch_size must be at most the"),
        ("compare", "the following arguments are required: --task"),
        ("compare --task recal", "unknown task 'recal'; did you mean 'recall'?"),
        ("compare --task recall --arms focussed", "unknown arm 'focussed'"),
        ("compare --task recall --arm none", "unknown argument --arm; did you mean --arms?"),
        ("compare --task recall --option token=16", "has no option 'token'; did you mean 'tokens'"),
    ],
)
def test_a_wrong_command_gets_one_line(call, message, capsys, tmp_path, monkeypatch):
    mine = ModuleType("mine")
    mine.short = lambda q, k, v: v[:, :, 1:]
    mine.short.__name__ = "short"
    monkeypatch.setitem(sys.modules, "mine", mine)
    monkeypatch.chdir(tmp_path)
    assert main(call.split()) == 2
    errors = capsys.readouterr().err
    assert message in errors and errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arm", ["xca", "xca+dwc"])
def test_an_arm_without_a_map_is_measured_all_the_same(arm):
    (row,) = compare("recall", [arm], 1, **FAST)
    assert row["tokens"] == 16 and row["test_accuracy"] > 0.05
    for name in ("entropy", "rank", "effective_rank", "equivalent_rank"):
        assert row[name] is None, name
    assert summarise([row], "recall", [arm])[0][-3:] == ["-", "-", "-"]
