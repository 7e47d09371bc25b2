"""Files that are whole or not there: written beside their place first, then moved into it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from .extras import need

ABOUT = "flatten_edu"
PART = ".part"


def parts_left(folder: str | Path) -> list[Path]:
    """What writers that were killed left behind in a folder: files that were never whole."""
    return sorted(Path(folder).glob(f".*{PART}"))


def check_folder(path: Path) -> None:
    """Raise a FileExistsError in one line if there is a file where a folder is to be."""
    above = (path, *path.parents)
    file = next((part for part in above if part.exists() and not part.is_dir()), None)
    if file is not None:
        raise FileExistsError(f"output must be a folder, but {file} is a file")


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A path to write to; it takes the place of `path` when the block ends without an error.

    Whoever reads `path` sees the old file or the new one, never a part, also after a power cut.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with written_whole(f"{folder}/note.txt") as part:
    ...         _ = part.write_text("all of it")
    ...     [file.name for file in Path(folder).iterdir()]
    ['note.txt']
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        yield part
        with open(part, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def hold(folder: str | Path) -> int | None:
    """Keep every other run out of a folder until `let_go`, or until this process ends.

    Nothing is written for it. Where the system has no such lock (Windows) nobody is kept out.

    Returns:
        What `let_go` takes.

    Raises:
        FileExistsError: if another run holds the folder.
    """
    try:
        import fcntl
    except ImportError:
        return None
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise FileExistsError(
            f"output {folder} is being written by another run; wait for it, or choose another "
            "folder"
        ) from None
    except OSError:  # a file system without locks
        os.close(held)
        return None
    return held


def let_go(held: int | None) -> None:
    """Let others into a folder that `hold` kept."""
    if held is not None:
        os.close(held)


def write_text(path: str | Path, text: str) -> None:
    """The text as a file in UTF-8, whole or not there."""
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def append_line(path: str | Path, line: str) -> None:
    """One more line at the end of a file, on the disk when this returns."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def save_weights(path: str | Path, tensors: dict[str, Tensor], about: dict) -> None:
    """Tensors by name as a safetensors file that says what it is, whole or not there.

    Args:
        path: where to.
        tensors: a model's `state_dict`.
        about: kept beside the tensors, as JSON; `read_about` gives it back. One key, because the
            order of several is not fixed: the same weights are the same bytes.
    """
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with written_whole(path) as part:
        need("safetensors.torch").save_file(plain, part, metadata={ABOUT: json.dumps(about)})


def read_about(path: str | Path) -> dict:
    """What a file of `save_weights` says about itself; empty for anybody else's safetensors file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no safetensors file.
    """
    path = Path(path)
    if not path.is_file():
        inside = path / "best.safetensors"
        hint = f"; did you mean {inside}?" if inside.is_file() else ""
        raise FileNotFoundError(
            f"{path} is a folder{hint}" if path.is_dir() else f"there is no file {path}"
        )
    library = need("safetensors")
    try:
        with library.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except OSError:
        raise
    except Exception as error:  # its own, and those of Python for what it cannot decode
        raise ValueError(f"{path} is no safetensors file ({error})") from error
    try:
        about = json.loads(metadata.get(ABOUT, "{}"))
    except ValueError as error:
        raise ValueError(f"what {path} says about itself is damaged ({error})") from error
    return checked(about, path)


def read_json(path: str | Path) -> Any:
    """What a file of JSON says.

    Raises:
        ValueError: if it is damaged; the line names it.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error})") from error


def checked(about: Any, path: Path, /, **kinds: type | tuple[type, ...]) -> dict:
    """What a file says, if it is a dict with these entries of these kinds; else a ValueError.

    >>> checked({"model": "deit_nano"}, Path("run.json"), model=str)
    {'model': 'deit_nano'}
    >>> checked({"model": 3}, Path("run.json"), model=str)
    Traceback (most recent call last):
        ...
    ValueError: run.json is damaged, or not of this package: it has no right model
    """
    wrong = [name for name in kinds if not isinstance(about, dict)
             or not isinstance(about.get(name), kinds[name])]  # fmt: skip
    if wrong or not isinstance(about, dict):
        missing = f"it has no right {', '.join(wrong)}" if wrong else "it holds no entries by name"
        raise ValueError(f"{path} is damaged, or not of this package: {missing}")
    return about
