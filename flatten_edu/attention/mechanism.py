"""The small interface that every mechanism keeps, so that one module can switch between them.

A mechanism does two things. `prepare` sees queries and keys over the full width and may change
them (the focused features do, softmax does not). `forward` mixes the values, one head at a time.
"""

from collections.abc import Callable

from torch import Tensor, nn

Grid = tuple[int, int]


class Mechanism(nn.Module):
    """What `attention=` stands for. Subclass it, or give a plain function (q, k, v)."""

    # Whether there are scores that a mask can be added to.
    takes_mask = False
    # Whether tokens meet through a map between tokens, which can be looked at.
    has_map = True

    def prepare(self, q: Tensor, k: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        """Queries b n c and keys b m c before the heads are split; `grid` is that of the keys."""
        return q, k

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """q b h n d, k b h m d, v b h m e -> b h n e; what has no scores ignores the mask."""
        raise TypeError(f"{type(self).__name__} must define forward(q, k, v, grid, mask)")

    def cross(
        self, q: Tensor, k: Tensor, v: Tensor, query_grid: Grid, grid: Grid, mask: Tensor | None
    ) -> Tensor:
        """`forward` where queries may have a grid of their own; most do not ask for it."""
        return self(q, k, v, grid, mask)

    def mixing(
        self, q: Tensor, k: Tensor, v: Tensor, query_grid: Grid, grid: Grid, mask: Tensor | None
    ) -> Tensor:
        """The part that is linear in the values, of any width: its map is what it makes of 1."""
        return self.cross(q, k, v, query_grid, grid, mask)


class Function(Mechanism):
    """Anybody's function (q, k, v) -> b h n d.

    >>> Function(lambda q, k, v: v.mean(2, keepdim=True).expand_as(v))
    Function(<lambda>)
    """

    def __init__(self, function: Callable[[Tensor, Tensor, Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """The function's result, after a look at its shape."""
        mixed = self.function(q, k, v)
        expected = (*q.shape[:3], v.shape[3])
        if not isinstance(mixed, Tensor) or mixed.shape != expected:
            found = tuple(mixed.shape) if isinstance(mixed, Tensor) else type(mixed).__name__
            raise ValueError(
                f"attention function {name_of(self.function)} must return b h n d = "
                f"{tuple(expected)}, but returned {found}"
            )
        return mixed

    def extra_repr(self) -> str:
        """The function's name, in the module's printed form."""
        return name_of(self.function)


def name_of(attention: str | Callable) -> str:
    """A short name for labels and messages: the name itself, or the function's."""
    if isinstance(attention, str):
        return attention
    return getattr(attention, "__name__", type(attention).__name__)
