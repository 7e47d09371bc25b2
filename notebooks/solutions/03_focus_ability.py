# Solved exercises; flatten_edu/coursework/source.py says what the parts are.

# %% [markdown]
# # Exercises 3 · Focus
#
# **You need:** chapters 2 and 3. **Letters:** b images, h heads, n queries, m keys, d channels of
# one head. $p \ge 1$ is the focusing power.

# %%
import torch
from einops import einsum, rearrange

import flatten_edu as fe

# %% exercise focus
# $f_p$ raises every entry of a vector to the power $p$ and gives it back the length that it had
# (equation 6; $\lVert x \rVert$ is the length, the root of the sum of squares):
#
# $$f_p(x) = \frac{\lVert x \rVert}{\lVert x^{p} \rVert}\; x^{p}$$
#
# **Given:** `x` without negative entries and with any number of axes; each vector lies along the
# last axis. And `p`. **Return:** a tensor of the shape of `x`. No vector is zero here.


# %% solution
def focus(x, p):
    """Turn each vector towards its nearest axis, and keep its length.

    >>> focus(torch.tensor([[3.0, 4.0]]), p=2).round(decimals=3)
    tensor([[2.4510, 4.3580]])
    >>> focus(torch.tensor([[3.0, 4.0]]), p=2).norm()
    tensor(5.)
    """
    sharp = x**p
    return sharp * x.norm(dim=-1, keepdim=True) / sharp.norm(dim=-1, keepdim=True)


# %% teacher
# Watch for `x = x ** p` in the first line: the old length is then lost, and the fraction is 1.
# And for `x.norm(p)`, which is the $L_p$ norm.

# %% exercise focused_attention
# Focused attention is linear attention with other features:
#
# $$\phi_p(x) = f_p(\mathrm{ReLU}(x) + 10^{-6})$$
#
# for queries and keys. First the ReLU with its $10^{-6}$, then $f_p$. The values stay as they
# are, and each query's weights are divided by their sum, as before. Each head is treated by
# itself: the lengths in $f_p$ run over the $d$ channels of one head.
#
# **Given:** `q`, shape b h n d; `k` and `v`, shape b h m d; and `p`. **Return:** shape b h n d.
# You may use your own `focus`.


# %% solution
def focused_attention(q, k, v, p):
    """Linear attention with focused features.

    >>> q = torch.tensor([[[[1.0, 2.0]]]])
    >>> k = torch.tensor([[[[1.0, 2.0], [2.0, 1.0]]]])
    >>> v = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]]]])
    >>> focused_attention(q, k, v, p=1).round(decimals=3)
    tensor([[[[0.5560, 0.4440]]]])
    >>> focused_attention(q, k, v, p=3).round(decimals=3)
    tensor([[[[0.8020, 0.1980]]]])
    """
    q, k = focus(q.relu() + 1e-6, p), focus(k.relu() + 1e-6, p)
    memory = einsum(k, v, "b h m d, b h m e -> b h d e")
    above = einsum(q, memory, "b h n d, b h d e -> b h n e")
    below = einsum(q, k.sum(dim=2), "b h n d, b h d -> b h n")
    return above / rearrange(below, "b h n -> b h n 1")


# %% teacher
# Leaving the query's length unrestored is no mistake: a positive factor of a query stands above
# and below, and cancels. The check accepts it. For the keys it is a mistake. Ask why.

# %% exercise counterexample
# Proposition 1 says: if $x$ and $y$ (no negative entries) have their largest entry at the *same*
# place, then for **some** $p > 1$ the product $f_p(x) \cdot f_p(y)$ is larger than $x \cdot y$.
# Is this true for **every** $p$? Break it.
#
# **Given:** `p`, for example 3. **Return:** two vectors `x`, `y` of equal length (two entries are
# enough) without negative entries. Each has one entry that is larger than all its others, both at
# the same place, and focusing makes their product *smaller*: $f_p(x) \cdot f_p(y) < x \cdot y$.
# You may search at random with your own `focus`, or think and give a pair that works for $p$ = 2,
# 3 and 4.


# %% solution
def counterexample(p):
    """Two vectors with the same nearest axis that the power p drives apart.

    >>> x, y = counterexample(3)
    >>> len(x) == len(y)
    True
    """
    while True:
        x, y = torch.rand(2, 2)
        together = x.argmax() == y.argmax()
        if together and focus(x, p) @ focus(y, p) < 0.99 * (x @ y):
            return x, y


# %% teacher
# For $p \to \infty$ both vectors end on their common axis, so some large $p$ always does it. A
# pair near the diagonal, such as (1, 0.98) and (1, 0.8), is driven apart first: the power changes
# an entry most where it is near 1. Parallel vectors are a second kind of exception: their product
# never changes.
