"""One call of a student's function: its result, or what went wrong in the student's own lines."""

import contextlib
import dis
import functools
import inspect
import linecache
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .limits import TimeIsUp
from .wire import encode

# What a body of `pass`, `...` or a docstring alone is made of.
STUB = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "LOAD_GLOBAL", "POP_TOP"}


def attempts(function: Callable, cases: Sequence[tuple], watch: Mapping[int, str]) -> Iterator:
    """One record a case: `value`, or `error`, `stub` or `none`; ends at a stub.

    The first cases are called twice; what the second call gives is `again`.

    Args:
        function: a student's.
        cases: arguments of each call.
        watch: number of a case -> "sizes" or "gradient", what is of interest there.
    """
    wrong = signature_problem(function, cases[0])
    if wrong is not None:
        yield {"signature": wrong}
        return
    for number, args in enumerate(cases):
        record = attempt(function, args, watch.get(number))
        if number < 5 and "value" in record:
            record["again"] = attempt(function, args).get("value", record["value"])
        yield record
        if "stub" in record:
            return


def attempt(function: Callable, args: tuple, watch: str | None = None) -> dict[str, Any]:
    """The record of one call on copies of the arguments."""
    given = tuple(copy(value) for value in args)
    if watch == "gradient":
        given = tuple(value.requires_grad_().clone() for value in given)
    sizes = Sizes()
    try:
        with torch.enable_grad(), sizes if watch == "sizes" else contextlib.nullcontext():
            value = function(*given)
    except NotImplementedError as error:
        # One that torch raises is an error like any other; one of the student's says "not yet".
        return {"stub": True} if _students_own(error) else {"error": described(error)}
    except TimeIsUp:
        raise
    except BaseException as error:
        return {"error": described(error)}
    if value is None or value is Ellipsis or value is NotImplemented:
        return {"none": True} if value is None and not looks_empty(function) else {"stub": True}
    try:
        record: dict[str, Any] = {"value": encode(value)}
    except TimeIsUp:
        raise
    except BaseException as error:  # a class of the student's own, which cannot be read
        return {"error": described(error)}
    record["changed"] = [n for n, pair in enumerate(zip(args, given, strict=True)) if differ(*pair)]
    record["largest"] = sizes.largest
    record["gradient"] = isinstance(value, Tensor) and value.requires_grad
    return record


class Sizes(TorchFunctionMode):
    """Notes the size of the largest tensor that torch is asked for."""

    largest = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Run the function as it is, and look at what comes out."""
        result = func(*args, **(kwargs or {}))
        for part in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(part, Tensor):
                # An expanded view has many entries and little memory.
                stored = part.untyped_storage().nbytes() // part.element_size()
                self.largest = max(self.largest, min(part.numel(), stored))
        return result


def copy(value: Any) -> Any:
    """A value that may be changed without harm."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: copy(item) for key, item in value.items()}
    return type(value)(map(copy, value)) if isinstance(value, (list, tuple)) else value


def differ(one: Any, other: Any) -> bool:
    """Whether something was changed in place."""
    if isinstance(one, Tensor):
        return not (isinstance(other, Tensor) and torch.equal(one, other.detach()))
    if isinstance(one, (list, tuple)):
        return len(one) != len(other) or any(map(differ, one, other))
    return one != other


def looks_empty(function: Callable) -> bool:
    """Whether the body does nothing at all: a stub, not a function whose `return` is missing."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    return code is not None and {step.opname for step in dis.get_instructions(code)} <= STUB


def signature_problem(function: Callable, args: tuple) -> str | None:
    """How the function is declared, if it cannot be called with so many arguments."""
    try:
        signature = inspect.signature(function)
    except Exception:
        return None
    try:
        signature.bind(*args)
    except TypeError:
        return f"{getattr(function, '__name__', 'function')}{signature}"
    return None


def described(error: BaseException) -> dict[str, Any]:
    """An exception as its type, its words, and the student's lines that led to it."""
    try:
        words = str(error)
    except BaseException:
        words = ""
    lines = students_lines(error.__traceback__)
    return {"type": type(error).__name__, "words": words[:600], "lines": lines[-3:]}


def students_lines(trace: TracebackType | None) -> list[dict[str, Any]]:
    """The lines of a traceback that are in nobody's library."""
    lines = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if is_students(code.co_filename):
            text = linecache.getline(code.co_filename, trace.tb_lineno).strip()
            first = max(code.co_firstlineno, 1)
            lines.append(
                {"function": code.co_name, "line": trace.tb_lineno - first + 1, "text": text[:200]}
            )
        trace = trace.tb_next
    return lines


@functools.cache
def _libraries() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    folders = {paths["stdlib"], paths["platstdlib"], paths["purelib"], paths["platlib"]}
    folders |= {str(Path(torch.__file__).parents[1]), str(Path(__file__).parents[1])}
    return tuple(f"{folder}/".replace("\\", "/") for folder in folders)


def is_students(filename: str) -> bool:
    """Whether this is code of a notebook, a script or a string, not of an installed package."""
    return not filename.startswith("<frozen") and not filename.replace("\\", "/").startswith(
        _libraries()
    )


def _students_own(error: BaseException) -> bool:
    """Whether the exception comes from a `raise` of the student's, not from a call that failed."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or not is_students(trace.tb_frame.f_code.co_filename):
        return False
    return dis.opname[trace.tb_frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"
