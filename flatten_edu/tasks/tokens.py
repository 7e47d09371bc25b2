"""Probes on tokens without images: each asks for one ability, and is learned in seconds.

recall         find the one token whose key you carry, and say its value: sharpness, capacity
copy_near      say the value 1 row down and 2 columns right: inside a 5 x 5 kernel
copy_far       3 rows down and 4 columns right: outside of it
copy_wrapped   4 down and 4 right, around the edges: a permutation, so a map of full rank
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..arms import Arm
from ..attention.checks import check_whole
from ..attention.self_attention import check_heads
from ..data import Data, Samples
from ..training.order import generator
from ..training.recipe import Recipe
from .network import OneLayer
from .task import Task

VALUES = 8
KEY = 8
# One epoch over fresh samples: 300 steps of 32.
PARTS = {"train": 9600, "validation": 200, "test": 500}
RECIPE = Recipe(epochs=1, batch_size=32, lr=3e-3, weight_decay=0.01, shift=0)
WIDTH = 64


class Lookups(Samples):
    """Samples of `recall`: a key, a value and a query a token, put together when asked for.

    Args:
        keys: b n 8, of length 1.
        values: b n, whole numbers.
        asked: b n, the token whose key this token carries as its query.
    """

    def __init__(self, keys: Tensor, values: Tensor, asked: Tensor):
        super().__init__(keys, values.gather(1, asked))
        self.values, self.asked = values, asked

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One sample: n 24, and the answers n."""
        tokens, answers = self.__getitems__([index])
        return tokens[0], answers[0]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """A batch: [key, value, query] b n 24, and the answers b n."""
        chosen = torch.as_tensor(indices)
        keys, asked = self.images[chosen], self.asked[chosen]
        queries = keys.gather(1, asked[..., None].expand_as(keys))
        values = F.one_hot(self.values[chosen], VALUES).float()
        return torch.cat([keys, values, queries], -1), self.labels[chosen]


class Values(Samples):
    """Samples of the copies: a value a token, as one-hot when it is asked for."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One sample: n 8, and the answers n."""
        return F.one_hot(self.images[index], VALUES).float(), self.labels[index]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """A batch: b n 8, and the answers b n."""
        chosen = torch.as_tensor(indices)
        return F.one_hot(self.images[chosen], VALUES).float(), self.labels[chosen]


def recall(tokens: int = 64, heads: int = 4) -> Task:
    """Which value has the token whose key I carry?

    Each token holds a random key of length 1, a value, and as its query the key of another token.
    There are no places to go by. Tests how sharply a mechanism can pick one of N, and how many
    pairs it can hold: linear attention keeps d x d numbers a head, whatever N is.

    Args:
        tokens: N, a square number.
        heads: the width of 64 is shared by so many.
    """
    side = whole_root(tokens)
    check_heads(WIDTH, heads)

    def lookups(part: str, count: int) -> Lookups:
        source = generator(0, "recall", tokens, part)
        keys = F.normalize(torch.randn(count, tokens, KEY, generator=source), dim=-1)
        values = torch.randint(VALUES, (count, tokens), generator=source)
        away = torch.randint(1, tokens, (count, tokens), generator=source)
        return Lookups(keys, values, (torch.arange(tokens) + away) % tokens)

    def model(arm: Arm) -> OneLayer:
        return OneLayer(arm, 2 * KEY + VALUES, VALUES, (side, side), WIDTH, heads, places=False)

    data = data_of("recall", lookups)
    return Task("recall", "what stands by my key?", data, RECIPE, 1 / VALUES, model)


def copy(
    name: str, question: str, down: int, right: int, wrap: bool, side: int, heads: int
) -> Task:
    """The task to say the value that stands `down` rows and `right` columns away."""
    check_whole("side", side, least=max(down, right) + 1)
    check_heads(WIDTH, heads)

    def values(part: str, count: int) -> Values:
        source = generator(0, name, side, part)
        board = torch.randint(VALUES, (count, side, side), generator=source)
        answers = board.roll((-down, -right), (1, 2))
        if not wrap:
            # What would be read beyond the edge is not asked for.
            answers[:, side - down :], answers[:, :, side - right :] = -1, -1
        return Values(board.flatten(1), answers.flatten(1))

    def model(arm: Arm) -> OneLayer:
        return OneLayer(arm, VALUES, VALUES, (side, side), WIDTH, heads)

    return Task(name, question, data_of(name, values), RECIPE, 1 / VALUES, model)


def copy_near(side: int = 8, heads: int = 4) -> Task:
    """What stands 1 down and 2 right of me? Locality: a 5 x 5 kernel alone can answer."""
    return copy("copy_near", "what is 1 down, 2 right?", 1, 2, False, side, heads)


def copy_far(side: int = 8, heads: int = 4) -> Task:
    """What stands 3 down and 4 right of me? Reach: a 5 x 5 kernel cannot see it.

    On the grid of 8 x 8 it is asked of 20 tokens only (of the others the answer lies outside), so
    that a map of low rank suffices: this is no test of rank.
    """
    return copy("copy_far", "what is 3 down, 4 right?", 3, 4, False, side, heads)


def copy_wrapped(side: int = 8, heads: int = 4) -> Task:
    """What stands 4 down and 4 right of me, around the edges? Full rank.

    Every token is asked for by exactly one other, so that the map is a permutation: of rank N.
    """
    return copy("copy_wrapped", "what is 4 down, 4 right?", 4, 4, True, side, heads)


def data_of(name: str, make) -> Data:
    """`Data` whose parts `make(part, count)` draws."""
    parts = {part: make(part, count) for part, count in PARTS.items()}
    return Data(name, **parts, classes=tuple(map(str, range(VALUES))))


def whole_root(tokens: int) -> int:
    """The side of a square of so many tokens, at least 2.

    Raises:
        ValueError: if there is none; the line has the nearest.

    >>> whole_root(196)
    14
    """
    check_whole("tokens", tokens, least=4)
    side = round(max(tokens, 4) ** 0.5)
    if side * side != tokens:
        raise ValueError(
            f"tokens must be a square number of at least 4, but is {tokens}; "
            f"the nearest is {side * side}"
        )
    return side
