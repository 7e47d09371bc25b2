# Solved exercises; flatten_edu/coursework/source.py says what the parts are.

# %% [markdown]
# # Exercises 2 · Linear attention
#
# **You need:** chapter 2. **Letters:** b images, h heads, n queries, m keys, d channels of one
# head. The feature map is $\phi(x) = \mathrm{ReLU}(x) + 10^{-6}$, entry by entry.

# %%
import torch
from einops import einsum, rearrange

import flatten_edu as fe

# %% exercise linear_map
# Softmax turns products into weights by an exponential. Linear attention does it by a feature
# map: the weight of key $j$ for query $i$ is $\phi(q_i) \cdot \phi(k_j)$, divided by the sum of
# its row.
#
# **Given:** `q`, shape b h n d, and `k`, shape b h m d. **Return:** the map, shape b h n m. Each
# row (all keys of one query) sums to 1.


# %% solution
def linear_map(q, k):
    """The weights of linear attention.

    >>> q = torch.tensor([[[[1.0, -5.0]]]])
    >>> k = torch.tensor([[[[1.0, 2.0], [3.0, -1.0]]]])
    >>> linear_map(q, k).round(decimals=3)
    tensor([[[[0.2500, 0.7500]]]])
    """
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    scores = einsum(q, k, "b h n d, b h m d -> b h n m")
    return scores / scores.sum(dim=-1, keepdim=True)


# %% teacher
# The $10^{-6}$ looks like a detail. Without it a query with no positive entry has a row of zeros,
# and 0 / 0 is nan. The check has such a query among its hidden examples.

# %% exercise linear_attention
# Now mix the values with these weights. Matrix products are associative,
# $(\phi(Q)\,\phi(K)^T)\,V = \phi(Q)\,(\phi(K)^T V)$, so the brackets may move: first a small
# $d \times d$ matrix that all queries share, then one product for each query. The sum of each row
# can be had without the map as well:
# $\sum_j \phi(q_i) \cdot \phi(k_j) = \phi(q_i) \cdot \sum_j \phi(k_j)$.
#
# **Given:** `q`, shape b h n d; `k` and `v`, shape b h m d. **Return:** shape b h n d. Try to do
# it without a map of $n \times m$ entries; the check tells you whether you did.


# %% solution
def linear_attention(q, k, v):
    """Mix the values with the weights of linear attention, brackets moved.

    >>> q = torch.tensor([[[[1.0, -5.0]]]])
    >>> k = torch.tensor([[[[1.0, 2.0], [3.0, -1.0]]]])
    >>> v = torch.tensor([[[[4.0, 0.0], [0.0, 8.0]]]])
    >>> linear_attention(q, k, v).round(decimals=3)  # a quarter and three quarters
    tensor([[[[1., 6.]]]])
    """
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    memory = einsum(k, v, "b h m d, b h m e -> b h d e")
    above = einsum(q, memory, "b h n d, b h d e -> b h n e")
    below = einsum(q, k.sum(dim=2), "b h n d, b h d -> b h n")
    return above / rearrange(below, "b h n -> b h n 1")


# %% teacher
# The most common mistake is the missing division. Then the output grows with the number of keys.
# Also common: a mean above and a sum below, which is wrong by the factor m everywhere. The check
# says so.

# %% exercise causal_linear_attention
# In a text a token must not see what comes after it: token $i$ mixes the values of tokens
# $0, \dots, i$, itself included, with weights that sum to 1 over these tokens. Here $n = m$.
#
# $$O_i = \frac{\sum_{j \le i} \phi(q_i) \cdot \phi(k_j)\, v_j}{\sum_{j \le i} \phi(q_i) \cdot
# \phi(k_j)}$$
#
# **Given:** `q`, `k`, `v`, shape b h n d. **Return:** shape b h n d. With moved brackets the two
# sums over the keys simply run along. That is why linear attention can work through a text like a
# recurrent network.


# %% solution
def causal_linear_attention(q, k, v):
    """Linear attention in which token i sees tokens 0 to i.

    >>> one = torch.ones(1, 1, 3, 1)
    >>> v = torch.tensor([[[[3.0], [5.0], [10.0]]]])
    >>> causal_linear_attention(one, one, v).flatten().round(decimals=3)  # running means
    tensor([3., 4., 6.])
    """
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    memory = einsum(k, v, "b h n d, b h n e -> b h n d e").cumsum(dim=2)
    above = einsum(q, memory, "b h n d, b h n d e -> b h n e")
    below = einsum(q, k.cumsum(dim=2), "b h n d, b h n d -> b h n")
    return above / rearrange(below, "b h n -> b h n 1")


# %% teacher
# `cumsum` keeps one $d \times d$ matrix for each token; a loop over the tokens keeps one in all.
# Who masks the map with `tril` is right as well, and pays for the map again.
