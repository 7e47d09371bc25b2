"""The maps of random queries and keys have the published entropies, ranks and row sums.

Five seeds, 14 x 14 tokens, 64 channels, standard normal. A row: mean entropy and its spread over
the seeds; the entropy for 4 q, and for 4 q and 4 k; percentage of negative weights; rank, rank for
singular values above a thousandth, effective rank; smallest and largest row sum of all seeds.
"""

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import einsum, rearrange

from flatten_edu.analysis import (
    attention_map,
    effective_rank,
    numerical_rank,
    row_entropy,
    singular_values,
)
from flatten_edu.attention import (
    focused_attention,
    kernel_attention,
    linear_attention,
    softmax_attention,
)
from flatten_edu.gallery import (
    angular_mixing,
    channel_map,
    inline_attention,
    mixing,
    performer_attention,
    sign_mixing,
)
from flatten_edu.gallery.shared import unit

GRID = (14, 14)
TABLE = {
    "softmax": (0.9074, 0.0005, 0.3295, 0.0600, 0.0, 196.0, 193.2, 121.3, 1.000, 1.000),
    "slab": (0.9900, 0.0003, 0.9900, 0.9900, 0.0, 64.0, 64.0, 27.0, 1.000, 1.000),
    "litemla": (0.9900, 0.0003, 0.9900, 0.9900, 0.0, 64.0, 64.0, 27.0, 1.000, 1.000),
    "elu": (0.9990, 0.0000, 0.9984, 0.9948, 0.0, 64.0, 64.0, 5.9, 1.000, 1.000),
    "focused": (0.9226, 0.0037, 0.9226, 0.9226, 0.0, 64.0, 64.0, 50.5, 1.000, 1.000),
    "agent": (0.9986, 0.0002, 0.6794, 0.1526, 0.0, 49.0, 48.8, 6.2, 1.000, 1.000),
    "inline": (0.9538, 0.0001, 0.9464, 0.9465, 15.5, 65.0, 65.0, 51.4, 1.000, 1.000),
    "inline, exp": (0.9956, 0.0001, 0.9852, 0.9335, 0.0, 65.0, 65.0, 4.4, 1.000, 1.000),
    "polaformer, same": (0.9416, 0.0024, 0.9416, 0.9416, 0.0, 128.0, 128.0, 81.6, 1.000, 1.000),
    "polaformer, opposite": (0.9417, 0.0023, 0.9417, 0.9417, 0, 128.0, 128.0, 81.7, 1.000, 1.000),
    "rala": (0.8859, 0.0378, 0.6334, 0.1426, 0.0, 64.0, 57.4, 3.9, 1.000, 1.000),
    "rala, turned": (0.8842, 0.0393, 0.6309, 0.1426, 0.0, 64.0, 61.2, 6.7, 0.647, 0.897),
    "mala": (0.9476, 0.0014, 0.9444, 0.9452, 20.4, 65.0, 65.0, 39.7, 1.000, 1.000),
    "mala, turned": (0.9543, 0.0010, 0.9550, 0.9526, 80.8, 65.0, 65.0, 36.4, -3.391, -0.069),
    "nalaformer": (0.9041, 0.0041, 0.9041, 0.9041, 0.0, 128.0, 128.0, 87.4, 1.000, 1.000),
    "nalaformer, turned": (0.8918, 0.0040, 0.8918, 0.8918, 9.4, 128.0, 128.0, 89.7, -0.165, 1.147),
    "efficient": (0.9947, 0.0003, 0.9543, 0.5425, 0.0, 64.0, 64.0, 19.6, 1.000, 1.000),
    "linear_angular": (0.9261, 0.0003, 0.9261, 0.9261, 49.8, 196.0, 195.8, 161.9, -1.544, 2.071),
    "linear_angular, sparse": (
        *(0.9223, 0.0003, 0.8930, 0.8753),
        *(49.8, 196.0, 196.0, 159.7, -1.334, 2.182),
    ),
    "cosformer": (0.9824, 0.0004, 0.9824, 0.9824, 0.0, 128.0, 123.0, 38.4, 1.000, 1.000),
    "nystrom": (0.9601, 0.0003, 0.8779, 0.6469, 8.0, 49.0, 47.4, 25.9, 0.995, 1.005),
    "performer": (0.9979, 0.0008, 0.9998, 1.0000, 0.0, 196.0, 96.6, 13.4, 1.000, 1.000),
    "hydra": (0.9477, 0.0019, 0.9477, 0.9477, 50.0, 1.0, 1.0, 1.0, -1.266, 1.427),
    "xca": (0.9994, 0.0000, 0.9994, 0.9994, 0.0, 64.0, 58.0, 6.3, 1.000, 1.000),
}
# Entropy for c q with k as it is, c = 1/32, 1/8, 1/2, 1, 2, 8: whose map reacts to the length?
LENGTHS = (1 / 32, 1 / 8, 1 / 2, 1, 2, 8)
REACTION = {
    "softmax": (1.000, 0.999, 0.977, 0.907, 0.676, 0.137),
    "slab": (0.990, 0.990, 0.990, 0.990, 0.990, 0.990),
    "agent": (1.000, 1.000, 1.000, 0.999, 0.928, 0.331),
    "inline": (1.000, 0.999, 0.977, 0.954, 0.947, 0.946),
    "rala": (0.917, 0.917, 0.908, 0.886, 0.815, 0.393),
    "mala": (0.955, 0.955, 0.951, 0.948, 0.945, 0.945),
    "nalaformer": (0.958, 0.923, 0.904, 0.904, 0.904, 0.904),
    "efficient": (0.998, 0.998, 0.997, 0.995, 0.982, 0.931),
    "nystrom": (1.000, 1.000, 0.995, 0.960, 0.929, 0.792),
    "performer": (1.000, 1.000, 0.999, 0.998, 1.000, 1.000),
}


