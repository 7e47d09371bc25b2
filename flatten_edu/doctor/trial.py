"""The trial: each part's smoke test in a process of its own, which may die or hang without harm."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from .finding import Finding
from .packages import remedy
from .parts import PARTS

# A test takes a second or so; what takes longer than SLOW is told, and ended after LIMIT.
SLOW, LIMIT = 5.0, 60.0


def parts(names: tuple[str, ...] = tuple(PARTS), limit: float = LIMIT) -> Iterator[Finding]:
    """What came of each part. After a death the next process goes on with the parts behind it."""
    left = list(names)
    while left:
        for name, result in tried(tuple(left), limit):
            left.remove(name)
            yield finding(name, result)
            if name == "torch" and "fails" in result:
                told = ", ".join(left)
                yield Finding("other parts", "note", f"not tried without torch: {told}")
                return


def tried(names: tuple[str, ...], limit: float) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each part with its result, until the process ends; the last one may be what ended it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flatten_edu.doctor.parts", *names],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    assert process.stdout is not None
    lines: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=pour, args=(process.stdout, lines), daemon=True).start()
    try:
        for name in names:
            try:
                begun = lines.get(timeout=limit)
                line = lines.get(timeout=limit) if begun else b""
            except queue.Empty:
                yield name, {"fails": f"no answer within {limit:.0f} s", "seconds": limit}
                return
            if not line:
                yield name, {"fails": death(process.wait())}
                return
            yield name, json.loads(line)
    finally:
        process.kill()
        process.wait()


def pour(stream: IO[bytes], lines: queue.Queue[bytes]) -> None:
    """The lines of a stream into a queue; an empty one says that it ended."""
    for line in stream:
        lines.put(line)
    lines.put(b"")


def environment() -> dict[str, str]:
    """As it is here, with this package on the path and no window for pictures."""
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join([os.environ.get("PYTHONPATH", ""), package]).strip(os.pathsep)
    return os.environ | {"PYTHONPATH": path, "MPLBACKEND": "agg", "PYTHONWARNINGS": "ignore"}


def death(code: int) -> str:
    """How a process ended that did not come to its end."""
    if code < 0:
        return f"Python died from {signal.Signals(-code).name}"
    return f"Python ended with code {code}"


def finding(name: str, result: dict[str, Any]) -> Finding:
    """What a part's result means, and what to do about it."""
    if "fails" in result:
        return Finding(name, "wrong", result["fails"], advice(name, result["fails"]))
    says, seconds = result["says"], result.get("seconds", 0.0)
    if seconds > SLOW:
        do = "close what else is running; the first time on a machine is the slowest"
        return Finding(name, "note", f"{says}; but that took {seconds:.0f} s", do)
    return Finding(name, "ok", f"{says} ({seconds:.1f} s)")


def advice(name: str, reason: str) -> str:
    """What to do when a part fails."""
    if name == "torch":
        return of_torch(reason)
    if "No module named" in reason or "not installed" in reason:
        return remedy()
    if "No space left" in reason:
        return "make room on the disk"
    return f"install again: {remedy()}; if that does not help, please report this line"


def of_torch(reason: str) -> str:
    """What to do when torch does not work."""
    install = f'"{sys.executable}" -m pip install torch'
    again = install.replace("install", "install --force-reinstall")
    if "No module named 'torch'" in reason:
        return f"{install}; the small build for CPUs is at pytorch.org/get-started"
    if "SIGILL" in reason:
        return "this build needs a newer processor; take an older torch, or another machine"
    if "DLL" in reason:
        return f"install Microsoft's Visual C++ Redistributable; if that does not help: {again}"
    return f"its files are damaged or of two versions; install it again: {again}"
