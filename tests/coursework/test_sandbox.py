"""Nothing that a student writes hangs the notebook, ends it, fills it, or changes the library."""

import contextlib
import ctypes
import os
import sys
import time

import pytest
import torch

from flatten_edu.coursework import check
from flatten_edu.coursework.checks import exercises
from flatten_edu.coursework.judge import Outcome, judge
from flatten_edu.coursework.limits import TimeIsUp, time_limit
from flatten_edu.coursework.sandbox import SECONDS, run

from .right import sum_library

WAYS = [
    pytest.param("process", marks=pytest.mark.skipif(sys.platform != "linux", reason="no fork")),
    "thread",
]
ONE = [(torch.ones(2, 3), 3)]


def checked(name, function, way, seconds=SECONDS):
    exercise = exercises()[name]
    cases = exercise.drawn()
    ran = run(function, [case.args for case in cases], seconds, way=way)
    return judge(exercise, cases, Outcome(**vars(ran)))


def endless(x, p):
    while True:
        p += 1


def stubborn(x, p):
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(0.01)


def endless_in_c(x, p):
    return sum(range(10**13))


def asleep(x, p):
    time.sleep(1000)


def test_the_limit_is_below_20_seconds():
    assert SECONDS <= 15


@pytest.mark.skipif(sys.platform != "linux", reason="needs a process that can be killed")
@pytest.mark.parametrize("function", [endless, stubborn, endless_in_c, asleep])
def test_endless_functions_are_stopped_in_a_process(function):
    start = time.monotonic()
    result = checked("focus", function, "process", seconds=0.7)
    assert time.monotonic() - start < 5
    assert not result.passed and result.mistake == "it takes too long"


@pytest.mark.parametrize("function", [endless, asleep])
def test_endless_functions_are_stopped_in_a_thread(function):
    start = time.monotonic()
    result = checked("focus", function, "thread", seconds=0.7)
    assert time.monotonic() - start < 5
    assert not result.passed and result.mistake == "it takes too long"


@pytest.mark.skipif(sys.platform != "linux", reason="needs a process of its own")
@pytest.mark.parametrize(
    "end", [lambda: os._exit(0), lambda: ctypes.string_at(0), lambda: os.kill(os.getpid(), 9)]
)
def test_a_function_that_ends_its_process_is_reported(end):
    result = check.focus(lambda x, p: end())
    assert not result.passed and result.mistake == "it ends Python"


@pytest.mark.parametrize("way", WAYS)
def test_sys_exit_is_an_error_like_others(way):
    result = checked("focus", lambda x, p: sys.exit(3), way)
    assert not result.passed and "SystemExit" in result.message


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_memory_is_limited():
    result = check.focus(lambda x, p: torch.ones(20 * 2**30 // 4))
    assert not result.passed and "memory" in result.message


@pytest.mark.parametrize("way", WAYS)
def test_the_library_stays_as_it_was(way):
    import flatten_edu as fe

    def vandal(x, p):
        torch.softmax = torch.Tensor.softmax = fe.attention.focus = None
        sys.modules["flatten_edu.coursework.plain"].focus = None
        torch.Tensor.__add__ = None
        sys.modules.pop("flatten_edu.coursework.judge")
        os.environ["OMP_NUM_THREADS"] = "99"
        os.chdir("/")
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(5)
        x.zero_()
        return x

    place = os.getcwd(), dict(os.environ), sys.modules["flatten_edu.coursework.judge"]
    before = torch.softmax, torch.Tensor.softmax, fe.attention.focus
    state = torch.get_rng_state()
    result = checked("focus", vandal, way)
    assert not result.passed
    assert (torch.softmax, torch.Tensor.softmax, fe.attention.focus) == before
    assert place == (os.getcwd(), dict(os.environ), sys.modules["flatten_edu.coursework.judge"])
    assert (torch.ones(1) + torch.ones(1)).item() == 2
    assert torch.get_default_dtype() == torch.float32
    assert torch.equal(torch.get_rng_state(), state)
    assert check.focus(fe.attention.focus).passed


@pytest.mark.parametrize("way", WAYS)
def test_inputs_changed_in_place_give_a_remark(way):
    def in_place(q, k, v):
        q /= q.shape[-1] ** 0.5
        return (q @ k.mT).softmax(-1) @ v

    result = checked("softmax_attention", in_place, way)
    assert result.passed and "in place" in result.message


@pytest.mark.parametrize("way", WAYS)
def test_what_is_printed_is_kept_short(way):
    def loud(x, p):
        print("x" * 10**6)
        return x

    result = checked("focus", loud, way)
    assert result.printed.startswith("xxx") and len(result.printed) < 5000
    assert "more characters" in result.printed


class Sealed:
    """Neither its signature nor its result can be looked at."""

    def __call__(self, x, p):
        return torch.ones(2).as_subclass(SealedTensor)

    @property
    def __signature__(self):
        raise RuntimeError("closed")


class SealedTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *args, **kwargs):
        raise SystemExit("closed")


@pytest.mark.parametrize("way", WAYS)
def test_what_cannot_be_looked_at_is_an_error(way):
    result = checked("focus", Sealed(), way)
    assert result.mistake == "it stops with SystemExit" and "closed" in result.message


@pytest.mark.parametrize("way", WAYS)
def test_nobody_is_asked_for_input(way):
    def debugs(x, p):
        breakpoint()
        return x.norm(dim=-1, keepdim=True) * torch.nn.functional.normalize(x**p, dim=-1)

    assert checked("focus", debugs, way).passed


@pytest.mark.skipif(sys.platform != "linux", reason="the child's standard input is closed")
def test_input_is_an_error():
    result = check.focus(lambda x, p: input())
    assert not result.passed and "EOFError" in result.message


@pytest.mark.parametrize("way", WAYS)
def test_a_students_settings_do_not_matter(way):
    import flatten_edu as fe

    torch.set_default_dtype(torch.float64)
    try:
        assert checked("focus", fe.attention.focus, way).passed
        assert checked("equivalent_map", sum_library, way).passed
    finally:
        torch.set_default_dtype(torch.float32)


def test_time_limit_ends_a_loop_and_a_sleep():
    for work in (lambda: endless(0, 0), lambda: time.sleep(100)):
        start = time.monotonic()
        with pytest.raises(TimeIsUp), time_limit(0.2):
            work()
        assert time.monotonic() - start < 3


@pytest.mark.parametrize("way", WAYS)
def test_processes_and_threads_give_the_same_records(way):
    def mixed(x, p):
        return {"a": (1, 2.5, None), "b": [x, "word", float("nan")], 3: 10**30}

    record = run(mixed, ONE, way=way).records[0]
    assert record["value"]["kind"] == "dict" and record["changed"] == []


def test_a_function_on_a_gpu_runs_in_this_process():
    calls = []

    def on_gpu(x, p):
        calls.append(p)  # seen here only by a thread of this process
        if os.getpid() != parent:
            raise RuntimeError("Cannot re-initialize CUDA in forked subprocess. To use CUDA ...")
        return x.norm(dim=-1, keepdim=True) * torch.nn.functional.normalize(x**p, dim=-1)

    parent = os.getpid()
    assert check.focus(on_gpu).passed and calls


def test_children_are_gone_afterwards():
    if sys.platform == "linux":
        result = check.focus(lambda x, p: x if os.fork() else os._exit(0))
        assert not result.passed
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
