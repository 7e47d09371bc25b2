"""One submitted notebook in a process of its own, again without the cell that ended it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from .exercise import Exercise
from .handed_in import HandedIn
from .judge import Outcome
from .wire import encode

MOST_BYTES = 64 * 2**20
MOST_DISK = 512 * 2**20
ROUNDS = 6


@dataclass(frozen=True)
class Limits:
    """What a notebook may take.

    Args:
        notebook: seconds for all of it.
        cell: seconds for one cell.
        function: seconds for one exercise's function on all hidden examples.
        memory: bytes beyond what Python and torch take.
    """

    notebook: float = 120.0
    cell: float = 30.0
    function: float = 15.0
    memory: int = 4 * 2**30


@dataclass
class Played:
    """What came of a notebook: outcomes by exercise, and what went wrong around them."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    ended: bool = False


def play(
    notebook: HandedIn,
    exercises: dict[str, Exercise],
    seed: int,
    limits: Limits,
    hidden: list[str],
) -> Played:
    """Run a notebook and the functions in it; whatever it does, this returns in time."""
    played, left_out = Played(), set()
    deadline = time.monotonic() + limits.notebook
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        bring_files(notebook.path, Path(scratch))
        for _ in range(ROUNDS):
            asked = {
                name: asked_of(exercises[name], names, seed)
                for name, names in notebook.names.items()
                if name not in played.outcomes
            }
            if not asked or time.monotonic() > deadline - 1:
                break
            job = {
                "cells": notebook.cells,
                "left_out": sorted(left_out),
                "exercises": asked,
                "cell_seconds": limits.cell,
                "seconds": limits.function,
                "memory": limits.memory,
                "hidden": hidden,
            }
            lines, reason = converse(job, scratch, deadline)
            stuck = understand(lines, played, reason)
            if stuck is not None:
                left_out.add(stuck)
            elif played.ended or not lines:
                break
    return played


def asked_of(exercise: Exercise, names: list[str], seed: int) -> dict[str, Any]:
    """What the process needs to try a function: inputs, and no results."""
    cases = exercise.drawn(seed)
    return {
        "names": names,
        "cases": [encode(case.args) for case in cases],
        "watch": {number: case.watch for number, case in enumerate(cases) if case.watch},
    }


def bring_files(path: Path, scratch: Path, most: int = 20 * 2**20) -> None:
    """A copy of the notebook, and of the small files beside it where it has its own folder."""
    beside = [file for file in path.parent.iterdir() if file.is_file() and not file.is_symlink()]
    alone = sum(file.suffix == ".ipynb" for file in beside) == 1
    for file in beside if alone else [path]:
        if file.stat().st_size <= most:
            (scratch / file.name).write_bytes(file.read_bytes())
            most -= file.stat().st_size


def converse(job: dict, scratch: str, deadline: float) -> tuple[list[dict], str]:
    """The lines that the process wrote, and how it ended: "end", or why not."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as text:
        json.dump(job, text)
        text.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"{__package__}.graded"],
            stdin=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=scratch,
            env=environment(scratch),
            start_new_session=True,
        )
    data = bytearray()
    assert process.stdout is not None
    reader = threading.Thread(target=read_into, args=(process.stdout, data), daemon=True)
    reader.start()
    reason = "it ended Python (a crash, an exit, or too much memory)"
    while reader.is_alive():
        reader.join(0.2)
        if time.monotonic() > deadline:
            reason = "the notebook's time was over"
        elif disk_used(scratch) > MOST_DISK:
            reason = "it wrote too many files"
        else:
            continue
        break
    end(process)
    reader.join(5)
    process.stdout.close()
    lines = [line for line in map(parsed, bytes(data).split(b"\n")) if line is not None]
    return lines, "end" if any("end" in line for line in lines) else reason


def read_into(pipe: IO[bytes], data: bytearray) -> None:
    """Read until the other side closes or has written too much."""
    with contextlib.suppress(ValueError, OSError):
        while part := os.read(pipe.fileno(), 2**16):
            data += part
            if len(data) > MOST_BYTES:
                return


def parsed(line: bytes) -> dict | None:
    """A line of the conversation, or None for anything else."""
    with contextlib.suppress(ValueError, RecursionError):
        record = json.loads(line)
        return record if isinstance(record, dict) else None
    return None


def end(process: subprocess.Popen) -> None:
    """End the process and what it may have started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def disk_used(folder: str) -> int:
    """Bytes in a folder that may change while they are counted."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def environment(scratch: str) -> dict[str, str]:
    """Environment variables of the process: few, and none of the teacher's secrets."""
    kept = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
    package = str(Path(__file__).parents[2])
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "PYTHONPATH": os.pathsep.join([package, *filter(None, sys.path)]),
        **dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP", "IPYTHONDIR", "MPLCONFIGDIR"), scratch),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "FLATTEN_EDU_FAST": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }


def understand(lines: list[dict], played: Played, reason: str) -> int | None:
    """Put the lines into outcomes and problems; the number of the cell that ended it, if any."""
    cell, name = None, None
    played.problems = [text for text in played.problems if text.startswith("left out")]
    for line in lines:
        if "cell" in line:
            cell = line["cell"]
        elif "problem" in line:
            played.problems.append(f"cell {line.get('of', -1) + 1}: {line['problem']}")
        elif "exercise" in line:
            cell, name = None, str(line["exercise"])
            played.outcomes[name] = Outcome([])
        elif name is not None and "record" in line:
            played.outcomes[name].records.append(line["record"])
        elif name is not None and "late" in line:
            played.outcomes[name].late = True
        elif name is not None and "absent" in line:
            played.outcomes[name].absent = True
    played.ended = reason == "end"
    if played.ended:
        return None
    if name is not None:
        # What this function did must not be tried again; those after it get their turn.
        played.outcomes[name].late = "time" in reason
        played.outcomes[name].died = "time" not in reason
        return None
    if cell is not None:
        played.problems.append(f"left out cell {cell + 1}: {reason}")
        return int(cell)
    played.problems.append(reason)
    return None
