"""What the families share: the block and its parts, the choice of attention for each block."""

import itertools
from collections.abc import Callable, Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..attention import NAMES, Mechanism, SelfAttention, is_linear
from ..attention.checks import shown

# The longest side of an image: what is longer was a mistake, and would fill any memory.
LONGEST = 2**16


class DropPath(nn.Module):
    """Stochastic depth: in training, a sample's residual branch is left out with this probability.

    What remains is divided by the probability of being kept, so that the mean stays.

    Source: Huang et al., "Deep networks with stochastic depth", 2016.
    """

    def __init__(self, rate: float = 0.0):
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """b ... -> b ..., unchanged in evaluation."""
        if not self.training or self.rate == 0:
            return x
        kept = torch.rand(x.shape[0], device=x.device) >= self.rate
        kept = kept.to(x.dtype) / (1 - self.rate)
        return x * rearrange(kept, f"b -> b {'1 ' * (x.ndim - 1)}")

    def extra_repr(self) -> str:
        """What stands in the module's printed form."""
        return f"rate={self.rate:.3g}"


class Mlp(nn.Sequential):
    """Linear, GELU, linear: ... c -> ... c."""

    def __init__(self, width: int, ratio: float = 4):
        hidden = int(width * ratio)
        super().__init__()
        self.add_module("fc1", nn.Linear(width, hidden))
        self.add_module("act", nn.GELU())
        self.add_module("fc2", nn.Linear(hidden, width))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): on a map b y x c, or on tokens b n c.

    Args:
        width: channels c.
        attention: the module that mixes tokens.
        mlp: the module that mixes channels.
        drop_path: probability of leaving out either branch in training.
        eps: of the norms.
    """

    def __init__(
        self, width: int, attention: SelfAttention, mlp: nn.Module, drop_path: float, eps: float
    ):
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = attention
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = mlp
        self.drop_path = DropPath(drop_path)
        self.checkpointing = False

    def forward(self, x: Tensor, grid: tuple[int, int] | None = None) -> Tensor:
        """A map b y x c -> b y x c; or, with their grid, tokens b n c -> b n c."""
        if self.checkpointing and self.training:
            return checkpoint(self.residuals, x, grid, use_reentrant=False)
        return self.residuals(x, grid)

    def residuals(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        """Both branches, each added to what it came from."""
        tokens = self.norm1(x)
        mixed = self.attn(tokens) if grid is None else self.attn.attend(tokens, grid)
        x = x + self.drop_path(mixed)
        return x + self.drop_path(self.mlp(self.norm2(x)))


def drop_path_rates(last: float, depths: Sequence[int]) -> list[list[float]]:
    """A rate for each block, a list a stage: rising evenly from 0 at the first to `last`.

    >>> drop_path_rates(0.3, [1, 3])
    [[0.0], [0.1, 0.2, 0.3]]
    """
    number = isinstance(last, (int, float)) and not isinstance(last, bool)
    if not number or not 0 <= last < 1:
        raise ValueError(f"drop_path must be at least 0 and below 1, but is {shown(last)}")
    steps = max(sum(depths) - 1, 1)
    rates = iter([round(last * i / steps, 12) for i in range(sum(depths))])
    return [list(itertools.islice(rates, depth)) for depth in depths]


def per_block(attention, depths: Sequence[int], published: Sequence[bool]) -> list[list]:
    """What `attention=` means for each block: a list a stage with one entry a block.

    Args:
        attention: a name or a function, a list with one entry a stage, or a list of lists with
            one entry a block.
        depths: blocks of each stage.
        published: for each stage, whether the paper replaces softmax in it. "linear", "focused"
            and other names of linear cost alone mean these stages; a function means every stage.

    Raises:
        ValueError: if a list has another length, or an entry is unknown.

    >>> per_block("focused", depths=[1, 2], published=[True, False])
    [['focused'], ['softmax', 'softmax']]
    >>> per_block(["linear", ["softmax", "focused"]], depths=[1, 2], published=[True, True])
    [['linear'], ['softmax', 'focused']]
    """
    if not isinstance(attention, (list, tuple)):
        check_attention(attention)
        everywhere = not is_linear(attention)
        attention = [attention if here or everywhere else "softmax" for here in published]
    if len(attention) != len(depths):
        raise ValueError(
            f"attention must have one entry a stage, {len(depths)} in all, "
            f"but has {len(attention)}: {shown(attention)}"
        )
    stages = []
    for number, (entry, depth) in enumerate(zip(attention, depths, strict=True), start=1):
        blocks = list(entry) if isinstance(entry, (list, tuple)) else [entry] * depth
        if len(blocks) != depth:
            raise ValueError(
                f"attention of stage {number} must have one entry a block, {depth} in all, "
                f"but has {len(blocks)}: {shown(blocks)}"
            )
        for block in blocks:
            check_attention(block)
        stages.append(blocks)
    return stages


def check_attention(attention: str | Callable) -> None:
    """Raise a ValueError in one line unless this is a known name or a function."""
    if attention not in NAMES and not callable(attention):
        raise ValueError(
            f"attention must be {', '.join(map(repr, NAMES))} or a function (q, k, v) -> b h n d, "
            f"but is {shown(attention)}"
        )
    if isinstance(attention, Mechanism):
        raise ValueError("attention must be a name or a function here: every block makes its own")


def image_size(img_size: int | tuple[int, int], smallest: int) -> tuple[int, int]:
    """The image's (height, width); raise in one line unless both sides are long enough."""
    sides = tuple(img_size) if isinstance(img_size, (tuple, list)) else (img_size, img_size)
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
    if len(sides) != 2 or not whole or not all(smallest <= side <= LONGEST for side in sides):
        raise ValueError(
            f"img_size must be a number or (height, width) of at least {smallest} pixels, "
            f"but is {shown(img_size)}"
        )
    return sides[0], sides[1]


def check_images(images: Tensor, channels: int, smallest: int) -> None:
    """Raise a ValueError in one line unless these are images b c y x of this many channels."""
    if not isinstance(images, Tensor) or not images.is_floating_point():
        found = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"images must be a tensor b c y x of floating-point numbers, not {found}")
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] != channels or shape[2] < smallest or shape[3] < smallest:
        raise ValueError(
            f"images must be b c y x with c = {channels} and sides of at least {smallest} pixels, "
            f"but have shape {shape}"
        )


def check_numbers(name: str, values: Sequence[float]) -> None:
    """Raise a ValueError in one line unless all are numbers above 0, and not above 1,000."""
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) < len(values) or not all(0 < value <= 1000 for value in numbers):
        raise ValueError(f"{name} must be above 0, but is {shown(values)}")


def start_token(width: int) -> nn.Parameter:
    """First values of a class token, or of its place: 1 1 c, from a normal of std 0.02."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, 1, width), std=0.02))


def initialise(module: nn.Module, std: float = 0.02) -> None:
    """Linear layers as published: weights from a truncated normal of std 0.02, biases 0."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
