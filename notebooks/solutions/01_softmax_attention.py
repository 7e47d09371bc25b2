# Solved exercises; flatten_edu/coursework/source.py says what the parts are.

# %% [markdown]
# # Exercises 1 · Softmax attention
#
# **You need:** chapter 1. **Letters:** b images in a batch, h heads, n queries, m keys, d
# channels of one head.

# %%
import math

import torch
from einops import einsum, rearrange

import flatten_edu as fe

# %% exercise split_heads
# A layer gives every token one vector of $c$ channels. With $h$ heads the vector is cut into $h$
# slices of $d = c / h$ neighbouring channels: the first slice belongs to head 0, the next to head
# 1. Then the heads' axis moves in front of the tokens, so that each head sees its own list of
# tokens.
#
# **Given:** `x`, shape b n c, and `heads`, the number $h$. **Return:** shape b h n d.


# %% solution
def split_heads(x, heads):
    """Cut the channels of each token into heads.

    >>> x = torch.arange(8.0).reshape(1, 2, 4)  # one image, two tokens, four channels
    >>> split_heads(x, 2)
    tensor([[[[0., 1.],
              [4., 5.]],
    <BLANKLINE>
             [[2., 3.],
              [6., 7.]]]])
    """
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


# %% teacher
# Many write `x.view(b, heads, n, d)`. The shape is right, so nothing fails, and tokens and heads
# are mixed up. Let them try it with `torch.arange`, as in the example.

# %% exercise softmax_attention
# Every query compares itself with every key and mixes the values (equation 1 of the paper):
#
# $$O_i = \sum_j \frac{\exp(q_i \cdot k_j / \sqrt{d})}
# {\sum_l \exp(q_i \cdot k_l / \sqrt{d})} \, v_j$$
#
# **Given:** `q`, shape b h n d; `k` and `v`, shape b h m d. There may be more or fewer keys than
# queries. **Return:** shape b h n d. Use `einsum` with letters, such as
# `einsum(q, k, "b h n d, b h m d -> b h n m")`, and no ready-made attention.


# %% solution
def softmax_attention(q, k, v):
    """Mix the values with softmax weights.

    >>> q = torch.tensor([[[[0.0, 0.0]]]])  # as near to one key as to the other
    >>> k = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    >>> v = torch.tensor([[[[2.0, 0.0], [4.0, 8.0]]]])
    >>> softmax_attention(q, k, v)
    tensor([[[[3., 4.]]]])
    """
    scores = einsum(q, k, "b h n d, b h m d -> b h n m") / math.sqrt(q.shape[-1])
    weights = scores.softmax(dim=-1)
    return einsum(weights, v, "b h n m, b h m d -> b h n d")


# %% teacher
# Two mistakes give a result of the right shape: a missing $d^{-1/2}$, and a softmax over the
# queries. The second one is easy to miss, because with $n = m$ every shape fits. A good question
# in class: which sums are 1?

# %% exercise softmax_in_blocks
# The map has $n \times m$ entries, and for a large image it does not fit into memory. But nobody
# needs all of it at once. The softmax is a fraction: a sum over keys above, a sum over keys
# below. Both can be taken a few keys at a time.
#
# **Given:** `q`, `k`, `v` as before, and `size`, the number of keys in a block. The last block
# may be shorter. **Return:** the same as `softmax_attention`, without ever making a tensor of
# $n \times m$ numbers. Scores are moderate here: you may take `exp` of them as they are.


# %% solution
def softmax_in_blocks(q, k, v, size):
    """Softmax attention, `size` keys at a time.

    >>> q = torch.zeros(1, 1, 1, 2)
    >>> k = torch.zeros(1, 1, 3, 2)
    >>> v = torch.tensor([[[[1.0, 0.0], [2.0, 0.0], [6.0, 3.0]]]])
    >>> softmax_in_blocks(q, k, v, size=2)  # the mean of all three
    tensor([[[[3., 1.]]]])
    """
    above, below = 0, 0
    for keys, values in zip(k.split(size, dim=2), v.split(size, dim=2), strict=True):
        scores = einsum(q, keys, "b h n d, b h m d -> b h n m") / math.sqrt(q.shape[-1])
        weights = scores.exp()
        above = above + einsum(weights, values, "b h n m, b h m d -> b h n d")
        below = below + weights.sum(dim=-1, keepdim=True)
    return above / below


# %% teacher
# This is the idea of FlashAttention without its care for large scores. Who finishes early can add
# it: keep the largest score so far, and multiply the old sums by $\exp(\text{old} - \text{new})$.
