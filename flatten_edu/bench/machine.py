"""The machine: its name, its largest rate of matrix products, the memory that a call takes."""

import ctypes
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from .. import __version__
from ..timing import samples
from .settings import Settings

# mallopt's M_MMAP_THRESHOLD and M_TRIM_THRESHOLD: from which size a piece is a mapping of its own,
# and how much is kept at the top.
_KEEPING = ((-3, 2**30), (-1, 2**31 - 1))
# Sides of the square products that the peak is looked for with.
_SIDES = {"cpu": (512, 1024, 2048)}
_SIDES_ELSEWHERE = (2048, 4096, 8192)


def describe(settings: Settings) -> dict[str, str | int | float]:
    """Device, versions, threads, and what else ran: the mean number of busy programs."""
    cuda = settings.device.startswith("cuda")
    about: dict[str, str | int | float] = {
        "device": torch.cuda.get_device_name(settings.device) if cuda else processor(),
        "threads": settings.threads,
        "cores": os.cpu_count() or 0,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "flatten_edu": __version__,
        "clock": {"wall": "wall clock", "cpu": "processor time of the thread"}[settings.clock],
    }
    if hasattr(os, "getloadavg"):
        about["load"] = round(os.getloadavg()[0], 1)
    changed = {name: value for name, value in os.environ.items() if name.startswith("MALLOC_")}
    kept = "keeps freed memory" if settings.allocator == "keep" and keep_memory() else ""
    about["allocator"] = kept or " ".join(f"{k}={v}" for k, v in changed.items()) or "system's"
    return about


def keep_memory() -> bool:
    """Tell glibc to keep what is freed, for the rest of this process; False where it is another.

    By default it gives large pieces back to the system, and takes them again, page by page, in
    the next call: that can cost more than the arithmetic.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None:
        return False
    return all(mallopt(parameter, value) == 1 for parameter, value in _KEEPING)


def processor() -> str:
    """The processor's name.

    >>> len(processor()) > 0
    True
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        return platform.processor() or platform.machine()


def synchroniser(device: str) -> Callable[[], object]:
    """What waits until a device has done its work; a CPU never has work left."""
    kind = getattr(torch, torch.device(device).type, None)
    return getattr(kind, "synchronize", lambda: None) if device != "cpu" else lambda: None


def product_rate(settings: Settings) -> float:
    """The machine's peak: multiplications and additions a second in the best square product."""
    best = 0.0
    for size in _SIDES.get(settings.device, _SIDES_ELSEWHERE):
        a, b = torch.randn(2, size, size, device=settings.device, dtype=settings.torch_dtype)
        out = torch.empty_like(a)
        found = samples(
            {"product": lambda a=a, b=b, out=out: torch.mm(a, b, out=out)},
            rounds=5,
            seconds=min(settings.seconds, 0.5),
            clock=settings.timer,
            finish=synchroniser(settings.device),
        )
        best = max(best, 2 * size**3 / min(found["product"]))
    return best


def peak_memory(call: Callable[[], object], device: str) -> int:
    """Bytes that a call takes at its worst moment, beyond what was there before."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    if device != "cpu":
        return 0
    return _peak_on_cpu(call)


def _peak_on_cpu(call: Callable[[], object]) -> int:
    """From the profiler's record of each piece of memory taken and given back."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with _silent(), torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        call()
    assert profile.profiler is not None and profile.profiler.kineto_results is not None
    pieces = [
        (event.start_ns(), event.nbytes())  # pyright: ignore[reportAttributeAccessIssue]
        for event in profile.profiler.kineto_results.events()
        if event.name() == "[memory]"
    ]
    now = top = 0
    for _, size in sorted(pieces, key=lambda piece: piece[0]):
        now += size
        top = max(top, now)
    return top


@contextmanager
def _silent() -> Iterator[None]:
    """Some builds of the profiler write lines of their own to standard error."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
