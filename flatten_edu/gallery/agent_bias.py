"""The biases of agent attention: tables of where each agent looks, at the size of any grid."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..attention.checks import widened
from ..attention.mechanism import Grid


class Bias(nn.Module):
    """One number for each agent and place: a square table, one vector a row, one a column.

    Args:
        heads, agents: h and a.
        grid: (rows, columns) that the vectors are made for.
        class_token: whether a token in front has numbers of its own; others in front have 0.
    """

    def __init__(self, heads: int, agents: int, grid: Grid, class_token: bool):
        super().__init__()
        shapes = [(7, 7), (grid[0], 1), (1, grid[1])]
        tables = [torch.empty(heads, agents, *shape) for shape in shapes]
        self.tables = nn.ParameterList(nn.init.trunc_normal_(table, std=0.02) for table in tables)
        first = torch.empty(heads, agents, 1)
        self.first = nn.Parameter(nn.init.trunc_normal_(first, std=0.02)) if class_token else None

    def forward(self, grid: Grid, extra: int) -> Tensor:
        """h a (extra + y x)."""
        bias = rearrange(place_bias(*self.tables, grid=grid), "h a y x -> h a (y x)")
        if self.first is not None and extra:
            bias, extra = torch.cat([self.first, bias], dim=2), extra - 1
        return F.pad(bias, (extra, 0))


@widened
def place_bias(square: Tensor, rows: Tensor, columns: Tensor, grid: Grid) -> Tensor:
    """The sum of the three tables at the size of the grid: h a y x."""
    sizes = (grid, (grid[0], 1), (1, grid[1]))
    square, rows, columns = (
        F.interpolate(table, size, mode="bilinear")
        for table, size in zip((square, rows, columns), sizes, strict=True)
    )
    return square + rows + columns
