"""flatten-edu bench: what attention costs on this machine, layer and networks."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..extras import need
from ..files import write_text
from .drawing import draw

if TYPE_CHECKING:
    from ..bench import Result, Settings

_NUMBERS = ("width", "heads", "batch", "rounds", "threads")
_QUICK = {
    "tokens": (49, 196, 784, 3136),
    "training": (784,),
    "compiled": (),
    "models": (),
    "rounds": 3,
    "seconds": 0.2,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What stands after `flatten-edu bench`."""
    from ..bench.settings import ALLOCATORS, CLOCKS, DTYPES, Settings

    parser.argument_default = argparse.SUPPRESS
    add, usual = parser.add_argument, Settings()
    many = ", ".join(map(str, usual.tokens))
    add("--quick", action="store_true", help="a minute: few sizes, no compiler, no networks")
    add("--tokens", type=int, nargs="*", help=f"numbers of tokens, forward ({many})")
    add("--training", type=int, nargs="*", help="the same for forward and backward")
    add("--compiled", type=int, nargs="*", help="the same for the compiled form; none skips it")
    add("--attention", nargs="*", help="others by name, such as agent, or module:function")
    add("--models", nargs="*", help=f"networks ({' '.join(usual.models)}); none skips them")
    add("--images", type=int, nargs="*", help="sides of their images (224 448)")
    add("--compile-models", nargs="*", help="those that are measured with compiled blocks as well")
    for name in _NUMBERS:
        add(f"--{name}", type=positive, help=f"({getattr(usual, name)})")
    add("--seconds", type=float, help=f"each group of forms gets so long ({usual.seconds})")
    add("--device", help="cpu, cuda, cuda:1, ... (cpu)")
    add("--dtype", choices=DTYPES, help="(float32)")
    add("--clock", choices=CLOCKS, help="cpu counts the thread's own time, for a busy machine")
    add("--allocator", choices=ALLOCATORS, help="what becomes of freed memory (keep)")
    add("--output", type=Path, help="where results go, without ending (runs/bench_DEVICE)")


def make_known(name: str) -> None:
    """Let "module:function" stand for that function, as it does in compare and probe."""
    from ..arms import resolve
    from ..attention.mechanism import Function
    from ..attention.registry import register

    if ":" in name:
        function = resolve(name)
        assert callable(function)
        register(name, lambda **_: Function(function))  # pyright: ignore[reportArgumentType]


def positive(word: str) -> int:
    """A whole number from 1 on."""
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, but is {number}")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Measure, print the tables, write numbers, page and picture."""
    from ..bench import measure

    given = vars(arguments)
    for name in given.get("attention", ()):
        make_known(name)
    settings = settings_of(given)
    for module, extra in (("rich", "train"), ("matplotlib", "lab")):
        need(module, extra)
    output = Path(given.get("output", f"runs/bench_{settings.device.replace(':', '')}"))
    output.parent.mkdir(parents=True, exist_ok=True)
    with shown(settings) as progress:
        result = measure(settings, command_of(sys.argv[1:]), progress)
    written = write(result, output)
    show(result)
    sys.stdout.write(f"written: {', '.join(map(str, written))}\n")
    if result.stopped:
        sys.stderr.write("flatten-edu: stopped; what was measured is written\n")
        return 130
    return 0


def settings_of(given: dict) -> Settings:
    """The settings that the arguments ask for; a wrong one is refused before anything runs."""
    from ..backbones import create_model
    from ..bench import Settings

    known = {field.name for field in dataclasses.fields(Settings)}
    chosen: dict[str, Any] = dict(_QUICK) if given.get("quick") else {}
    for name, value in given.items():
        if name in known:
            chosen[name] = tuple(value) if isinstance(value, list) else value
    settings = Settings(**chosen)
    for name in settings.models:
        create_model(name)
    return settings


def command_of(words: list[str]) -> str:
    """What was typed, as it is typed anywhere.

    >>> command_of(["bench", "--quick"])
    'flatten-edu bench --quick'
    """
    return shlex.join(["flatten-edu", *words])


@contextmanager
def shown(settings: Settings) -> Iterator[Callable[[str, int], None]]:
    """A bar over all rounds of all groups, on a terminal."""
    rich = need("rich.progress")
    console = need("rich.console").Console(stderr=True)
    bar = rich.Progress(
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("products", total=settings.groups() * settings.rounds)
        yield lambda title, rounds: bar.update(task, description=title, advance=rounds)


def show(result: Result) -> None:
    """The tables on standard output."""
    from ..bench import tables
    from ..bench.report import heading

    rich, console = need("rich.table"), need("rich.console").Console()
    console.print(heading(result), style="dim", highlight=False)
    for table in tables(result):
        drawn = rich.Table(title=table.title, title_justify="left", show_header=any(table.heads))
        for place, head in enumerate(table.heads):
            drawn.add_column(head, justify="right" if place else "left")
        for row in table.rows:
            drawn.add_row(*row)
        console.print(drawn)


def write(result: Result, output: Path) -> list[Path]:
    """Numbers as JSON, tables as Markdown, and a picture where there are sizes enough."""
    from ..bench import to_markdown
    from ..plots.cost import cost

    numbers, page, picture = (
        output.with_name(output.name + end) for end in (".json", ".md", ".png")
    )
    found = result.to_json()
    rows = ",\n".join(json.dumps(row) for row in found.pop("rows"))
    head = json.dumps(found, indent=1).removesuffix("\n}")
    write_text(numbers, f'{head},\n "rows": [\n{rows}\n]}}\n')
    write_text(page, to_markdown(result))
    if sum(row.size > 700 for row in result.of("forward", "focused").values()) < 2:
        return [numbers, page]
    drawn = draw(lambda: cost(result.times()), picture)
    return [numbers, page, picture] if drawn else [numbers, page]
