"""The command line: `flatten-edu COMMAND ...`, or `python -m flatten_edu COMMAND ...`.

A wrong call gets one line on standard error and exit code 2. Each command is a module of
`commands/` with `add_arguments(parser)` and `run(arguments)`, imported when it is called.
"""

from __future__ import annotations

import argparse
import atexit
import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from . import __version__

COMMANDS = {
    "doctor": "look at this machine: is everything there that the course needs?",
    "models": "list every network with its size and cost, beside the paper's",
    "train": "train a model; metrics and weights are written as they come",
    "evaluate": "measure trained weights",
    "compare": "train arms side by side on a task, with every seed a dot",
    "payoff": "time, memory and accuracy on images that grow: where linear attention wins",
    "probe": "profile an attention mechanism of yours beside the built-in ones",
    "bench": "measure what attention costs on this machine",
    "grade": "mark a folder of submitted notebooks",
}


class Parser(argparse.ArgumentParser):
    """Says in one line what was wrong, where argparse prints the whole usage."""

    commands: dict[str, Parser]

    def error(self, message: str) -> NoReturn:
        """One line on standard error, exit code 2."""
        line = " ".join(message.split())
        self.exit(2, f"flatten-edu: {line} (see {self.prog} --help)\n")

    def refuse(self, word: str, command: str) -> NoReturn:
        """Say which argument of the command looks most like this one."""
        chosen = self.commands[command]
        near = difflib.get_close_matches(word, chosen._option_string_actions, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        chosen.error(f"unknown argument {word}{hint}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program's name; None takes them from the command line.

    Returns:
        The exit code: 0 if all went well, 2 for a wrong call, 1 if the doctor finds something, 130
        if Ctrl-C ended it.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a letter shows its number; no command ends over that.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # A function of the user's own is looked for where the command is typed, as with python -m.
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        parser = make_parser(words)
        arguments, strange = parser.parse_known_args(words)
        if strange:
            parser.refuse(strange[0], arguments.command)
        return importlib.import_module(f".commands.{arguments.command}", __package__).run(arguments)
    except SystemExit as finished:
        return finished.code if isinstance(finished.code, int) else 0
    except KeyboardInterrupt:
        sys.stderr.write("flatten-edu: stopped\n")
        return 130
    except BrokenPipeError:
        # Whoever read the output, such as head, has seen enough. What is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13  # as one who ends by SIGPIPE
    except Exception as error:
        if is_torchs(error):
            sys.stderr.write(f"flatten-edu: torch cannot be imported ({one_line(error)}); "
                             "flatten-edu doctor says what to do\n")  # fmt: skip
            return 2
        if not is_expected(error):
            raise
        sys.stderr.write(f"flatten-edu: {one_line(error)}\n")
        return 2


def make_parser(words: list[str]) -> Parser:
    """The parser of all commands; only the one that is called is imported for its arguments."""
    parser = Parser(prog="flatten-edu", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--version", action="version", version=f"flatten-edu {__version__}")
    called = next((word for word in words if not word.startswith("-")), None)
    if called is not None and called not in COMMANDS:
        near = difflib.get_close_matches(called, COMMANDS, n=1, cutoff=0.0)[0]
        parser.error(f"unknown command {called!r}; did you mean {near!r}?")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    parser.commands = commands.choices  # pyright: ignore[reportAttributeAccessIssue]
    for name, help in COMMANDS.items():
        command = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        if name == called:
            importlib.import_module(f".commands.{name}", __package__).add_arguments(command)
    return parser


def one_line(error: Exception) -> str:
    """What an error says, without line breaks."""
    return " ".join(str(error).split())


def is_torchs(error: Exception) -> bool:
    """Whether torch is missing or cannot be imported: then it is not there after the error."""
    return isinstance(error, (ImportError, OSError)) and "torch" not in sys.modules


def is_expected(error: Exception) -> bool:
    """Whether the error says what was wrong with the call; all others show where they come from.

    Those are errors that this package raises itself, and files that cannot be read or written.
    """
    if isinstance(error, (OSError, FloatingPointError)):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    ours = trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith(
        "flatten_edu"
    )
    return ours and isinstance(error, (ValueError, TypeError, ImportError, MemoryError))


def end(code: int) -> NoReturn:
    """Leave Python: one of several processes without taking the interpreter apart.

    There a thread of torch's group of processes now and then outlives its owner, and a process
    aborts after its work, which its launcher takes for a failure.
    """
    if "WORLD_SIZE" in os.environ:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    end(main())
