"""The picture that a command leaves behind, where matplotlib is there to draw it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..extras import need

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(picture: Callable[[], Figure], path: Path) -> bool:
    """Write what the function draws as a PNG; where matplotlib is missing, a line says so.

    The words that stand for the picture, `figure.alt`, become its description.

    Returns:
        Whether there is a picture now.
    """
    from ..files import written_whole

    try:
        need("matplotlib", extra="lab")
    except ImportError as error:
        sys.stdout.write(f"no picture: {error}\n")
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part:
            figure = picture()
            about = {"Description": getattr(figure, "alt", None), "Software": None}
            figure.savefig(part, format="png", metadata=about)
    except OSError as error:
        raise OSError(f"cannot write the picture {path}: {error.strerror or error}") from error
    return True
