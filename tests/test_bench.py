"""Measurements of cost: rivals that are what they say, figures that follow from rows, files."""

import importlib
import json
import os
import platform
import subprocess
import sys

import pytest
import torch

from flatten_edu.__main__ import main
from flatten_edu.attention import SelfAttention, linear_attention
from flatten_edu.bench import Result, Row, Settings, machine, measure, tables, to_markdown
from flatten_edu.bench.machine import peak_memory, product_rate
from flatten_edu.bench.rivals import PlainLinear, Straightforward

module = importlib.import_module("flatten_edu.bench.measure")

FEW = {
    "width": 16,
    "batch": 1,
    "tokens": (4, 784, 1600),
    "training": (9,),
    "compiled": (),
    "models": ("deit_nano",),
    "images": (28,),
    "rounds": 2,
    "seconds": 0,
}


@pytest.fixture(autouse=True, scope="module")
def small_products():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(machine._SIDES, "cpu", (128,))
        yield


def test_the_straightforward_form_is_the_layer():
    torch.manual_seed(0)
    ours = SelfAttention(16, 2, grid=(5, 5)).double()
    plain = Straightforward(16, 2, 5).double()
    mixer = ours.mixer
    for parameter in ours.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        plain.qkv.weight.copy_(torch.cat([ours.q.weight, ours.kv.weight]))
        plain.qkv.bias.copy_(torch.cat([ours.q.bias, ours.kv.bias]))
        plain.scale.copy_(mixer.mechanism.scale)
        plain.positions.copy_(mixer.mechanism.positional_encoding)
    plain.proj.load_state_dict(ours.proj.state_dict())
    plain.dwc.load_state_dict(mixer.depthwise.state_dict())
    x = torch.randn(2, 5, 5, 16, dtype=torch.float64)
    torch.testing.assert_close(plain(x), ours(x), rtol=0, atol=1e-10)


def test_plain_linear_is_linear_attention():
    torch.manual_seed(0)
    rival = PlainLinear(16, 2).double()
    x = torch.randn(2, 3, 4, 16, dtype=torch.float64)
    tokens = x.flatten(1, 2)
    q, k, v = (
        t.unflatten(-1, (2, 8)).transpose(1, 2)
        for t in (rival.q(tokens), *rival.kv(tokens).chunk(2, -1))
    )
    mixed = linear_attention(q, k, v).transpose(1, 2).flatten(2)
    expected = rival.proj(mixed).unflatten(1, (3, 4))
    torch.testing.assert_close(rival(x), expected, rtol=0, atol=1e-12)


def test_memory_is_that_of_the_worst_moment():
    def call():
        first = torch.zeros(1000, 250)
        second = first + 1
        del first
        return second * 2

    assert peak_memory(call, "cpu") == pytest.approx(2_000_000, rel=1e-3)
    assert peak_memory(lambda: None, "cpu") == 0


def test_the_rate_of_products_is_a_rate():
    settings = Settings(**FEW)
    assert 1e8 < product_rate(settings) < 1e15


@pytest.fixture(scope="module")
def result():
    return measure(Settings(**FEW), "flatten-edu bench")


def test_every_form_is_measured_at_every_size(result):
    found = {}
    for row in result.rows:
        found.setdefault((row.work, row.size), []).append(row.form)
    layer = ["softmax", "plain linear", "straightforward", "readable", "focused"]
    assert found == {
        ("training", 9): ["softmax", "straightforward", "readable"],
        ("forward", 4): layer,
        ("forward", 784): layer,
        ("forward", 1600): layer,
        ("deit_nano", 28): ["softmax", "focused"],
    }
    for row in result.rows:
        assert 0 < row.low <= row.ms <= row.high and row.rounds == 2 and row.units > 0
        assert row.images == pytest.approx(1000 / row.ms, rel=1e-2)
        assert row.form not in row.over and min(row.over.values()) > 0


def test_the_peak_is_measured_beside_every_size(result):
    assert result.peaks.keys() == {4, 784, 1600}
    assert all(1e8 < peak < 1e15 for peak in result.peaks.values())


