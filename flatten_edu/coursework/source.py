"""The solved exercises of a chapter: one Python file, from which all else is made.

A line that starts with `# %%` begins a part. What follows names its kind:

    # %% [markdown]          text, for everybody
    # %%                     code, for everybody
    # %% exercise NAME       text of an exercise (its level, minutes and points come from the check)
    # %% solution            code; students get the signature and the docstring of the function NAME
    # %% examples            calls of NAME, one a line: the check of an exercise that has no other
    # %% hidden              more such calls, which only `flatten-edu grade` knows
    # %% after NAME          code that uses the function, run once it passes
    # %% teacher             text for the teacher
"""

import ast
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

KINDS = ("markdown", "code", "exercise", "solution", "examples", "hidden", "after", "teacher")
EXAMPLES = ("examples", "hidden")
TEXTS = ("markdown", "exercise", "teacher")


@dataclass(frozen=True)
class Part:
    """One part of a source: its kind, the exercise that it belongs to, and its text."""

    kind: str
    name: str
    text: str


def read_source(path: Path) -> list[Part]:
    """The parts of a file.

    Raises:
        ValueError: if a part has no known kind or no exercise; the line names file and line.
    """
    parts: list[Part] = []
    name = ""
    for number, head, body in split(path.read_text(encoding="utf-8")):
        words = head.split()
        kind = "code" if not words else words[0].strip("[]")
        where = f"{path.name}, line {number}"
        if kind not in KINDS:
            raise ValueError(f"{where}: {kind!r} is no kind of part; known are {', '.join(KINDS)}")
        if kind in ("exercise", "after"):
            if len(words) != 2 or not words[1].isidentifier():
                raise ValueError(f"{where}: '# %% {kind}' needs the name of the function after it")
            name = words[1]
        if kind in ("solution", "teacher", *EXAMPLES) and not name:
            raise ValueError(f"{where}: there is no '# %% exercise NAME' before this part")
        text = re.sub(r"^# ?", "", body, flags=re.M) if kind in TEXTS else body
        parts.append(Part(kind, "" if kind in ("markdown", "code") else name, text.strip("\n")))
    return parts


def split(text: str) -> list[tuple[int, str, str]]:
    """(number of the line, what follows `# %%`, the lines below it) of each part."""
    lines = text.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("# %%")]
    ends = [*starts[1:], len(lines)]
    return [
        (start + 1, lines[start][4:].strip(), "\n".join(lines[start + 1 : end]))
        for start, end in zip(starts, ends, strict=True)
    ]


def function_of(part: Part) -> ast.FunctionDef:
    """The function of a solution.

    Raises:
        ValueError: if the solution does not define it.
    """
    for node in ast.parse(part.text).body:
        if isinstance(node, ast.FunctionDef) and node.name == part.name:
            return node
    raise ValueError(f"the solution of {part.name} defines no function of this name")


def stub(part: Part) -> str:
    """What a student gets of a solution: the signature and the docstring, no line more.

    >>> print(stub(Part("solution", "twice", "def twice(x):\\n    return 2 * x")))
    def twice(x):
        raise NotImplementedError("not started yet")
    """
    function = function_of(part)
    kept = [f"def {function.name}({ast.unparse(function.args)}):"]
    words = ast.get_docstring(function)
    if words:
        kept.append(
            textwrap.indent(f'"""{words}' + ("\n" if "\n" in words else "") + '"""', "    ")
        )
    return "\n".join([*kept, '    raise NotImplementedError("not started yet")'])


def example_calls(part: Part) -> list[tuple[str, str]]:
    """(call, its arguments) as text, for each line of examples.

    >>> example_calls(Part("examples", "twice", "twice(3)"))
    [('twice(3)', '(3,)')]
    """
    calls = []
    for node in ast.parse(part.text).body:
        call = node.value if isinstance(node, ast.Expr) else None
        if not isinstance(call, ast.Call) or ast.unparse(call.func) != part.name or call.keywords:
            raise ValueError(
                f"examples of {part.name} are calls such as {part.name}(3), one a line"
            )
        arguments = "".join(f"{ast.unparse(arg)}, " for arg in call.args)
        calls.append((ast.unparse(call), f"({arguments.rstrip()})"))
    return calls
