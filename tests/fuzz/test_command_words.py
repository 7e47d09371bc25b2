"""Whatever stands on the command line: the command begins its work, or says in one line why not.

The work itself is not done here: each command is stopped where it would begin.
"""

import itertools
import random
from pathlib import Path

import pytest

from flatten_edu.__main__ import COMMANDS, main, make_parser
from flatten_edu.training import train

CALLS = 2_000
# Where each command's work begins.
WORK = {
    "train": ["flatten_edu.training.loop.Loop.run"],
    "evaluate": ["flatten_edu.training.evaluate"],
    "compare": ["flatten_edu.comparison.run.one_run", "flatten_edu.comparison.run.side_by_side"],
    "payoff": ["flatten_edu.comparison.payoff.step_costs"],
    "probe": ["flatten_edu.comparison.survey.untaught"],
    "bench": ["flatten_edu.bench.measure"],
    "grade": ["flatten_edu.coursework.grade.marked"],
}
SMALL = {
    "train": "--model deit_nano --data digits --option depth=1 --option width=12 --option heads=1",
    "evaluate": "best.safetensors --device cpu",
    "compare": "--task copy_near --arms none --jobs 1 --epochs 1",
    "payoff": "--sizes 64 --arms focused",
    "probe": "focused --jobs 1",
    "bench": "--quick",
    "grade": "handed_in",
}
WORDS = (
    "", "-1", "0", "1", "2", "3.5", "nan", "inf", "-inf", "1e400", "10000000000000000000000", "-",
    "--", "x", "focused", "softmax,linear", ",", ",,", "a:b", "os:system", "json:nothing", ":",
    "no.such.module:f", "deit_nano", "swin_tiny", "digits", "mnist5k", "cifar10x", "recall",
    "copy_near", "../..", "/", ".", "a_file", "a_file/x", "no/such/folder", "a b", "ä", "\u200b",
    "a\nb", "x=1", "=", "x=", "1=2", "p=nan", "depth=1", "depth=0", "depth='x'", "width=7",
    "patch_size=0", "x=" + "(" * 500, "x=[1", "x={}", "data=3", "model=3", "progress=1",
    "attention=3", "tokens=9", "tokens=-1", "²", "½", "x" * 300, "\udcff", "cuda", "cpu", "cuda:99",
    "imagenet", "none", "dwc", "focused+", "+dwc", "float16", "tensorboard", "test", "train",
)  # fmt: skip


class Begun(BaseException):
    """The command was about to do its work."""


def begin(*args, **kwargs):
    raise Begun


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder, size = tmp_path_factory.mktemp("runs") / "run", {"depth": 1, "width": 12, "heads": 1}
    train("deit_nano", "digits", epochs=1, batch_size=600, patch_size=4, output=folder, **size)
    return (folder / "best.safetensors").read_bytes()


@pytest.fixture
def home(tmp_path, monkeypatch, weights):
    """A folder with a few files; in it every command stops where its work begins."""
    for place in itertools.chain(*WORK.values()):
        monkeypatch.setattr(place, begin)
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    Path("a_file").write_text("text")
    Path("best.safetensors").write_bytes(weights)
    Path("handed_in").mkdir()
    Path("handed_in", "a.ipynb").write_text("{}")
    return tmp_path


def options_of(command: str) -> list[str]:
    chosen = make_parser([command]).commands[command]
    return sorted(set(chosen._option_string_actions) - {"--help", "-h"})


def words_for(command: str, source: random.Random) -> list[str]:
    words = [command, *SMALL[command].split()] if source.randrange(6) else [command]
    for _ in range(source.randrange(1, 4)):
        kind = source.randrange(8)
        if kind:
            words.append(source.choice(options_of(command)))
        if kind != 1:
            words.append(source.choice(WORDS))
    return words


def everything(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def call(words, home, capsys) -> bool:
    before = everything(home)
    try:
        code = main(words)
    except Begun:
        capsys.readouterr()
        return True
    told = capsys.readouterr()
    assert code in (0, 2), words
    if code == 2:
        assert told.err.count("\n") == 1 and told.err.startswith("flatten-edu: "), told.err
        assert len(told.err) < 1500, told.err
        assert everything(home) == before, words
    return False


def call_strangely(command, count, home, capsys) -> int:
    begun = 0
    for number in range(count):
        words = words_for(command, random.Random(f"{command} {number}"))
        try:
            begun += call(words, home, capsys)
        except Exception as error:
            raise AssertionError(f"{words}: {error!r}") from error
    return begun


@pytest.mark.parametrize("command", WORK)
def test_strange_words_get_one_line_or_the_command_begins(command, home, capsys):
    call_strangely(command, 12, home, capsys)


@pytest.mark.long
@pytest.mark.parametrize("command", WORK)
def test_2000_strange_calls_get_one_line_or_begin(command, home, capsys):
    call_strangely(command, CALLS // len(WORK), home, capsys)


@pytest.mark.parametrize("command", WORK)
def test_the_small_calls_begin_so_that_strange_words_are_all_that_stops_them(command, home, capsys):
    assert call([command, *SMALL[command].split()], home, capsys)


@pytest.mark.parametrize("command", WORK)
def test_a_word_with_a_line_break_stays_in_one_line(command, home, capsys):
    assert not call([command, *SMALL[command].split(), "a\nb"], home, capsys)


@pytest.mark.parametrize("arm", [":", ":f", ".mine:f", "a b:f", "mine..x:f"])
def test_an_arm_of_no_module_gets_one_line(arm, home, capsys):
    assert not call(["payoff", "--sizes", "64", "--arms", arm], home, capsys)


@pytest.mark.parametrize("sizes", ["10000000000000000000000", "²", "64,", "-64"])
def test_sizes_beyond_all_bounds_get_one_line(sizes, home, capsys):
    assert not call(["payoff", f"--sizes={sizes}", "--arms", "focused"], home, capsys)


def test_every_command_is_called_but_those_that_take_no_words():
    assert set(WORK) == set(COMMANDS) - {"doctor", "models"}