def test_training_takes_less_memory_than_the_straightforward_form(result):
    settings = Settings(
        **(FEW | {"width": 128, "batch": 2, "tokens": (), "models": (), "training": (784,)})
    )
    rows = {row.form: row.units for row in measure(settings).rows}
    assert rows["readable"] <= 15 < rows["straightforward"]


def test_forward_takes_less_memory_than_the_readable_form(result):
    rows = {row.form: row.units for row in result.rows if row.size == 1600}
    assert rows["focused"] < rows["readable"] and rows["focused"] <= 6.5


def made(ms):
    """A result with these milliseconds: form -> number of tokens -> milliseconds."""
    rows = [
        Row("forward", form, n, value, value, value, 3, 1000 / value, 1.0, 2.0,
            {other: value / theirs[n] for other, theirs in ms.items() if other != form})
        for form, values in ms.items()
        for n, value in values.items()
    ]  # fmt: skip
    settings = {"device": "cpu", "threads": 1, "heads": 2, "width": 128, "batch": 2}
    settings |= {"tokens": [*ms["focused"]], "training": [], "compiled": []}
    about = {"device": "a processor", "cores": 2, "torch": "2", "clock": "wall clock"}
    about |= {"allocator": "system's"}
    return Result(
        "flatten-edu bench", about, settings | {"dtype": "float32", "rounds": 3}, 1e9, rows
    )


def test_figures_follow_from_the_rows():
    sizes = (196, 784, 3136)
    result = made(
        {
            "softmax": {n: n * n / 784 for n in sizes},
            "plain linear": {n: n / 2 for n in sizes},
            "straightforward": {n: 2 * n for n in sizes},
            "focused": {n: float(n) for n in sizes},
        }
    )
    growth = result.growth()
    assert growth["slope of softmax, N = 784 to 3,136"] == pytest.approx(2)
    assert growth["slope of focused, N = 784 to 3,136"] == pytest.approx(1)
    assert growth["focused is faster than softmax from N"] == 784
    assert result.ratio("forward", "focused", "plain linear") == dict.fromkeys(sizes, 2)
    assert result.ratio("forward", "straightforward", "focused") == dict.fromkeys(sizes, 2)
    # 2 images, 8 * 128 * 128 + 4 * 128 * 64 operations a token, a token a millisecond.
    assert result.share()[784] == pytest.approx(2 * (8 * 128**2 + 4 * 128 * 64) * 1000 / 1e9)
    # The machine was twice as fast by then.
    result.peaks[784] = 2e9
    assert result.share()[784] == pytest.approx(result.share()[3136] / 2)


def test_tables_and_page_say_what_the_rows_say(result):
    titles = [table.title for table in tables(result)]
    assert titles[0] == "Forward: milliseconds" and titles[-1] == "Growth"
    for table in tables(result):
        assert all(len(row) == len(table.heads) for row in table.rows), table.title
    page = to_markdown(result)
    focused = result.of("forward", "focused")[1600]
    assert f"{focused.units:.1f} |" in page and "| deit_nano | 28 |" in page


def test_the_command_writes_numbers_a_page_and_a_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "bench --quick --tokens 784 900 --training 4 --width 16 --rounds 2 --seconds 0"
    assert main([*words.split(), "--output", "results/mine"]) == 0
    assert "written: results/mine.json" in capsys.readouterr().out
    found = json.loads((tmp_path / "results/mine.json").read_text())
    assert found["settings"]["tokens"] == [784, 900] and found["settings"]["rounds"] == 2
    assert {row["form"] for row in found["rows"]} >= {"softmax", "focused", "readable"}
    assert found["share_of_peak"].keys() == {"784", "900"}
    assert str(tmp_path) not in json.dumps(found)
    assert (tmp_path / "results/mine.png").read_bytes().startswith(b"\x89PNG")
    assert "## Forward: milliseconds" in (tmp_path / "results/mine.md").read_text()


