"""Limits on a student's code: time on a clock, memory, what is printed."""

import builtins
import contextlib
import ctypes
import io
import signal
import sys
import threading
import time
from collections.abc import Iterator

# What one function may take beyond what the process already has.
MEMORY = 4 * 2**30
PRINTED = 4_000


class TimeIsUp(BaseException):
    """Raised inside code that takes too long; `except Exception` does not catch it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeIsUp in the block when the time is over, again and again until it leaves.

    On the main thread of Linux and macOS by a signal, which also ends a sleep; elsewhere by an
    exception that is put into the thread, which waits until a call in C returns.

    >>> with time_limit(5):
    ...     total = sum(range(10))
    >>> total
    45
    """
    main = threading.current_thread() is threading.main_thread()
    way = _by_signal if main and hasattr(signal, "setitimer") else _by_thread
    with way(seconds):
        yield


@contextlib.contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    def ring(number, frame):
        raise TimeIsUp

    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


@contextlib.contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    over, thread = threading.Event(), threading.get_ident()

    def watch():
        if not over.wait(seconds):
            while not over.wait(0.2):
                interrupt(thread)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def interrupt(thread: int) -> None:
    """Raise TimeIsUp in another thread, as soon as it runs Python again."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TimeIsUp))


def limit_memory(more: int = MEMORY) -> None:
    """Let this process take so many bytes more than it has; no limit where the system has none."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        wanted = now + more
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    except (ImportError, OSError, ValueError):
        return


class Printed(io.TextIOBase):
    """What is printed: the first few thousand characters, and how many there were."""

    def __init__(self, most: int = PRINTED):
        self.most, self.count, self.kept = most, 0, ""

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Keep what fits."""
        self.count += len(text)
        self.kept += text[: max(0, self.most - len(self.kept))]
        return len(text)

    def text(self) -> str:
        """What was kept, and a word about what was not."""
        more = self.count - len(self.kept)
        return f"{self.kept}\n... and {more:,} more characters" if more else self.kept


@contextlib.contextmanager
def printing(printed: Printed) -> Iterator[None]:
    """Send what the block prints to `printed`; nothing in it waits for somebody at the keyboard."""
    hook, asks = sys.breakpointhook, builtins.input

    def nobody(prompt: object = "") -> str:
        raise EOFError("input() was called, but nobody is there to answer")

    sys.breakpointhook, builtins.input = (lambda *args, **kwargs: None), nobody
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield
    finally:
        sys.breakpointhook, builtins.input = hook, asks


def seconds_left(deadline: float) -> float:
    """Seconds until a time of `time.monotonic`, at least 0."""
    return max(0.0, deadline - time.monotonic())
