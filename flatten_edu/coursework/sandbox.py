"""Where a student's function runs: in a child process, which can neither hang nor change ours.

The child is a copy of this process, so that the function needs no packing; it is killed when its
time is over. Where processes cannot be copied safely (Windows, macOS) a thread takes its place:
Python code that does not end is stopped there too, and what was replaced is put back.
"""

import contextlib
import faulthandler
import gc
import json
import os
import select
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import torch

from .guard import library_restored
from .limits import Printed, TimeIsUp, interrupt, limit_memory, printing, seconds_left
from .trial import attempts

SECONDS = 10.0
MOST_BYTES = 64 * 2**20
END = b'{"end": true}\n'
NOTHING: Mapping[int, str] = MappingProxyType({})


@dataclass
class Run:
    """What came of the calls: a record each, in order, until the time was over or the end came."""

    records: list[dict] = field(default_factory=list)
    printed: str = ""
    late: bool = False
    died: bool = False
    replaced: list[str] = field(default_factory=list)


def run(
    function: Callable,
    cases: Sequence[tuple],
    seconds: float = SECONDS,
    watch: Mapping[int, str] = NOTHING,
    way: str | None = None,
) -> Run:
    """Call the function with each of the arguments, for so many seconds in all.

    Args:
        function: a student's.
        cases: arguments of each call.
        seconds: limit for all calls together.
        watch: number of a case -> "sizes" or "gradient", what is of interest there.
        way: "process" or "thread"; None takes the process where that is safe.
    """
    way = way or ("process" if sys.platform == "linux" else "thread")
    if way == "process":
        ran = in_process(function, cases, seconds, watch)
        if not needs_this_process(ran):
            return ran
    return in_thread(function, cases, seconds, watch)


def needs_this_process(ran: Run) -> bool:
    """Whether the function uses a GPU that this process has begun to use: a copy cannot."""
    errors = (record.get("error", {}).get("words", "") for record in ran.records)
    return any("CUDA in forked subprocess" in words for words in errors)


def in_process(
    function: Callable, cases: Sequence[tuple], seconds: float, watch: Mapping[int, str]
) -> Run:
    """Run in a copy of this process."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Newer Pythons warn that other threads exist; the child never waits for one of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _be_the_child(function, cases, watch, writing)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        data, late = _read(reading, time.monotonic() + seconds)
    finally:
        os.close(reading)
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(OSError):
                kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return _understood(data, late)


def _be_the_child(
    function: Callable, cases: Sequence[tuple], watch: Mapping[int, str], writing: int
) -> None:
    os.setsid()
    faulthandler.disable()
    gc.freeze()  # what the parent made is not the child's to clean up
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    # As in torch's data loaders: threads of the parent are not there after a fork.
    torch.set_num_threads(1)
    limit_memory()
    printed = Printed()
    with printing(printed):
        for record in attempts(function, cases, watch):
            _write(writing, record)
    _write(writing, {"printed": printed.text()})
    _write(writing, {"end": True})


def _write(pipe: int, record: dict) -> None:
    data = json.dumps(record).encode() + b"\n"
    while data:
        data = data[os.write(pipe, data) :]


def _read(pipe: int, deadline: float) -> tuple[bytes, bool]:
    """Everything until the other side closes, and whether the time was over before."""
    data = bytearray()
    while True:
        ready, _, _ = select.select([pipe], [], [], min(seconds_left(deadline), 0.5))
        if ready:
            part = os.read(pipe, 2**20)
            data += part
            if not part or data.endswith(END) or len(data) > MOST_BYTES:
                return bytes(data), False
        elif not seconds_left(deadline):
            return bytes(data), True


def _understood(data: bytes, late: bool) -> Run:
    run = Run(late=late, died=not late and not data.endswith(END))
    for line in data.split(b"\n"):
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            if "printed" in record:
                run.printed = str(record["printed"])
            elif "end" not in record:
                run.records.append(record)
    return run


def in_thread(
    function: Callable, cases: Sequence[tuple], seconds: float, watch: Mapping[int, str]
) -> Run:
    """Run in a thread of this process, which is told to stop when its time is over."""
    run, printed = Run(), Printed()

    def work():
        with contextlib.suppress(TimeIsUp):
            run.records.extend(iter_records())

    def iter_records():
        for record in attempts(function, cases, watch):
            yield json.loads(json.dumps(record))

    thread = threading.Thread(target=work, daemon=True)
    deadline = time.monotonic() + seconds
    with library_restored() as run.replaced, printing(printed):
        thread.start()
        while thread.is_alive() and seconds_left(deadline):
            thread.join(0.05)
        run.late = thread.is_alive()
        for _ in range(20):
            if thread.is_alive() and thread.ident is not None:
                interrupt(thread.ident)
                thread.join(0.05)
    run.printed = printed.text()
    return run