@functools.cache
def sample(seed):
    """Queries, keys and, for "performer", directions."""
    numbers = np.random.default_rng(seed)
    q, k = (torch.from_numpy(numbers.standard_normal((1, 1, 196, 64))) for _ in "qk")
    directions = np.random.default_rng(seed + 1000).standard_normal((256, 64))
    return q, k, torch.from_numpy(directions)


def function(name, directions):
    """The mechanism, linear in the values."""
    first = torch.zeros(1, 64, dtype=torch.float64)
    special = {
        "softmax": softmax_attention,
        "focused": focused_attention,
        "elu": lambda q, k, v: kernel_attention(F.elu(q) + 1, F.elu(k) + 1, v),
        "inline, exp": lambda q, k, v: inline_attention(q, k, v, lambda x: (x / 5).exp()),
        "polaformer, same": lambda q, k, v: sign_mixing(q, k, v, first, first),
        "polaformer, opposite": lambda q, k, v: sign_mixing(q, k, v, first, first, opposite=True),
        "linear_angular, sparse": lambda q, k, v: angular_mixing(q, k, v, sparse=True),
        "performer": lambda q, k, v: performer_attention(q, k, v, directions),
    }
    known = name.removesuffix(", turned")
    grid = GRID if known != name or known == "agent" else None
    return special[name] if name in special else mixing(known, grid)


def maps(name, seed, a=1.0, b=1.0):
    """The maps for a q and b k: one, or for "hydra" those of the first eight channels."""
    q, k, directions = sample(seed)
    q, k = a * q, b * k
    if name == "xca":
        return channel_map(q, k)[0]
    if name == "hydra":
        q, k = (rearrange(unit(t, 1, 3), "1 1 n d -> n d")[:, :8] for t in (q, k))
        return einsum(q, k, "n d, m d -> d n m")
    return attention_map(q, k, function(name, directions))[0]


def entropy(name, a=1.0, b=1.0):
    """The mean over rows for each seed; of signed maps, that of the absolute weights."""
    return torch.stack([row_entropy(maps(name, s, a, b).abs()).mean() for s in range(5)])


@pytest.mark.parametrize("name", TABLE)
def test_entropies_ranks_and_row_sums_are_as_published(name):
    found = torch.stack([maps(name, seed) for seed in range(5)])
    values = singular_values(found)
    above = (values > 1e-3 * values.amax(-1, keepdim=True)).double().sum(-1)
    plain, sums = entropy(name), found.sum(-1)
    row = (
        plain.mean(),
        plain.std(correction=0),
        entropy(name, 4).mean(),
        entropy(name, 4, 4).mean(),
        100 * (found < 0).double().mean(),
        numerical_rank(found).double().mean(),
        above.mean(),
        effective_rank(found).mean(),
        sums.min(),
        sums.max(),
    )
    # All printed digits.
    tolerances = (*[0.6e-4] * 4, 0.06, 0.06, 0.06, 0.06, 0.6e-3, 0.6e-3)
    for ours, theirs, tolerance in zip(row, TABLE[name], tolerances, strict=True):
        assert ours.item() == pytest.approx(theirs, abs=tolerance), row


@pytest.mark.parametrize("name", REACTION)
def test_which_maps_react_to_the_length_of_the_queries(name):
    found = [entropy(name, length).mean().item() for length in LENGTHS]
    assert found == pytest.approx(REACTION[name], abs=0.6e-3)


def test_the_linear_arm_is_the_same_but_for_its_epsilon():
    q, k, _ = sample(0)
    ours = attention_map(q, k, mixing("slab"))
    assert (ours - attention_map(q, k, linear_attention)).abs().max() < 1e-7
