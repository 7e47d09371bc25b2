"""The folder of a run: what it was, its metrics as they come, its weights, and where it stands.

    run.json            what is trained, on what, how; the versions; the device
    metrics.jsonl       a line an epoch
    best.safetensors    weights of the epoch with the highest validation accuracy
    last.safetensors    weights of the last epoch
    state.pt            everything that a stopped run needs to go on

Each file is whole at any moment. state.pt is written last and decides: what stands in the others
beyond it is written again by the run that goes on.
"""

import dataclasses
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..files import (
    append_line,
    check_folder,
    checked,
    hold,
    let_go,
    parts_left,
    read_json,
    save_weights,
    write_text,
    written_whole,
)
from .recipe import Recipe

# What a setting is that a file says nothing of.
DEFAULTS = dataclasses.asdict(Recipe())
# What must not change when a run goes on.
IDENTITY = ("model", "options", "arm", "data", "recipe", "seed", "parameters")


class RunFolder:
    """The files of one run. Nothing is written before `begin`.

    Args:
        path: the folder; None keeps nothing.
        about: what stands in run.json.
        resume: whether to go on with the run that is there.
        writes: whether this process writes; of several only the first does.

    Raises:
        FileExistsError: if the folder holds something and `resume` is False.
        FileNotFoundError: if there is no run to go on with.
        ValueError: if the run that is there is another one; the line says in what.
    """

    def __init__(self, path: str | Path | None, about: dict, resume: bool, writes: bool = True):
        self.path = None if path is None else Path(path)
        self.about = about
        self.writes = writes and self.path is not None
        self.resume = resume
        self.held: int | None = None
        if self.path is None:
            if resume:
                raise ValueError("resume needs output, the folder of the run to go on with")
        elif resume:
            check_same(read_run(self.path), about, self.path)
        else:
            check_empty(self.path)

    def begin(self, rows: list[dict[str, float]]) -> None:
        """Make the folder, say what it is about, and write the rows of the epochs so far."""
        if self.path is None or not self.writes:
            return
        with self.writing():
            self.path.mkdir(parents=True, exist_ok=True)
            self.hold()
            for part in parts_left(self.path):
                part.unlink(missing_ok=True)
            if not (self.path / "run.json").exists():
                write_text(self.path / "run.json", json.dumps(self.about, indent=2) + "\n")
            write_text(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    def hold(self) -> None:
        """Keep every other run out; one that came in between has begun to write already."""
        assert self.path is not None
        self.held = hold(self.path)
        if not self.resume:
            check_empty(self.path)

    def end(self) -> None:
        """Let others in."""
        let_go(self.held)
        self.held = None

    def add(self, row: dict[str, float]) -> None:
        """One more line of metrics."""
        if self.writes and self.path is not None:
            with self.writing():
                append_line(self.path / "metrics.jsonl", json.dumps(row))

    def save_weights(self, name: str, tensors: dict[str, Tensor], row: dict[str, float]) -> None:
        """Weights of an epoch as NAME.safetensors, with all that it takes to use them again."""
        if self.writes and self.path is not None:
            with self.writing():
                about = self.about | {"metrics": row, "epoch": row["epoch"]}
                save_weights(self.path / f"{name}.safetensors", tensors, about)

    def save_state(self, state: dict[str, Any]) -> None:
        """Where the run stands."""
        if self.writes and self.path is not None:
            content = io.BytesIO()
            torch.save(state | {"rows": json.dumps(state["rows"])}, content)
            with self.writing(), written_whole(self.path / "state.pt") as part:
                part.write_bytes(content.getbuffer())

    def load_state(self) -> dict[str, Any] | None:
        """Where the run stood when it was last written down, or None."""
        if self.path is None or not (self.path / "state.pt").exists():
            return None
        try:
            state = torch.load(self.path / "state.pt", map_location="cpu", weights_only=True)
            checked(state, self.path, model=dict, optimizer=dict, epoch=int, step=int, loss=float)
            return state | {"rows": json.loads(state["rows"])}
        except OSError:
            raise
        except Exception as error:  # a damaged pickle ends in errors of every kind
            raise self.damaged() from error

    def damaged(self) -> ValueError:
        """What is said of a state that no run can go on from."""
        return ValueError(
            f"{self.path and self.path / 'state.pt'} is damaged, so the run cannot go on; its "
            "weights can still be evaluated"
        )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Say in one line what could not be written, and how to go on."""
        try:
            yield
        except FileExistsError:
            raise
        except Exception as error:  # torch and safetensors have their own for a full disk
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            begun = self.path is not None and (self.path / "run.json").exists()
            left = (
                "what was written before is whole, and the run can go on from there with --resume"
                if begun
                else "nothing was written, so start again when there is room"
            )
            raise OSError(f"cannot write to {self.path}: {reason}; {left}") from error


def check_empty(path: Path) -> None:
    """Raise a FileExistsError in one line unless the folder is free for a new run."""
    check_folder(path)
    if path.is_dir() and set(path.iterdir()) - set(parts_left(path)):
        if (path / "run.json").exists():
            what = "already holds a run: go on with it by --resume, or choose"
        else:
            what = "already holds other files: choose"
        raise FileExistsError(f"output {path} {what} another folder")


def read_run(path: Path) -> dict:
    """What run.json says.

    Raises:
        FileNotFoundError: if the folder holds no run.
    """
    try:
        about = read_json(path / "run.json")
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(
            f"output {path} holds no run to go on with; leave out --resume to start one"
        ) from None
    words = {"model": (str, type(None)), "arm": (str, type(None)), "data": str, "options": dict}
    return {"arm": None} | checked(about, path / "run.json", recipe=dict, seed=int, **words)


def check_same(there: dict, asked: dict, path: Path) -> None:
    """Raise a ValueError in one line if the run that is there is not the one that is asked for."""
    asked = json.loads(json.dumps(asked))
    for key in IDENTITY:
        old, new = there.get(key), asked.get(key)
        if key == "recipe":
            old, new = (DEFAULTS | (words or {}) for words in (old, new))
        if old == new:
            continue
        if key == "parameters":
            raise ValueError(
                f"output {path} holds a run whose model had other parameters than this one: "
                "its code has changed; start a new run in another folder"
            )
        if isinstance(old, dict) and isinstance(new, dict):
            key = next(name for name in (*old, *new) if old.get(name) != new.get(name))
            old, new = old.get(key), new.get(key)
        raise ValueError(
            f"output {path} holds a run with {key}={old!r}, but {key}={new!r} was asked for; "
            f"go on with {key}={old!r}, or start a new run in another folder"
        )
