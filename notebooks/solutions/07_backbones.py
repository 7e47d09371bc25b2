# Solved exercises; flatten_edu/coursework/source.py says what the parts are.

# %% [markdown]
# # Exercises 7 · Backbones
#
# **You need:** chapters 6 and 7. **Letters:** b images, h heads, n queries, m keys, d channels of
# one head, y x the grid of tokens.

# %%
import torch
from einops import einsum

import flatten_edu as fe

# %% exercise stage_tokens
# PVT, Swin and CSwin are pyramids of four stages. The first stage has one token for each patch of
# 4 × 4 pixels. Between stages the grid of tokens is halved in height and in width.
#
# **Given:** `height` and `width` of an image in pixels, multiples of 32. **Return:** a list with
# the number of tokens in each of the four stages, first stage first.


# %% solution
def stage_tokens(height, width):
    """Tokens in each stage of a pyramid.

    >>> stage_tokens(224, 224)
    [3136, 784, 196, 49]
    """
    return [(height // step) * (width // step) for step in (4, 8, 16, 32)]


# %% teacher
# 3136 tokens in the first stage are why linear attention pays there, and 49 in the last why it
# hardly matters there. Ask which stages the paper makes focused, and why.

# %% exercise own_attention
# Invent a mechanism. Each query gets some mixture of the values. What decides the shares is up to
# you: the distance of query and key, their angle, something learned by nobody.
#
# **Given:** `q`, shape b h n d; `k` and `v`, shape b h m d; $m$ and $n$ may differ. **Return:**
# shape b h n d. Every backbone asks four things of it: all numbers are finite, also where a
# query equals a key; images and heads are not mixed; a gradient flows, so no `detach` and no
# numpy; and the values of some tokens reach the output of others. The next cell puts it into five
# backbones.


# %% solution
def own_attention(q, k, v):
    """Shares that fall with the distance of query and key."""
    scores = 1 / (1 + torch.cdist(q, k) ** 2)
    weights = scores / scores.sum(dim=-1, keepdim=True)
    return einsum(weights, v, "b h n m, b h m d -> b h n d")


# %% after own_attention
image = torch.randn(1, 3, 64, 64)
for name in ("deit_tiny", "pvt_tiny", "pvt_v2_b0", "swin_tiny", "cswin_tiny"):
    model = fe.create_model(name, attention=own_attention, img_size=64).eval()
    with torch.no_grad():
        stages = [tuple(map.shape[2:]) for map in model.feature_maps(image)]
    print(f"{name}: {tuple(model(image).shape)}, stages {stages}")

# %% teacher
# Any mixture passes, also the plain mean of the values, which is worth discussing: it is
# attention without a question. The check remarks on it when somebody hands in one of the built-in
# mechanisms.

# %% exercise attention_parameters
# How many parameters has one focused `SelfAttention`? Its parts are:
#
# - four linear layers of width $c$ to width $c$ with bias: queries, keys, values, output;
# - one learned scale for each of the $c$ channels;
# - a positional encoding of the keys: one vector of $c$ numbers for each token of the grid;
# - the depthwise kernels: one $k \times k$ kernel with a bias for each channel *of one head*,
#   shared by all heads.
#
# **Given:** `width` ($c$), `heads`, `tokens` (of the grid) and `kernel_size` ($k$). **Return:**
# the number of parameters.


# %% solution
def attention_parameters(width, heads, tokens, kernel_size):
    """Parameters of one focused SelfAttention.

    >>> attention_parameters(width=8, heads=2, tokens=9, kernel_size=3)
    408
    >>> module = fe.attention.SelfAttention(8, 2, grid=(3, 3), kernel_size=3)
    >>> sum(parameter.numel() for parameter in module.parameters())
    408
    """
    linear = 4 * (width * width + width)
    kernels = width // heads * (kernel_size**2 + 1)
    return linear + width + tokens * width + kernels


# %% teacher
# In DeiT-T (width 192, 3 heads, 196 tokens, kernel 5) the positional encoding is a fifth of the
# module. It is why the focused model of the paper has more parameters than its baseline: 6.1
# against 5.7 million.
