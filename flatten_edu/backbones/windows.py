"""Attention inside windows of a map: Swin's squares, which may be shifted, and CSwin's stripes.

A map need not be full of windows: it is cut into at most four rectangles (the part that whole
windows fill, what is left on the right, below, and in the corner), each with windows of one size.
So there is no padding that would have to be masked, and every mechanism sees real tokens alone.
"""

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from ..attention import TokenMixer

Grid = tuple[int, int]


class WindowMixer(nn.Module):
    """A `TokenMixer` inside windows: q, k, v b (y x) c -> b (y x) c.

    Args:
        mixer: what mixes the tokens of a window.
        window: (rows, columns) of a window; None takes the whole side of any map.
        shift: by how many (rows, columns) the windows are moved around the border; a side that
            one window fills is not shifted.
        places: a convolution on the values of a window, added to the output (CSwin's LePE).
    """

    def __init__(
        self,
        mixer: TokenMixer,
        window: tuple[int | None, int | None],
        shift: Grid = (0, 0),
        places: nn.Module | None = None,
    ):
        super().__init__()
        self.mixer, self.places = mixer, places
        self.window, self.shift = window, shift

    def forward(self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, *_: object) -> Tensor:
        """Mix within each window, b (y x) c -> b (y x) c; q, k and v have one grid."""
        window = fit_window(self.window, grid)
        if window == grid:
            return self.mix(q, k, v, grid)
        shift = (
            self.shift[0] if window[0] < grid[0] else 0,
            self.shift[1] if window[1] < grid[1] else 0,
        )
        maps = [rearrange(t, "b (y x) c -> b y x c", y=grid[0]) for t in (q, k, v)]
        if any(shift):
            maps = [t.roll((-shift[0], -shift[1]), dims=(1, 2)) for t in maps]
        mixed = self.in_rectangles(maps, window, self.regions(grid, shift, q))
        if any(shift):
            mixed = mixed.roll(shift, dims=(1, 2))
        return rearrange(mixed, "b y x c -> b (y x) c")

    def in_rectangles(self, maps: list[Tensor], window: Grid, regions: Tensor | None) -> Tensor:
        """Cut maps b y x c into rectangles, mix in the windows of each, and join: b y x c."""
        rows = []
        for top, bottom, height in cuts(maps[0].shape[1], window[0]):
            row = []
            for left, right, width in cuts(maps[0].shape[2], window[1]):
                parts = [t[:, top:bottom, left:right] for t in maps]
                area = None if regions is None else regions[:, top:bottom, left:right]
                row.append(self.in_windows(parts, (height, width), area))
            rows.append(torch.cat(row, dim=2) if len(row) > 1 else row[0])
        return torch.cat(rows, dim=1) if len(rows) > 1 else rows[0]

    def in_windows(self, maps: list[Tensor], window: Grid, regions: Tensor | None) -> Tensor:
        """Mix in windows that fill the maps b y x c."""
        h, w = window
        q, k, v = (rearrange(t, "b (y h) (x w) c -> (b y x) (h w) c", h=h, w=w) for t in maps)
        mask = None if regions is None else region_mask(regions, window, maps[0].dtype)
        return rearrange(
            self.mix(q, k, v, window, mask),
            "(b y x) (h w) c -> b (y h) (x w) c",
            y=maps[0].shape[1] // h,
            x=maps[0].shape[2] // w,
            h=h,
        )

    def mix(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """Mix all tokens of each window, b (y x) c."""
        mixed = self.mixer(q, k, v, grid, mask=mask)
        if self.places is None:
            return mixed
        local = self.places(rearrange(v, "b (y x) c -> b y x c", y=grid[0]))
        return mixed + rearrange(local, "b y x c -> b (y x) c")

    def regions(self, grid: Grid, shift: Grid, like: Tensor) -> Tensor | None:
        """After a shift, which tokens of a window were neighbours before: a label each, 1 y x."""
        if not any(shift) or not self.mixer.mechanism.takes_mask:
            return None
        rows, columns = (
            (torch.arange(side, device=like.device) >= side - moved).long()
            for side, moved in zip(grid, shift, strict=True)
        )
        return repeat(rows, "y -> 1 y x", x=grid[1]) * 2 + columns

    def extra_repr(self) -> str:
        """What stands in the module's printed form."""
        return f"window={self.window}, shift={self.shift}"


def fit_window(window: tuple[int | None, int | None], grid: Grid) -> Grid:
    """The window's size on a map: never larger than the map, on either side.

    >>> fit_window((None, 7), (14, 5))
    (14, 5)
    """
    rows, columns = (min(w or side, side) for w, side in zip(window, grid, strict=True))
    return rows, columns


def cuts(side: int, window: int) -> list[tuple[int, int, int]]:
    """Where a side is cut: (start, stop, length of a window there).

    >>> cuts(30, 7)
    [(0, 28, 7), (28, 30, 2)]
    """
    whole = side - side % window
    return [
        (start, stop, length)
        for start, stop, length in ((0, whole, window), (whole, side, side - whole))
        if start < stop
    ]


def region_mask(regions: Tensor, window: Grid, dtype: torch.dtype) -> Tensor:
    """What to add to the scores in each window: 0 within a region, -100 between two; w n n."""
    labels = rearrange(regions, "1 (y h) (x w) -> (y x) (h w)", h=window[0], w=window[1])
    apart = rearrange(labels, "w n -> w n 1") != rearrange(labels, "w m -> w 1 m")
    return apart.to(dtype) * -100
