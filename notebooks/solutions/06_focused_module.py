# Solved exercises; flatten_edu/coursework/source.py says what the parts are.

# %% [markdown]
# # Exercises 6 · The focused module
#
# **You need:** chapters 3, 5 and 6. **Letters:** b images, h heads, n tokens on a grid of y rows
# and x columns, d channels of one head, p the focusing power.

# %%
import math
import time

import torch
from einops import rearrange

import flatten_edu as fe

# %% exercise growth
# You measured how long attention takes for different numbers of tokens. If
# $\text{seconds} \approx c \cdot \text{tokens}^s$, then the points lie on a straight line in
# log-log axes, and $s$ is its slope: 1 for linear attention, 2 for softmax attention.
#
# **Given:** `tokens` and `seconds`, two lists of equal length. The hidden lists lie exactly on a
# line. **Return:** the exponent $s$.


# %% solution
def growth(tokens, seconds):
    """The slope of a cost curve in log-log axes.

    >>> round(growth([100, 200, 400], [3.0, 12.0, 48.0]), 3)
    2.0
    """
    return math.log(seconds[-1] / seconds[0]) / math.log(tokens[-1] / tokens[0])


# %% after growth
# Read a cost curve of your own machine. Why is the slope of softmax attention below 2 at first?
tokens = [196, 784, 3136]
for name in ("softmax_attention", "focused_attention"):
    attention, seconds = getattr(fe.attention, name), []
    for n in tokens:
        q, k, v = torch.randn(3, 1, 3, n, 64)
        attention(q, k, v)  # the first call is slower
        start = time.perf_counter()
        attention(q, k, v)
        seconds.append(time.perf_counter() - start)
    print(f"{name}: slope {growth(tokens, seconds):.2f}")

# %% teacher
# On real measurements least squares is better than two ends; both are accepted. The slopes are
# lower at small $n$, where fixed costs and the $d^2$ terms count.

# %% exercise focused_with_branch
# Now both branches of the module (equation 10): focused attention, plus a depthwise convolution
# of the values,
#
# $$O = \phi_p(Q)\,\phi_p(K)^T V + \mathrm{DWC}(V)$$
#
# with the rows of the first map divided by their sums. For the convolution the $n$ values of a
# channel are laid out on their grid (row by row), convolved with `kernel`, and put back in line.
# Outside the grid there are zeros, and `torch.nn.functional.conv2d` with `padding=k // 2` does
# it. One kernel serves all images, heads and channels here.
#
# **Given:** `q`, `k`, `v`, shape b h n d; `kernel`, shape k k; `grid`, a pair (rows, columns)
# with rows · columns = n; and `p`. **Return:** shape b h n d. You may use
# `fe.attention.focused_attention`.


# %% solution
def focused_with_branch(q, k, v, kernel, grid, p):
    """Focused attention plus the depthwise convolution of the values.

    >>> q = k = torch.ones(1, 1, 2, 1)
    >>> v = torch.tensor([[[[1.0], [3.0]]]])  # the mean of the values is 2
    >>> focused_with_branch(q, k, v, torch.tensor([[10.0]]), grid=(1, 2), p=3).flatten()
    tensor([12., 32.])
    """
    image = rearrange(v, "b h (y x) d -> (b h d) 1 y x", y=grid[0])
    kernels = rearrange(kernel, "k l -> 1 1 k l")
    local = torch.nn.functional.conv2d(image, kernels, padding=len(kernel) // 2)
    local = rearrange(local, "(b h d) 1 y x -> b h (y x) d", b=v.shape[0], h=v.shape[1])
    return fe.attention.focused_attention(q, k, v, p) + local


# %% teacher
# The branch convolves the values, not the output of the attention. Both run, and only one is the
# paper.

# %% exercise stable_focus
# Your $f_p$ of chapter 3 is right, and fails: in float32, $300^{32}$ is infinite and $0.001^{32}$
# is 0. Then $\lVert x \rVert / \lVert x^p \rVert$ is 0 or a division by 0, and nan spreads
# through the network. The remedy is one property: $f_p(c\,x) = c\,f_p(x)$ for every $c > 0$.
#
# **Given:** `x` in float32, no negative entries, entries from 0.0001 to 1000, vectors along the
# last axis; large and small vectors stand side by side, and some are all zero. And `p`, up to 32.
# **Return:** $f_p(x)$, right to three digits, with zero vectors left at zero.


# %% solution
def stable_focus(x, p):
    """f_p that neither overflows nor vanishes.

    >>> stable_focus(torch.tensor([[3.0, 4.0], [300.0, 400.0], [0.0, 0.0]]), p=2).round(decimals=2)
    tensor([[  2.4500,   4.3600],
            [245.1300, 435.7900],
            [  0.0000,   0.0000]])
    """
    smallest = torch.finfo(x.dtype).tiny
    largest = x.amax(dim=-1, keepdim=True).clamp_min(smallest)
    unit = x / largest
    sharp = unit**p
    length = unit.norm(dim=-1, keepdim=True) / sharp.norm(dim=-1, keepdim=True).clamp_min(smallest)
    return sharp * length * largest


# %% teacher
# An epsilon below does not help: the norm of $(0.01)^8$ is $10^{-16}$, far below every usual
# epsilon. A division by the largest entry keeps one entry at 1, and everything follows.
