# Solved exercises; flatten_edu/coursework/source.py says what the parts are.

# %% [markdown]
# # Exercises 4 · Rank
#
# **You need:** chapter 4. **Letters:** a map has n rows (queries) and m columns (keys); d is the
# number of channels of one head.

# %%
import torch

import flatten_edu as fe

# %% exercise numerical_rank
# The rank of a matrix is the number of its singular values that are not 0. A computer rarely
# gives an exact 0, so we count the values above a threshold: the largest singular value, times
# $\max(n, m)$, times the precision of the numbers (`torch.finfo(map.dtype).eps`, which is
# $2 \cdot 10^{-16}$ for float64).
#
# **Given:** `map`, one matrix n m in float64. **Return:** a whole number. `torch.linalg.svdvals`
# gives the singular values, the largest first.


# %% solution
def numerical_rank(map):
    """How many singular values are above rounding.

    >>> int(numerical_rank(torch.ones(4, 3, dtype=torch.float64)))
    1
    >>> int(numerical_rank(1e-9 * torch.eye(3, dtype=torch.float64)))
    3
    """
    values = torch.linalg.svdvals(map)
    share = max(map.shape) * torch.finfo(map.dtype).eps
    return (values > values[0] * share).sum()


# %% teacher
# A fixed threshold such as $10^{-6}$ passes every example in which the largest value is near 1.
# The hidden examples have maps in other units. A float32 map with a float64 threshold is the trap
# of chapter 4: a rank of 64 reads as 196.

# %% exercise effective_rank
# The rank does not say whether the singular values are alike. The *effective rank* does. Divide
# the singular values $s_1, s_2, \dots$ by their sum, so that they are shares
# $a_i = s_i / \sum_l s_l$. Take the entropy of the shares (with the natural logarithm), and its
# exponential:
#
# $$\exp\Big(-\sum_i a_i \log a_i\Big)$$
#
# Five equal singular values give 5. One large and four tiny ones give little more than 1. Where a
# singular value is exactly 0, $0 \log 0$ counts as 0.
#
# **Given:** `map`, one matrix n m. **Return:** a number between 1 and $\min(n, m)$.


# %% solution
def effective_rank(map):
    """Over how many directions the weight of a map is spread.

    >>> round(float(effective_rank(torch.eye(5))), 3)
    5.0
    >>> round(float(effective_rank(torch.diag(torch.tensor([8.0, 1.0, 1.0])))), 3)
    1.895
    """
    values = torch.linalg.svdvals(map)
    shares = values / values.sum()
    return torch.special.entr(shares).sum().exp()


# %% teacher
# Squares of singular values are shares of variance, and give another measure with the same range.
# So do the participation ratio and the stable rank. The check knows all three by name.

# %% exercise rank_exactly
# The map of linear attention is $\phi(Q)\,\phi(K)^T$ with its rows divided by their sums, and
# $\phi(x) = \mathrm{ReLU}(x) + 10^{-6}$. Its rank is at most $\min(n, d)$. Now make a map whose
# rank is exactly what you were asked for.
#
# **Given:** `n` tokens, `d` channels and a rank `r`, at most $\min(n, d)$. **Return:** `q`, `k`,
# both of shape n d, whose map has the numerical rank `r` (counted in float64).


# %% solution
def rank_exactly(n, d, r):
    """Queries and keys, n d, whose linear map has rank r.

    >>> q, k = rank_exactly(n=6, d=4, r=2)
    >>> q.shape, k.shape
    (torch.Size([6, 4]), torch.Size([6, 4]))
    """
    few = torch.rand(2, n, r, dtype=torch.float64)
    q, k = few[:, :, [channel % r for channel in range(d)]]
    return q, k


# %% teacher
# The natural first attempt fills r channels and leaves the others empty. After $\phi$ they hold
# $10^{-6}$, which is one more direction: the rank is r + 1. It is a good moment to say that a
# rank is about directions, not about sizes.