def test_a_stopped_one_keeps_what_it_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "bench --quick --tokens 4 9 16 --training --width 16 --rounds 2 --seconds 0"
    output, original, measured = ["--output", "mine"], module.forward_calls, []

    def stopping(settings, tokens):
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(tokens)
        return original(settings, tokens)

    monkeypatch.setattr(module, "forward_calls", stopping)
    assert main([*words.split(), *output]) == 130
    assert "flatten-edu: stopped; what was measured is written" in capsys.readouterr().err
    found = json.loads((tmp_path / "mine.json").read_text())
    assert found["stopped"] and {row["size"] for row in found["rows"]} == {4, 9}
    assert "stopped before its end" in (tmp_path / "mine.md").read_text()
    (tmp_path / "mine.json").unlink()
    assert main([*words.split(), *output]) == 130
    assert not (tmp_path / "mine.json").exists()


def test_compiled_forms_make_the_picture_where_every_size_has_them():
    sizes = (196, 784, 3136)
    forms = ("softmax", "plain linear", "straightforward", "focused")
    result = made({form: dict.fromkeys(sizes, 4.0) for form in forms})
    assert result.times().seconds["softmax"] == (0.004,) * 3
    names = {"compiled softmax": 3.0, "compiled linear": 1.0, "compiled": 2.0}
    result.rows += [
        Row("compiled", form, n, ms, ms, ms, 3, 1.0, 1.0, 1.0, {})
        for form, ms in names.items()
        for n in sizes[:2]
    ]
    assert result.times().seconds["focused"] == (0.004,) * 3
    result.rows += [
        Row("compiled", form, sizes[2], ms, ms, ms, 3, 1.0, 1.0, 1.0, {})
        for form, ms in names.items()
    ]
    times = result.times()
    assert times.seconds == {
        "softmax": (0.003,) * 3,
        "linear": (0.001,) * 3,
        "focused": (0.002,) * 3,
    }
    assert times.what.startswith("Forward, one layer, compiled")


@pytest.mark.long
def test_networks_are_measured_with_compiled_blocks():
    result = measure(
        Settings(**(FEW | {"tokens": (), "training": ()}), compile_models=("deit_nano",))
    )
    forms = ["softmax", "focused", "compiled softmax", "compiled focused"]
    assert [row.form for row in result.rows] == forms
    table = next(table for table in tables(result) if table.title == "Networks, compiled forward")
    assert table.rows[0][:2] == ("deit_nano", "28")
    assert table.rows[0][4] == f"{result.rows[2].over['compiled focused']:.2f}"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--tokens 200", "tokens must be squares, such as 196, but one is 200"),
        ("--clock cpu --threads 2", "clock='cpu' counts the time of one thread"),
        ("--device nowhere", "device 'nowhere' cannot be used here"),
        ("--rounds 0", "must be at least 1, but is 0"),
        ("--models deit_tinny", "did you mean 'deit_tiny'"),
        ("--compile-models resnet", "must be among models (deit_tiny, pvt_tiny, "),
        ("--quick --compile-models deit_tiny", "must be among models (none), but one is"),
    ],
)
def test_wrong_calls_are_refused_in_one_line(words, line, capsys):
    assert main(["bench", *words.split()]) == 2
    assert line in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_named(capsys):
    assert main(["bench", "--device", "cuda"]) == 2
    assert "device 'cuda' cannot be used here" in capsys.readouterr().err


def test_other_mechanisms_are_measured_by_name():
    few = FEW | {"tokens": (16,), "models": (), "attention": ("agent", "xca", "softmax")}
    rows = measure(Settings(**few)).rows
    for work in ("forward", "training"):
        forms = [row.form for row in rows if row.work == work]
        assert forms[-2:] == ["agent", "xca"] and len(forms) == len(set(forms)), work
    assert all(row.ms > 0 and row.memory > 0 for row in rows)
    with pytest.raises(ValueError, match=r"^attention must be .* but is 'agnt'$"):
        Settings(**(few | {"attention": ("agnt",)}))


def test_freed_memory_is_kept_only_if_asked_for():
    code = (
        "import sys; from flatten_edu.bench import Settings, machine; "
        "print(machine.describe(Settings(allocator=sys.argv[1]))['allocator'])"
    )
    for allocator in ("keep", "system"):
        words = [sys.executable, "-c", code, allocator]
        without = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
        said = subprocess.run(words, env=without, capture_output=True, text=True, check=True)
        keeps = allocator == "keep" and platform.libc_ver()[0] == "glibc"
        assert said.stdout == ("keeps freed memory\n" if keeps else "system's\n")
