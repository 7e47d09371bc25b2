"""`explore`: one function that turns a picture function and named values into a live figure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from ._card import page
from ._frames import Frame, Frames
from ._sliders import sliders_for
from .extras import need

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ._live import Live


def explore(picture: Callable[..., Figure], /, **values: Iterable[Any]) -> Explorer:
    """Show a picture with a slider for each of the named values.

    `picture` is a named function that returns a matplotlib Figure. The sliders start at its own
    defaults, else at their first values. The start frame is drawn at once, so an error in it fails
    the cell. Every other frame is drawn once, when a slider gets there, and kept. The attribute
    `alt` of the Figure, if it has one, is the picture's alternative text and stands under it.

    With FLATTEN_EDU_FRAMES=1 in the environment the frames are written into the output instead:
    such a page needs no kernel.

    >>> from matplotlib.figure import Figure
    >>> def line(slope=1):
    ...     figure = Figure(figsize=(3, 2))
    ...     figure.subplots().plot([0, 1], [0, slope])
    ...     figure.alt = f"A line of slope {slope}."
    ...     return figure
    >>> fe.explore(line, slope=[1, 2, 3])
    explore(line, slope=[1, 2, 3])

    Raises TypeError where the picture is no named function, where a name is not one of its
    parameters, or where it returns no Figure; ValueError where values are missing or not finite.
    """
    sliders = sliders_for(picture, values)
    saved = os.environ.get("FLATTEN_EDU_FRAMES") == "1"
    frames = Frames(picture, sliders)
    frames.draw(frames.start)
    explorer = Explorer(frames, saved)
    explorer.show()
    return explorer


class Explorer:
    """A picture with its sliders: what `explore` returns.

    `values` are the sliders' present values, `errors` what the picture raised under them, and
    `sweep()` draws every combination.
    """

    def __init__(self, frames: Frames, saved: bool) -> None:
        self.frames = frames
        self.saved = saved
        self.live: Live | None = None
        self._cell: int | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The present value of each slider, by name."""
        return self.frames.values(tuple(self.live.positions) if self.live else self.frames.start)

    @property
    def errors(self) -> list[Exception]:
        """The errors that were shown in place of a picture."""
        return self.live.errors if self.live else []

    def sweep(self) -> list[Frame]:
        """Draw every combination of the values; an error says in its notes at which values."""
        return [self.frames.draw(at) for at in self.frames.grid()]

    def show(self) -> None:
        """Display the figure where this is called; outside of a notebook nothing happens."""
        shell = _shell()
        if shell is None:
            return
        from IPython.display import display

        self._cell = shell.execution_count
        data, metadata = self._bundle()
        display(data, metadata=metadata, raw=True)

    def _bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        still = self.frames.draw(self.frames.start).small().source.partition(",")[2]
        plain = {"image/png": still, "text/plain": repr(self)}  # for viewers without HTML
        if self.saved or not self.frames.sliders:
            return {"text/html": page(self.frames), **plain}, {}
        if self.live is None:
            self.live = cast("Live", need("flatten_edu._live", extra="lab").Live(self.frames))
        data, metadata = self.live.view()
        return {**data, **plain}, metadata

    def _ipython_display_(self) -> None:
        # `explore` has shown the figure; as the last line of that cell it is not shown again.
        shell = _shell()
        if shell is None or shell.execution_count != self._cell:
            self.show()

    def __repr__(self) -> str:
        values = "".join(f", {s.name}={list(s.values)!r}" for s in self.frames.sliders)
        return f"explore({self.frames.picture.__name__}{values})"


def _shell() -> Any:
    """The notebook's IPython, or None in plain Python."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return None
    return get_ipython()
