"""The live widget of `explore`: it draws the frames that a slider asks for, and the next ahead."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from typing import Any

import anywidget
import traitlets

from ._card import card, names_and_labels, script
from ._frames import Frames, Positions

# A pause in the reader's steps, in seconds, after which neighbours are drawn ahead.
_PAUSE = 0.03


class Live(anywidget.AnyWidget):
    """A card whose sliders are answered by this kernel.

    `positions` comes from the browser. Frames go back as messages and stay there, so a visited
    value is shown without asking. An error of the picture goes back as well, and stays in `errors`.
    """

    # A widget of its own for each call, with its own frames.
    _esm = (
        script()
        + """
export default () => {
  const frames = {};
  return { render: (context) => showLive(context, frames) };
};
"""
    )
    figure = traitlets.Unicode().tag(sync=True)
    sliders = traitlets.List().tag(sync=True)
    start = traitlets.List(traitlets.Int()).tag(sync=True)
    positions = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.errors: list[Exception] = []
        self._pending: asyncio.TimerHandle | None = None
        super().__init__(
            figure=card(frames.draw(frames.start)),
            sliders=names_and_labels(frames.sliders),
            start=list(frames.start),
            positions=list(frames.start),
        )
        self.observe(self._moved, "positions")
        self.on_msg(self._asked)

    def view(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The output that shows this widget, and its metadata."""
        return self._repr_mimebundle_() or ({}, {})

    def _moved(self, change: dict[str, Any]) -> None:
        before, now = tuple(change["old"]), tuple(change["new"])
        self._answer(now)
        self._draw_ahead(_neighbours(self.frames, before, now))

    def _asked(self, _: Any, message: str, buffers: Any) -> None:
        now = tuple(self.positions)
        if message == "again":
            self._answer(now)
        elif message == "ahead":
            self._draw_ahead(_neighbours(self.frames, now, now))

    def _answer(self, at: Positions) -> None:
        try:
            message = self.frames.draw(at).message()
        except Exception as error:
            self.errors.append(error)
            says = " ".join(str(error).split())
            line = f"{self.frames.call(at)} failed with {type(error).__name__}: {says}"
            text = "".join(traceback.format_exception(error))
            message = {"error": line, "traceback": text}
        self.send({"at": at, **message})

    def _draw_ahead(self, ahead: list[Positions]) -> None:
        """Draw these frames one by one while no slider moves."""
        if self._pending:
            self._pending.cancel()
        if not ahead:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # no kernel: nothing is idle
            return
        self._pending = loop.call_later(_PAUSE, self._draw_next, ahead)

    def _draw_next(self, ahead: list[Positions]) -> None:
        at, *others = ahead
        with contextlib.suppress(Exception):  # it is told when the reader gets there
            self.send({"at": at, **self.frames.draw(at).message()})
        self._draw_ahead(others)


def _neighbours(frames: Frames, before: Positions, now: Positions) -> list[Positions]:
    """The positions one step away that are not drawn yet; first the one that goes on as before."""
    steps = []
    for i, slider in enumerate(frames.sliders):
        for step in (1, -1):
            if 0 <= now[i] + step < len(slider.values):
                steps.append((*now[:i], now[i] + step, *now[i + 1 :]))
    steps.sort(key=lambda at: -sum((a - b) ** 2 for a, b in zip(at, before, strict=True)))
    return [at for at in steps if at not in frames.drawn]
