# Solved exercises; flatten_edu/coursework/source.py says what the parts are.

# %% [markdown]
# # Exercises 9 · Look at a photo
#
# **You need:** chapters 1 and 9. **Letters:** a map has n rows (queries) and m columns (keys),
# and each row sums to 1; the patches of a photo lie on a grid of y rows and x columns and are
# counted row by row.

# %%
import math

import torch
from einops import rearrange

import flatten_edu as fe
from flatten_edu.data import photo

# %% exercise row_entropy
# Does a patch look at one other patch, or at all of them? The entropy of its row says it:
#
# $$H_i = -\frac{1}{\log m} \sum_j A_{ij} \log A_{ij}$$
#
# Divided by $\log m$, a uniform row has 1, and a row with all its weight on one key has 0. A
# weight may be exactly 0, and $0 \log 0$ counts as 0.
#
# **Given:** `map`, shape n m with $m > 1$; rows sum to 1. **Return:** one number for each row,
# shape n.


# %% solution
def row_entropy(map):
    """How far each row spreads: 1 is uniform, 0 is one key.

    >>> row_entropy(torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.0, 1.0, 0.0, 0.0]])).abs()
    tensor([1., 0.])
    """
    return torch.special.entr(map).sum(dim=-1) / math.log(map.shape[-1])


# %% teacher
# `map * map.log()` gives nan where a weight is 0. Softmax maps hide it, because their weights are
# never exactly 0, until they underflow.

# %% exercise row_picture
# Choose a patch of a photo. Its row of the map says where it looks. Laid out on the grid it is a
# picture.
#
# **Given:** `map`, shape n n, of one head; `place`, the chosen patch as a pair (y, x), counted
# from 0; and `grid`, a pair (rows, columns). **Return:** the weights of this patch, shape rows ×
# columns.


# %% solution
def row_picture(map, place, grid):
    """Where one patch looks, as a picture.

    >>> map = torch.eye(6)  # each patch looks at itself
    >>> row_picture(map, (1, 0), (2, 3))
    tensor([[0., 0., 0.],
            [1., 0., 0.]])
    """
    y, x = place
    return rearrange(map[y * grid[1] + x], "(y x) -> y x", y=grid[0])


# %% teacher
# A column in the place of the row shows who looks at the patch. It is a picture of something, and
# often a pretty one; that is what makes the mistake hard to see.

# %% exercise rollout
# What does the last layer see of the first? In each layer a token is mixed by the map $A$, and
# added to what it was before (the skip connection). With equal shares one layer is $(A + I) / 2$,
# where $I$ is the identity. Layers follow each other, so their matrices are multiplied. The first
# layer acts first and stands on the right:
#
# $$R = \tfrac{A_L + I}{2} \cdots \tfrac{A_2 + I}{2} \cdot \tfrac{A_1 + I}{2}$$
#
# **Given:** `maps`, a list of matrices n n, first layer first. **Return:** $R$, shape n n. Its
# rows sum to 1.


# %% solution
def rollout(maps):
    """How much of each input token is in each output token.

    >>> swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    >>> rollout([swap, torch.eye(2)])
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    one = torch.eye(len(maps[0]), dtype=maps[0].dtype)
    total = one
    for map in maps:
        total = (map + one) / 2 @ total
    return total


# %% after rollout
# Twelve untrained layers on a photo: how much of itself does a patch keep?
image = photo("astronaut", size=224)[None]
model = fe.create_model("deit_tiny", attention="softmax").eval()
with fe.analysis.record(model) as maps, torch.no_grad():
    model(image)
kept = rollout([map[0].mean(0) for map in maps.values()]).diagonal()
print(f"{kept.mean():.4f}; without any mixing 1, with full mixing {1 / len(kept):.4f}")

# %% teacher
# The order matters only if the maps do not commute, so a list with twice the same map hides the
# mistake. Rollout is a habit, not a law: it leaves out the values, the projections and the MLPs.
