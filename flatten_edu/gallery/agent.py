"""Agent attention (Han et al., ECCV 2024): a few pooled queries stand between queries and keys.

    A = pool(Q),   O = softmax(s Q A^T + B2) softmax(s A K^T + B1) V (+ DWC(V)),   s = 1 / sqrt(d)

Repairs focus: both maps are true softmaxes. The rank of their product is at most a, the number of
agents, and the published module adds a 3 x 3 depthwise convolution. Cost: a (d + e)(n + m)
multiply-adds a head. The biases are made of 7 x 7 tables and of one vector a row and a column,
all resized (bilinear) for other grids; published sizes are fixed by the tables. The published
kernels differ between heads, those of the branch here do not (and have the size of all arms).
"""

import math

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from ..attention.checks import check_grid
from ..attention.mechanism import Grid, Mechanism
from ..attention.registry import register
from ..attention.softmax import softmax_attention
from .agent_bias import Bias
from .shared import on_heads


@on_heads
def agent_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    grid: Grid,
    agents: int | None = None,
    gather: Tensor | None = None,
    spread: Tensor | None = None,
) -> Tensor:
    """Agents gather the values, then queries gather from the agents.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        v: values, b h m e.
        grid: (rows, columns) of the queries, which are pooled on it; tokens in front of the grid's
            (a class token) ask and are asked, but are not pooled.
        agents: a, a square number; None takes `few_agents` for the grid.
        gather, spread: B1, h a m, and B2, h n a.

    Returns:
        b h n e.

    Raises:
        ValueError: if `agents` is no square number.

    Source: arXiv 2312.08874.

    >>> q = k = torch.zeros(1, 1, 4, 2)
    >>> agent_attention(q, k, torch.arange(4.0).reshape(1, 1, 4, 1), (2, 2), agents=1).flatten()
    tensor([1.5000, 1.5000, 1.5000, 1.5000])
    """
    side = check_agents(few_agents(grid) if agents is None else agents)
    if grid[0] * grid[1] > q.shape[2]:
        raise ValueError(f"grid must hold the {q.shape[2]} queries at most, but is {grid}")
    image = rearrange(
        q[:, :, q.shape[2] - grid[0] * grid[1] :], "b h (y x) d -> b (h d) y x", y=grid[0]
    )
    pooled = F.adaptive_avg_pool2d(image, side)
    pooled = rearrange(pooled, "b (h d) y x -> b h (y x) d", h=q.shape[1])
    return softmax_attention(q, pooled, softmax_attention(pooled, k, v, gather), spread)


def few_agents(grid: Grid) -> int:
    """About a quarter as many agents as places, at most 49 as published: the default.

    >>> few_agents((14, 14)), few_agents((7, 7)), few_agents((56, 56))
    (49, 9, 49)
    """
    return max(1, min(7, min(grid) // 2)) ** 2


def check_agents(agents: int) -> int:
    """The side of the pooled map; raise a ValueError in one line unless `agents` is a square."""
    side = math.isqrt(agents) if isinstance(agents, int) and agents > 0 else 0
    if side == 0 or side**2 != agents:
        raise ValueError(f"agents must be a square number such as 49, but is {agents!r}")
    return side


class Agent(Mechanism):
    """`agent_attention` with its learned biases.

    Args:
        heads: number of heads.
        grid: (rows, columns) of the keys that the tables are made for.
        agents: number of pooled queries, a square number; None takes `few_agents` for the grid.
        query_grid: the same for the queries, if theirs is another.
        class_token: whether the tables have numbers for a class token.
    """

    def __init__(
        self,
        heads: int,
        grid: int | Grid | None,
        agents: int | None = None,
        query_grid: Grid | None = None,
        class_token: bool = False,
    ):
        super().__init__()
        grid = check_grid(grid)
        self.agents = few_agents(grid) if agents is None else agents
        check_agents(self.agents)
        self.gather = Bias(heads, self.agents, grid, class_token)
        self.spread = Bias(heads, self.agents, query_grid or grid, class_token)

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, grid: Grid, mask: Tensor | None = None
    ) -> Tensor:
        """b h n e; a mask is ignored."""
        return self.cross(q, k, v, grid, grid, mask)

    def cross(self, q, k, v, query_grid: Grid, grid: Grid, mask: Tensor | None) -> Tensor:
        """b h n e, with queries on a grid of their own."""
        gather = self.gather(grid, k.shape[2] - grid[0] * grid[1])
        spread = self.spread(query_grid, q.shape[2] - query_grid[0] * query_grid[1])
        spread = rearrange(spread, "h a n -> h n a")
        return agent_attention(q, k, v, query_grid, self.agents, gather, spread)


register("agent", lambda heads, grid, **_: Agent(heads, grid), branch=True)
