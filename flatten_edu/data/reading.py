"""Files of pictures of every kind as red, green and blue; and which of them cannot be read."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..extras import need


def open_picture(entry: dict) -> Any:
    """A `PIL.Image` in RGB: grey is three equal colours, what is transparent shows white.

    Args:
        entry: {"path": ..., "bytes": ...}, as `datasets` gives images that are not decoded.

    Raises:
        OSError, SyntaxError, ValueError: if the file is broken; PIL has no single error for it.
    """
    library = need("PIL.Image")
    content = entry["bytes"]
    with library.open(entry["path"] if content is None else io.BytesIO(content)) as opened:
        opened.load()
        picture = need("PIL.ImageOps").exif_transpose(opened)
    if picture.mode.startswith("I"):
        # 16 bits a pixel; PIL would cut off what is above 255.
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = library.new("RGBA", picture.size, "white")
        picture = library.alpha_composite(white, picture)
    return picture.convert("RGB")


def is_readable(entry: dict) -> bool:
    """Whether the whole file can be read; JPEGs at an eighth of their size, which is quick."""
    try:
        content = entry["bytes"]
        library = need("PIL.Image")
        with library.open(entry["path"] if content is None else io.BytesIO(content)) as picture:
            picture.draft("RGB", (picture.width // 8 or 1, picture.height // 8 or 1))
            picture.load()
            return min(picture.size) > 0
    except ImportError:
        raise
    except Exception:  # a broken file may raise anything inside PIL
        return False


def unreadable(source: Any, column: str) -> list[int]:
    """Numbers of the rows whose picture is broken, found by several threads."""

    def broken(row: int) -> bool:
        return not is_readable(source[row][column])

    rows = range(len(source))
    with ThreadPoolExecutor() as pool:
        return [row for row, found in zip(rows, pool.map(broken, rows), strict=True) if found]


def name_of(entry: dict, fallback: str, root: Path | None = None) -> str:
    """What to call a picture: its path below the folder, or where it stands.

    >>> name_of({"path": "/pictures/cats/1.png", "bytes": None}, "row 7", Path("/pictures"))
    'cats/1.png'
    """
    path = entry.get("path")
    if not path:
        return fallback
    for folder in () if root is None else (root, root.absolute(), root.resolve()):
        if Path(path).is_relative_to(folder):
            return str(Path(path).relative_to(folder))
    return str(path)


def report(names: tuple[str, ...], all: int, most: int = 10) -> str:
    """One line on the pictures that are left out.

    >>> report(("a.png", "b.png"), 200)
    '2 of 200 images cannot be read and are skipped: a.png, b.png'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    verb = "cannot be read and are skipped" if len(names) > 1 else "cannot be read and is skipped"
    return f"{len(names)} of {all} images {verb}: {', '.join(names[:most])}{more}"
