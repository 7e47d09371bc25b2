"""What a mechanism does, as numbers: its map, how sharp it is, its rank, the equivalent map.

A map is what a mechanism makes of the identity as values: mix(q, k, I) = A I = A. This needs no
second formula for any of them, and holds for every mechanism that is linear in its values. Maps
are computed in float64: in float32 a rank of 64 reads as 196.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from einops import reduce, repeat
from torch import Tensor, nn

from . import gallery
from .attention import (
    NAMES,
    TokenMixer,
    depthwise_matrix,
    focused_attention,
    linear_attention,
    softmax_attention,
)
from .attention.checks import check_qkv, shown
from .attention.mechanism import Grid


def attention_map(
    q: Tensor,
    k: Tensor,
    attention: str | Callable = "focused",
    p: float = 3,
    grid: Grid | None = None,
) -> Tensor:
    """The map A of a mechanism, with rows that sum to one: output = A v.

    Args:
        q: queries, b h n d.
        k: keys, b h m d.
        attention: "softmax", "linear", "focused", a name of the gallery as it is before anything
            is learned, or a function (q, k, v) linear in v.
        p: focusing power, for "focused" alone.
        grid: (rows, columns) of the tokens, for those of the gallery that look at places.

    Returns:
        b h n m, in float64.

    Raises:
        ValueError: for shapes that do not fit or an unknown name.

    Source: equations (1), (4) and (6) of the paper.

    >>> q = torch.randn(1, 2, 9, 4)
    >>> attention_map(q, q, "linear").sum(-1).allclose(torch.ones(1, 2, 9).double())
    True
    """
    functions: dict[str, Callable[..., Tensor]] = {
        "softmax": softmax_attention,
        "linear": linear_attention,
        "focused": lambda q, k, v: focused_attention(q, k, v, p),
    }
    if not callable(attention) and attention not in NAMES:
        raise ValueError(
            f"attention must be {', '.join(map(repr, NAMES))} or a function (q, k, v), "
            f"but is {shown(attention)}"
        )
    check_qkv(q, k, k)
    if isinstance(attention, str):
        function = functions.get(attention) or gallery.mixing(attention, grid)
    else:
        function = attention
    q, k = q.double(), k.double()
    return function(q, k, identity_values(k))


def identity_values(k: Tensor) -> Tensor:
    """The identity as values for the keys b h m d: b h m m."""
    one = torch.eye(k.shape[2], dtype=k.dtype, device=k.device)
    return repeat(one, "m e -> b h m e", b=k.shape[0], h=k.shape[1])


def row_entropy(map: Tensor) -> Tensor:
    """How far a row spreads: its entropy over log m. 1 is uniform, 0 is one token.

    Args:
        map: ... n m, non-negative. Rows are normalised first.

    Returns:
        ... n, between 0 and 1. With a single key there is no choice, and the result is 0.

    Raises:
        ValueError: if a weight is negative, as in a map with the depthwise branch added.

    >>> row_entropy(torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]))
    tensor([1., 0.])
    """
    check_matrix(map)
    if (map < 0).any():
        raise ValueError(
            f"map must be non-negative for an entropy, but its smallest weight is {map.min():.3g}; "
            "for a signed map take map.abs() and say so"
        )
    sums = reduce(map, "... n m -> ... n 1", "sum")
    rows = map / sums.clamp_min(torch.finfo(map.dtype).tiny)
    entropy = reduce(torch.special.entr(rows), "... n m -> ... n", "sum")
    return entropy / math.log(map.shape[-1]) if map.shape[-1] > 1 else entropy * 0


def singular_values(map: Tensor) -> Tensor:
    """Singular values of the last two axes in float64, largest first: ... min(n, m).

    >>> singular_values(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor([4., 3.], dtype=torch.float64)
    """
    check_matrix(map)
    if not map.isfinite().all():
        raise ValueError("map must be finite to have singular values, but holds nan or infinity")
    return torch.linalg.svdvals(map.double())


def numerical_rank(map: Tensor) -> Tensor:
    """How many singular values exceed the largest times max(n, m) times the dtype's epsilon.

    Args:
        map: ... n m. The dtype that it was computed in sets the tolerance: give maps in float64.

    Returns:
        ... , whole numbers.

    Source: the rank of equation (9) and of figure 5 of the paper, as `matrix_rank` counts it.

    >>> numerical_rank(torch.ones(5, 5).double())
    tensor(1)
    """
    values = singular_values(map)
    tolerance = max(map.shape[-2:]) * torch.finfo(map.dtype).eps
    limit = reduce(values, "... r -> ... 1", "max") * tolerance
    return reduce((values > limit).long(), "... r -> ...", "sum")


def effective_rank(map: Tensor) -> Tensor:
    """How many directions count: exp of the entropy of the singular values divided by their sum.

    Args:
        map: ... n m, not all zero.

    Returns:
        ... , between 1 and min(n, m). Not a whole number: 3.7 means that the weight is spread as
        over 3.7 equal singular values.

    Source: Roy and Vetterli, "The effective rank", 2007.

    >>> effective_rank(torch.eye(6).double()).round(decimals=6)
    tensor(6., dtype=torch.float64)
    """
    values = singular_values(map)
    share = values / reduce(values, "... r -> ... 1", "sum")
    return reduce(torch.special.entr(share), "... r -> ...", "sum").exp()


def equivalent_map(map: Tensor, kernel: Tensor, grid: Grid) -> Tensor:
    """M_eq = attention + M_DWC, the one matrix that the mechanism and the branch are together.

    Args:
        map: attention map of self-attention, ... n n, with n = y x.
        kernel: one kernel k k of the branch, or d k k (one a channel of a head).
        grid: (rows, columns) of the tokens.

    Returns:
        ... n n for one kernel, ... d n n for d of them. Weights may be negative.

    Raises:
        ValueError: if the grid has not n places.

    Source: equations (11) and (12) of the paper. The branch's bias is no part of a matrix.

    >>> equivalent_map(torch.zeros(6, 6), torch.ones(1, 1), grid=(2, 3)).equal(torch.eye(6))
    True
    """
    check_matrix(map)
    local = depthwise_matrix(kernel.to(map), grid)
    if map.shape[-2:] != local.shape[-2:]:
        raise ValueError(
            f"map must be ... n n with n = {grid[0]} x {grid[1]} = {local.shape[-1]} tokens, "
            f"but has shape {tuple(map.shape)}"
        )
    return map + local if kernel.ndim == 2 else map.unsqueeze(-3) + local


def check_matrix(map: Tensor) -> None:
    """Raise in one line unless this is a tensor ... n m of floating-point numbers."""
    if (
        not isinstance(map, Tensor)
        or map.ndim < 2
        or not map.is_floating_point()
        or not map.numel()
    ):
        found = f"{map.dtype} {tuple(map.shape)}" if isinstance(map, Tensor) else type(map).__name__
        raise ValueError(f"map must be a tensor ... n m of floating-point numbers, not {found}")


@contextmanager
def record(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Collect the map of every attention in the model while images run through it.

    The model is left as it is; each map is computed beside it, in float64, from the queries and
    keys that the mechanism got. Without the branch: add it with `equivalent_map`.

    Yields:
        A dict that fills as the model runs: name of the block -> b h n m. Where a network attends
        in windows, b counts windows. A second run replaces the first.

    Raises:
        ValueError: if the model has no attention of this package.

    >>> model = fe.create_model("deit_nano")
    >>> with record(model) as maps:
    ...     _ = model(torch.randn(2, 1, 28, 28))
    >>> maps["blocks.0"].shape
    torch.Size([2, 3, 49, 49])
    """
    mixers = {
        name: part
        for name, part in model.named_modules()
        if isinstance(part, TokenMixer) and part.mechanism.has_map
    }
    if not mixers:
        raise ValueError(f"{type(model).__name__} holds no attention between tokens to record")
    maps: dict[str, Tensor] = {}
    handles = [
        mixer.register_forward_hook(_recorder(maps, block_name(name)), with_kwargs=True)
        for name, mixer in mixers.items()
    ]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def _recorder(maps: dict[str, Tensor], name: str) -> Callable:
    def hook(mixer: TokenMixer, args: tuple, kwargs: dict, output: Tensor) -> None:
        maps[name] = mixer_map(mixer, *args, **kwargs)

    return hook


def block_name(name: str) -> str:
    """The name of the block that an attention stands in: "blocks.0.attn.mixer" -> "blocks.0".

    >>> block_name("blocks.0.attn.mixer"), block_name("mixer")
    ('blocks.0', 'attention')
    """
    kept = [part for part in name.split(".") if part not in ("attn", "mixer")]
    return ".".join(kept) or "attention"


@torch.no_grad()
def mixer_map(mixer: TokenMixer, q, k, v, grid, key_grid=None, mask=None) -> Tensor:
    """The map of a `TokenMixer` for these queries and keys (b n c), b h n m in float64."""
    parameters = {f"mixer.{name}": value.double() for name, value in mixer.state_dict().items()}
    inputs = (
        q.double(),
        k.double(),
        grid,
        key_grid or grid,
        None if mask is None else mask.double(),
    )
    with torch.autocast(q.device.type, enabled=False):
        return torch.func.functional_call(_Map(mixer), parameters, inputs)


class _Map(nn.Module):
    """A mixer that sees the identity as values."""

    def __init__(self, mixer: TokenMixer):
        super().__init__()
        self.mixer = mixer

    def forward(self, q: Tensor, k: Tensor, grid: Grid, key_grid: Grid, mask: Tensor | None):
        """The mechanism's mix of the identity, b h n m."""
        q, k, _ = self.mixer.split(q, k, k, key_grid)
        return self.mixer.mechanism.mixing(q, k, identity_values(k), grid, key_grid, mask)
