"""Each mechanism as it is before anything is learned, and linear in its values: what maps show."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ..attention.checks import check_grid
from ..attention.mechanism import Grid
from .agent import agent_attention
from .cosformer import cosformer_attention
from .efficient import efficient_attention
from .hydra import mean_over_channels
from .inline import inline_attention
from .linear_angular import angular_mixing
from .litemla import litemla_attention
from .mala import mala_attention
from .nalaformer import nalaformer_attention
from .nystrom import nystrom_attention
from .own import _OWN
from .performer import performer_attention, random_directions
from .polaformer import sign_mixing
from .rala import rala_attention
from .rotary import rotary_angles
from .slab import relu_linear_attention

Mixing = Callable[[Tensor, Tensor, Tensor], Tensor]


def mixing(name: str, grid: Grid | None = None) -> Mixing:
    """A function (q, k, v) -> b h n e that is linear in v, for values of any width.

    Nothing in it is learned or drawn anew: powers and scales have their first values, the
    directions of "performer" come from a fixed seed, and there are no bias tables. Where a
    mechanism is not one map between tokens, its `Card.map` says what stands for it here.

    Args:
        name: a name of the gallery, or of a function of yours that was added to it.
        grid: (rows, columns) of the tokens. "agent" needs it; "rala", "mala" and "nalaformer" turn
            their channels with it and do not without.

    Raises:
        ValueError: for "xca", which has no map of tokens, for "agent" without a grid, and for a
            name that the gallery has not.

    >>> q = torch.randn(1, 2, 4, 8)
    >>> mixing("efficient")(q, q, torch.ones(1, 2, 4, 1)).round(decimals=4).unique()
    tensor([1.])
    """
    if grid is not None:
        grid = check_grid(grid)
    if name in _PLAIN or name in _OWN:
        return _PLAIN.get(name) or _OWN[name]
    if name in _TURNED:
        return partial(_turned, _TURNED[name], grid)
    if name == "agent" and grid is not None:
        return partial(agent_attention, grid=grid)
    reasons = {
        "xca": "xca has no map of tokens: it mixes channels; look at gallery.channel_map",
        "agent": "grid must be (rows, columns) for 'agent', which pools the queries on it",
    }
    known = ", ".join(map(repr, [*_PLAIN, *_TURNED, "agent", *_OWN]))
    raise ValueError(reasons.get(name, f"name must be one of {known}, but is {name!r}"))


def _performer(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    # As many directions as the table of published entropies has: 256 for 64 channels.
    seed = torch.Generator().manual_seed(0)
    directions = random_directions(4 * q.shape[3], q.shape[3], seed).to(q)
    return performer_attention(q, k, v, directions)


def _polaformer(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    first = q.new_zeros(q.shape[1], q.shape[3])
    same, opposite = (sign_mixing(q, k, v, first, first, opposite=o) for o in (False, True))
    return (same + opposite) / 2


def _turned(function: Callable[..., Tensor], grid: Grid | None, *qkv: Tensor) -> Tensor:
    if grid is not None and grid[0] * grid[1] != qkv[0].shape[2]:
        raise ValueError(f"grid must have a place for each of the q {qkv[0].shape[2]} tokens, "
                         f"but is {grid}")  # fmt: skip
    angles = None if grid is None else rotary_angles(grid, qkv[0].shape[3], like=qkv[0])
    return function(*qkv, angles, angles)


_PLAIN: dict[str, Mixing] = {
    "efficient": efficient_attention,
    "hydra": mean_over_channels,
    "cosformer": cosformer_attention,
    "performer": _performer,
    "nystrom": nystrom_attention,
    "linear_angular": angular_mixing,
    "litemla": litemla_attention,
    "slab": relu_linear_attention,
    "inline": inline_attention,
    "polaformer": _polaformer,
}
_TURNED = {"rala": rala_attention, "mala": mala_attention, "nalaformer": nalaformer_attention}
