"""The network of the probes: one block of attention between an embedding and a head."""

import math

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from ..arms import Arm
from ..attention import SelfAttention
from ..backbones.common import Block, Mlp


class OneLayer(nn.Module):
    """Tokens b n c -> embedding -> x + attention(norm(x)) -> x + mlp(norm(x)) -> classes b n k.

    Args:
        arm: the attention under test.
        channels: channels c of the tokens that come in.
        classes: answers k of each token.
        grid: (rows, columns) of the tokens.
        width, heads: channels inside, and heads that share them.
        places: whether tokens are told where they stand (fixed sines and cosines).
    """

    def __init__(
        self,
        arm: Arm,
        channels: int,
        classes: int,
        grid: tuple[int, int],
        width: int = 64,
        heads: int = 4,
        places: bool = True,
    ):
        super().__init__()
        self.grid = grid
        self.embed = nn.Linear(channels, width)
        self.register_buffer("places", waves(width, grid) if places else None, persistent=False)
        attention = SelfAttention(width, heads, grid=grid, **arm.options())
        self.block = Block(width, attention, Mlp(width, 2), 0.0, eps=1e-6)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)
        start_linear(self)
        nn.init.normal_(self.embed.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """b n c -> b n k."""
        x = self.embed(tokens)
        if self.places is not None:
            x = x + self.places
        return self.head(self.norm(self.block(x, self.grid)))


def start_linear(model: nn.Module) -> None:
    """First weights of every linear layer as torch draws them: they suit narrow networks."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.reset_parameters()


def waves(width: int, grid: tuple[int, int]) -> Tensor:
    """Places of tokens as sines and cosines, 1 (y x) c: half the channels a row, half a column.

    Angular frequencies fall from pi a token (every second token alike) to pi a side (the whole grid
    is half a turn), in equal ratios: what differs between neighbours is as large as what differs
    between the edges. Twice the size of a sine, so that places stand out beside what tokens hold.

    >>> waves(64, (8, 8)).shape
    torch.Size([1, 64, 64])
    """
    halves = []
    for side in grid:
        frequencies = math.pi * float(side) ** -torch.arange(0, 1, 4 / width)
        angles = torch.arange(side)[:, None] * frequencies
        halves.append(2 * torch.cat([angles.sin(), angles.cos()], -1))
    rows = repeat(halves[0], "y c -> y x c", x=grid[1])
    columns = repeat(halves[1], "x c -> y x c", y=grid[0])
    return rearrange(torch.cat([rows, columns], -1), "y x c -> 1 (y x) c")
