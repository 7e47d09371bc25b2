# Solved exercises; flatten_edu/coursework/source.py says what the parts are.

# %% [markdown]
# # Exercises 5 · The depthwise branch
#
# **You need:** chapters 3 and 5. **Letters:** b images, h heads, n tokens on a grid of y rows and
# x columns, d channels of one head. Tokens are counted row by row: the one at (y, x) has the
# number $y \cdot \text{columns} + x$.

# %%
import torch
from einops import einsum

import flatten_edu as fe

# %% exercise neighbours
# A depthwise convolution with a kernel of size $k \times k$ ($k$ odd) mixes each token with those
# in a window around it, which reaches $r = (k - 1) / 2$ steps to each side (in Python the whole
# number `k // 2`). Near the border a part of the window lies outside the grid and holds no tokens.
#
# **Given:** `grid`, a pair (rows, columns), and `size`, the side $k$ of the kernel. **Return:**
# for each token, how many tokens of the grid lie in its window, itself included: a tensor rows ×
# columns.


# %% solution
def neighbours(grid, size):
    """How many tokens each window holds.

    >>> neighbours((2, 4), 3)
    tensor([[4, 6, 6, 4],
            [4, 6, 6, 4]])
    """

    def along(count):
        at = torch.arange(count)
        return (at + size // 2).clamp(max=count - 1) - (at - size // 2).clamp(min=0) + 1

    return einsum(along(grid[0]), along(grid[1]), "y, x -> y x")


# %% teacher
# These counts are the numbers of entries that are not zero in the rows of the next exercise's
# matrix. Who sees that has the picture of the banded matrix.

# %% exercise depthwise_matrix
# The convolution of one channel is a linear map: from a column of $n$ numbers (one for each
# token) to another such column. So it is an $n \times n$ matrix (equations 11 and 12 of the
# paper):
#
# $$M[(y, x),\ (y + a - r,\ x + b - r)] = \text{kernel}[a, b], \qquad r = (k - 1) / 2$$
#
# wherever the second place is inside the grid, and 0 everywhere else. So `kernel[0, 0]` belongs
# to the neighbour above and to the left. What lies outside the grid counts as 0, and nothing
# comes in from the other side. ($r$ is a whole number: `k // 2` in Python.)
#
# **Given:** `kernel`, shape k k, and `grid`, a pair (rows, columns). **Return:** the matrix,
# shape n n with $n = \text{rows} \cdot \text{columns}$.


# %% solution
def depthwise_matrix(kernel, grid):
    """The matrix that a convolution with zero padding is.

    >>> kernel = torch.tensor([[0.0, 0, 0], [1, 2, 3], [0, 0, 0]])
    >>> depthwise_matrix(kernel, (1, 3))  # three tokens in a row
    tensor([[2., 3., 0.],
            [1., 2., 3.],
            [0., 1., 2.]])
    """
    rows, columns = grid
    r = len(kernel) // 2
    matrix = torch.zeros(rows * columns, rows * columns, dtype=kernel.dtype)
    for y in range(rows):
        for x in range(columns):
            for a in range(len(kernel)):
                for b in range(len(kernel)):
                    yy, xx = y + a - r, x + b - r
                    if 0 <= yy < rows and 0 <= xx < columns:
                        matrix[y * columns + x, yy * columns + xx] = kernel[a, b]
    return matrix


# %% teacher
# Two kinds of wrong borders are common. Some test only whether the number of the neighbour
# exists: then the last token of a row and the first of the next are neighbours. Some use a
# remainder, and the border wraps round. A matrix that is built from the columns of the identity
# comes out transposed, which is the same as a flipped kernel.

# %% exercise equivalent_map
# Focused attention and the depthwise branch see the same values, and their outputs are added. So
# the two are one matrix together:
#
# $$M_{eq} = A + M_{DWC}$$
#
# $A$ is the map of focused attention: features $\phi_p(x) = f_p(\mathrm{ReLU}(x) + 10^{-6})$,
# their products, each row divided by its sum. $M_{DWC}$ is the matrix of the exercise before. The
# kernel is the same for all images and heads.
#
# **Given:** `q` and `k`, shape b h n d, for the tokens of one `grid` (rows, columns); `kernel`,
# shape k k; and `p`. **Return:** shape b h n n. You may use `fe.attention.focus(x, p)` for $f_p$.


# %% solution
def equivalent_map(q, k, kernel, grid, p):
    """Attention and depthwise branch as one matrix.

    >>> q = k = torch.ones(1, 1, 2, 2)
    >>> equivalent_map(q, k, torch.tensor([[3.0]]), grid=(1, 2), p=3)
    tensor([[[[3.5000, 0.5000],
              [0.5000, 3.5000]]]])
    """
    q, k = (fe.attention.focus(x.relu() + 1e-6, p) for x in (q, k))
    scores = einsum(q, k, "b h n d, b h m d -> b h n m")
    return scores / scores.sum(dim=-1, keepdim=True) + depthwise_matrix(kernel, grid)


# %% after equivalent_map
q = k = torch.rand(1, 1, 36, 4, dtype=torch.float64)
kernel = torch.rand(3, 3, dtype=torch.float64)
both = equivalent_map(q, k, kernel, (6, 6), 3)
alone = fe.analysis.attention_map(q, k, "focused", 3)
print("rank of A:   ", int(fe.analysis.numerical_rank(alone)))
print("rank of M_eq:", int(fe.analysis.numerical_rank(both)))

# %% teacher
# Some divide the rows after the sum. Then $M_{eq}$ is again a map with rows that sum to 1, but it
# is not what the module computes. The last cell shows the paper's point: rank 4 becomes 36.
