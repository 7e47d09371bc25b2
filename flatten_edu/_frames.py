"""The frames behind `explore`: a picture drawn once for each combination of its sliders' values."""

from __future__ import annotations

import base64
import io
import itertools
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._sliders import Slider

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

# Front ends may answer sliders in a thread of their own; matplotlib draws one figure at a time.
_DRAWING = threading.RLock()

Positions = tuple[int, ...]


@dataclass(frozen=True)
class Frame:
    """One drawn picture: a PNG, its size in pixels, and its alternative text."""

    png: bytes
    width: int
    height: int
    alt: str
    caption: str

    @property
    def source(self) -> str:
        """The PNG as an address that holds all of it."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")

    def message(self) -> dict[str, str]:
        """What the browser needs to show the frame."""
        return {"src": self.source, "alt": self.alt, "caption": self.caption}


class Frames:
    """The pictures over a grid of positions, each drawn when it is first asked for, and kept."""

    def __init__(
        self, picture: Callable[..., Figure], sliders: list[Slider], colours: int | None = None
    ) -> None:
        self.picture = picture
        self.sliders = sliders
        self.colours = colours
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
        return Frame(png(pixels, self.colours), width, height, alt, caption)


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


def png(pixels: np.ndarray, colours: int | None = None) -> bytes:
    """A PNG of the pixels: all their colours, quickly, or a small file with so many colours."""
    from PIL import Image

    file = io.BytesIO()
    if colours is None:
        Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    else:
        palette, indices = reduce_colours(pixels, colours)
        image = Image.fromarray(indices)
        image.putpalette(palette.tobytes())
        image.save(file, "PNG", optimize=True)
    return file.getvalue()


def reduce_colours(pixels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A palette of at most `count` colours, and for each pixel the index of the nearest one.

    White, the mechanisms' colours and the most frequent ones stay exactly as they are. Pillow
    chooses the rest, from a list in which a colour counts little for being frequent: else white
    takes it all.
    """
    import numpy as np
    from PIL import Image

    codes = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
    exact = _exact(codes, count // 2)
    if len(np.unique(codes)) > 4096:  # a photo: the rest in steps of eight, which nobody sees
        codes = np.where(np.isin(codes, exact), codes, codes & 0xF8F8F8 | 0x040404)
    found, where, counts = np.unique(codes, return_inverse=True, return_counts=True)
    rest = ~np.isin(found, exact)
    palette = _rgb(exact)
    if rest.any():
        others = np.repeat(_rgb(found[rest]), np.minimum(counts[rest], 8), axis=0)
        chosen = Image.fromarray(others[None]).quantize(count - len(exact), kmeans=3).getpalette()
        palette = np.vstack([palette, np.array(chosen, dtype=np.uint8).reshape(-1, 3)])
    distances = _rgb(found)[:, None].astype(np.int32) - palette.astype(np.int32)
    nearest = (distances**2).sum(axis=-1).argmin(axis=1).astype(np.uint8)
    return palette, nearest[where].reshape(codes.shape)


def _exact(codes: np.ndarray, count: int) -> np.ndarray:
    """The colours that stay: those with a meaning, and so many of the most frequent ones."""
    import numpy as np

    from .plots.style import COLOURS, SHADES

    unique, counts = np.unique(codes, return_counts=True)
    named = ["#FFFFFF", *COLOURS.values(), *SHADES.values()]
    kept = np.isin(unique, [int(colour[1:], 16) for colour in named])
    kept[np.argsort(-counts, kind="stable")[:count]] = True
    return unique[kept]


def _rgb(codes: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.uint8)
