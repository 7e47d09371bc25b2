"""The frames behind `explore`: a picture drawn once for each combination of its sliders' values."""

from __future__ import annotations

import base64
import io
import itertools
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ._sliders import Slider
from ._small import small_png

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

# Front ends may answer sliders in a thread of their own; matplotlib draws one figure at a time.
_DRAWING = threading.RLock()

Positions = tuple[int, ...]


@dataclass(frozen=True)
class Frame:
    """One drawn picture: a PNG, its size in pixels, its alternative text, the words under it."""

    png: bytes
    width: int
    height: int
    alt: str
    caption: str

    @property
    def pixels(self) -> np.ndarray:
        """The picture, y x rgb."""
        import numpy as np
        from PIL import Image

        return np.asarray(Image.open(io.BytesIO(self.png)).convert("RGB"))

    def small(self, over: Frame | None = None) -> Frame:
        """The same for a saved page; with `over`, only what differs from that frame below it."""
        return replace(self, png=small_png(self.pixels, over.pixels if over else None))

    @property
    def source(self) -> str:
        """The PNG as an address that holds all of it."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")

    def message(self) -> dict[str, str]:
        """What the browser needs to show the frame."""
        return {"src": self.source, "alt": self.alt, "caption": self.caption}


class Frames:
    """The pictures over a grid of positions, each drawn when it is first asked for, and kept."""

    def __init__(self, picture: Callable[..., Figure], sliders: list[Slider]) -> None:
        self.picture = picture
        self.sliders = sliders
        self.start: Positions = tuple(slider.start for slider in sliders)
        self.drawn: dict[Positions, Frame] = {}

    def grid(self) -> list[Positions]:
        """Every combination of positions; the last slider runs fastest."""
        return list(itertools.product(*(range(len(slider.values)) for slider in self.sliders)))

    def values(self, positions: Positions) -> dict[str, Any]:
        """The picture's arguments at these positions."""
        return {s.name: s.values[i] for s, i in zip(self.sliders, positions, strict=True)}

    def call(self, positions: Positions) -> str:
        """The call that draws this frame, as one would write it."""
        values = self.values(positions).items()
        arguments = ", ".join(f"{name}={value!r}" for name, value in values)
        return f"{self.picture.__name__}({arguments})"

    def draw(self, positions: Positions) -> Frame:
        """The frame at these positions; an error of the picture passes, with its call noted."""
        with _DRAWING:
            if positions not in self.drawn:
                try:
                    self.drawn[positions] = self._draw(positions)
                except Exception as error:
                    error.add_note(f"while drawing {self.call(positions)}")
                    raise
            return self.drawn[positions]

    def _draw(self, positions: Positions) -> Frame:
        figure = self.picture(**self.values(positions))
        pixels = render(figure, self.picture.__name__)
        height, width, _ = pixels.shape
        caption = str(getattr(figure, "alt", ""))
        alt = caption or f"Picture drawn by {self.call(positions)}"
        return Frame(png(pixels), width, height, alt, caption)


def render(figure: Figure, name: str) -> np.ndarray:
    """The figure's pixels on white, y x rgb, at the figure's own resolution."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not isinstance(figure, Figure):
        raise TypeError(
            f"{name} must return a matplotlib Figure, got {type(figure).__name__}; "
            f"end it with `return figure`"
        )
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    rgba = np.asarray(canvas.buffer_rgba()).astype(np.float32)
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close(figure)  # a figure made with plt.subplots would be shown a second time
    opacity = rgba[..., 3:] / 255
    return (rgba[..., :3] * opacity + 255 * (1 - opacity)).round().astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """A PNG with all colours, packed lightly: the reader waits for it."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
