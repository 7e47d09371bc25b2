"""What a trained model's attention looks like in numbers: how sharp it is, and of what rank."""

from __future__ import annotations

import copy
import math
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from ..analysis import effective_rank, numerical_rank, record, row_entropy
from ..attention import TokenMixer
from ..data import Samples

# Enough samples that the means stand to a per cent, few enough that they take a second.
SAMPLES = 4
# Of the kernels of a head, one a channel, so many are looked at.
KERNELS = 4
# Maps of more tokens are not made: in float64 one of 4,096 takes 128 MiB, and its rank minutes.
LARGEST = 1024
MEASURES = ("entropy", "rank", "effective_rank", "equivalent_rank")


def measure(model: nn.Module, samples: Samples) -> dict[str, float | None]:
    """Means over samples, blocks and heads.

    Args:
        model: a network with attention of this package.
        samples: the first few are run through it.

    Returns:
        tokens: N of the first block.
        entropy: of the attention's rows over log N; 1 is uniform, 0 is one token. None without
            attention, or where weights may be negative.
        rank, effective_rank: of the attention. 0 and None without attention.
        equivalent_rank: of attention and branch together, M_eq. None without a branch.
        All but the first are None where tokens meet through no map ("xca"), or are more than 1,024.
    """
    device = next(model.parameters()).device
    every = [part for part in model.modules() if isinstance(part, TokenMixer)]
    mixers = [mixer for mixer in every if mixer.mechanism.has_map]
    images = samples.__getitems__(range(min(SAMPLES, len(samples))))[0].to(device)
    tokens = tokens_of(model.eval(), every[0], images[:1])
    if tokens > LARGEST:
        return {"tokens": tokens, **dict.fromkeys(MEASURES)}
    with torch.no_grad(), record(model) if mixers else nullcontext({}) as maps:
        model(images)
    alone = [map for map in maps.values() if map.any()]
    signed = any(bool((map < 0).any()) for map in alone)
    both = [
        equivalent_rank(mixer, map)
        for mixer, map in zip(mixers, maps.values(), strict=True)
        if mixer.depthwise is not None and is_square(map)
    ]
    return {
        "tokens": tokens,
        "entropy": None if signed else mean([row_entropy(map) for map in alone]),
        "rank": mean([numerical_rank(map).double() for map in maps.values()]),
        "effective_rank": mean([effective_rank(map) for map in alone]),
        "equivalent_rank": mean(both),
    }


@torch.no_grad()
def tokens_of(model: nn.Module, mixer: nn.Module, images: Tensor) -> int:
    """How many tokens a mixer of the model meets for these images."""
    found: list[int] = []
    counting = mixer.register_forward_hook(lambda *call: found.append(call[-1].shape[1]))
    model(images)
    counting.remove()
    return found[0]


def equivalent_rank(mixer: TokenMixer, map: Tensor) -> Tensor:
    """The rank of M_eq = attention + M_DWC for each head and the first kernels."""
    assert mixer.depthwise is not None
    side = math.isqrt(map.shape[-1])
    local = copy.deepcopy(mixer.depthwise).double().matrix((side, side))[:KERNELS]
    return numerical_rank(map[:, :, None] + local).double()


def is_square(map: Tensor) -> bool:
    """Whether the tokens attend to themselves and form a square grid."""
    return map.shape[-1] == map.shape[-2] == math.isqrt(map.shape[-1]) ** 2


def mean(parts: list[Tensor]) -> float | None:
    """The mean of all numbers, or None if there are none."""
    return float(torch.cat([part.flatten() for part in parts]).mean()) if parts else None
