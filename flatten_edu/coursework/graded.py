"""The process in which one submitted notebook runs: `python -m flatten_edu.coursework.graded`.

It reads a job from standard input (cells, and the inputs of the hidden examples), executes the
cells, calls the students' functions, and writes what came out to standard output, line by line.
Right answers are not here: the results are compared in the process that started this one.
"""

import builtins
import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from .fence import raise_fence
from .limits import Printed, TimeIsUp, limit_memory, time_limit
from .result import Result
from .trial import attempts, described
from .wire import decode


class Collector:
    """Stands for `check` while a notebook is marked: notes the functions that are handed in."""

    def __init__(self):
        self.functions: dict[str, Any] = {}

    def __getattr__(self, name: str) -> "Noted":
        if name.startswith("_"):
            raise AttributeError(name)
        return Noted(name, self.functions)


class Noted:
    """`check.focus` while a notebook is marked."""

    def __init__(self, name: str, functions: dict[str, Any]):
        self._name, self._functions = name, functions

    def __call__(self, function: Any, *examples: Any) -> Result:
        """Note the function; the marks come later, so the cell goes on as if all were well."""
        name = getattr(function, "__name__", "") if examples else self._name
        self._functions[name] = function
        return Result(name, True, None, "handed in")

    def hint(self, step: int = 1) -> str:
        """No hints now."""
        return ""


def main() -> None:
    """One job."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what is printed goes the other way
    job = json.loads(sys.stdin.read())
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115

    def tell(**record: Any) -> None:
        results.write(json.dumps(record) + "\n")
        results.flush()

    collector, run_cell, space = prepare(job)
    for number, cell in enumerate(job["cells"]):
        if number not in job["left_out"]:
            tell(cell=number)
            problem = timed(job["cell_seconds"], lambda cell=cell: run_cell(cell))
            if problem:
                tell(problem=problem, of=number)
    for name, asked in job["exercises"].items():
        tell(exercise=name)
        function = collector.functions.get(name, first(space, asked["names"]))
        if callable(function):
            try_function(function, asked, job["seconds"], lambda **r: tell(**r))
        else:
            tell(absent=True)
    tell(end=True)


def prepare(job: dict) -> tuple[Collector, Callable[[str], str | None], dict]:
    """Import what notebooks import, set the limits, raise the fence."""
    import einops  # noqa: F401
    import torch

    import flatten_edu.coursework as coursework

    torch.set_num_threads(1)
    collector = Collector()
    coursework.check = collector  # pyright: ignore[reportAttributeAccessIssue]
    run_cell, space = shell()
    builtins.input = nobody
    sys.breakpointhook = lambda *args, **kwargs: None
    limit_memory(job["memory"])
    limit_files()
    raise_fence(os.getcwd(), job["hidden"])
    sys.path.insert(0, os.getcwd())  # the notebook's own files, after everything of ours
    return collector, run_cell, space


def nobody(prompt: object = "") -> str:
    """In the place of `input`."""
    raise EOFError("input() was called, but nobody is there to answer")


def limit_files(most: int = 256 * 2**20) -> None:
    """No file larger than this, no core dump."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def shell() -> tuple[Callable[[str], str | None], dict]:
    """Something that runs a cell and gives what went wrong, and the names that cells define."""
    try:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config
    except ImportError:
        space: dict[str, Any] = {"__name__": "__main__"}
        return lambda cell: plain_cell(cell, space), space
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    ipython = InteractiveShell.instance(config=config)
    ipython.showtraceback = lambda *args, **kwargs: None

    def run_cell(cell: str) -> str | None:
        result = ipython.run_cell(cell, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        return None if error is None else said(error)

    return run_cell, ipython.user_ns


def plain_cell(cell: str, space: dict) -> str | None:
    """Run a cell without IPython; its magics are left out."""
    lines = [line for line in cell.splitlines() if not line.startswith(("%", "!"))]
    exec(compile("\n".join(lines), "<cell>", "exec"), space)
    return None


def said(error: BaseException) -> str:
    """An exception on one short line."""
    if isinstance(error, TimeIsUp):
        return "it took too long and was stopped"
    about = described(error)
    return f"{about['type']}: {about['words']}"[:200]


def timed(seconds: float, work: Callable[[], str | None]) -> str | None:
    """What went wrong in the work, or None."""
    try:
        with time_limit(seconds):
            return work()
    except BaseException as error:
        return said(error)


def first(space: dict, names: list[str]) -> Any:
    """What the first of the names that exists stands for."""
    return next((space[name] for name in names if callable(space.get(name))), None)


def try_function(
    function: Callable, asked: dict, seconds: float, tell: Callable[..., None]
) -> None:
    """Call a student's function with the hidden inputs."""
    cases = [tuple(decode(args)) for args in asked["cases"]]
    watch = {int(number): what for number, what in asked["watch"].items()}
    printed = Printed()
    try:
        with time_limit(seconds), quiet(printed):
            for record in attempts(function, cases, watch):
                tell(record=record)
    except TimeIsUp:
        tell(late=True)


@contextlib.contextmanager
def quiet(printed: Printed):
    """What a function prints is not kept."""
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield


if __name__ == "__main__":
    main()
