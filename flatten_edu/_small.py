"""Small PNGs for saved pages: few colours, well chosen, and only what the start frame lacks."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

COLOURS_IN_ALL = 128


def small_png(pixels: np.ndarray, under: np.ndarray | None = None) -> bytes:
    """A PNG with few colours; transparent where it equals `under`, which lies below it on the page.

    Shapes: pixels and under are y x rgb, in bytes.
    """
    import numpy as np
    from PIL import Image

    shown = np.ones(pixels.shape[:2], dtype=bool) if under is None else _differs(pixels, under)
    palette, indices = reduce_colours(pixels[shown], COLOURS_IN_ALL)
    clear = len(palette)  # one more colour: none
    whole = np.full(shown.shape, clear, dtype=np.uint8)
    whole[shown] = indices
    image = Image.fromarray(whole)
    image.putpalette(palette.tobytes() + b"\xff\xff\xff")
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, **({} if shown.all() else {"transparency": clear}))
    return file.getvalue()


def _differs(pixels: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Where the pictures differ, and one pixel round it, so that scaling them shows no seam."""
    import numpy as np
    from PIL import Image, ImageFilter

    if pixels.shape != under.shape:
        return np.ones(pixels.shape[:2], dtype=bool)
    differs = (pixels != under).any(axis=-1)
    differs[0, 0] = True  # a palette needs a colour, even where nothing differs
    return (
        np.asarray(Image.fromarray(differs.astype(np.uint8)).filter(ImageFilter.MaxFilter(3))) > 0
    )


def reduce_colours(pixels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A palette of at most `count` colours, and for each pixel the index of the nearest one.

    White, the mechanisms' colours and the most frequent ones stay exactly as they are. Pillow
    chooses the rest, from a list in which a colour counts little for being frequent: else white
    takes it all.

    Shapes: pixels ... rgb; returns colours rgb, and ... for the indices.
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
