"""Wrong solutions as students write them, each with the name that its mistake should get."""

import itertools
import math
import statistics

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce

WRONG: list[tuple] = []


def wrong(exercise, mistake):
    """`mistake` is the name that is expected, or None where being caught is all."""

    def keep(function):
        WRONG.append((exercise, function, mistake))
        return function

    return keep


# Chapter 1: split_heads


@wrong("split_heads", "the axes are cut, not moved")
def heads_view(x, heads):
    b, n, c = x.shape
    return x.view(b, heads, n, c // heads)


@wrong("split_heads", "heads take every h-th channel")
def heads_inside(x, heads):
    return rearrange(x, "b n (d h) -> b h n d", h=heads)


@wrong("split_heads", "the heads stay behind the tokens")
def heads_behind(x, heads):
    return x.unflatten(-1, (heads, -1))


@wrong("split_heads", "the heads are put into the batch")
def heads_batch(x, heads):
    return rearrange(x, "b n (h d) -> (b h) n d", h=heads)


@wrong("split_heads", None)
def heads_number(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", d=heads)


# softmax_attention


@wrong("softmax_attention", "d^-1/2 is missing")
def no_scale(q, k, v):
    return F.softmax(q @ k.transpose(-1, -2), dim=-1) @ v


@wrong("softmax_attention", "the rows are normalised over queries, not keys")
def over_queries(q, k, v):
    scores = einsum(q, k, "b h n d, b h m d -> b h n m") / math.sqrt(q.shape[-1])
    return scores.softmax(dim=2) @ v


@wrong("softmax_attention", "divided by d, not by its square root")
def scale_twice(q, k, v):
    q, k = q * q.shape[-1] ** -0.5, k * k.shape[-1] ** -0.5
    return (q @ k.mT).softmax(-1) @ v


@wrong("softmax_attention", "the scale comes after the softmax")
def scale_last(q, k, v):
    weights = torch.softmax(q @ k.mT, -1) / q.shape[-1] ** 0.5
    return weights @ v


@wrong("softmax_attention", "k is not transposed")
def not_transposed(q, k, v):
    weights = torch.softmax(q @ k / q.shape[-1] ** 0.5, dim=-1)
    return weights @ v


@wrong("softmax_attention", "the softmax runs over the heads")
def over_heads(q, k, v):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return scores.softmax(1) @ v


@wrong("softmax_attention", "the rows are not normalised")
def only_exp(q, k, v):
    return torch.exp(q @ k.mT / math.sqrt(q.shape[-1])) @ v


@wrong("softmax_attention", "scaled by the number of keys")
def scale_keys(q, k, v):
    return torch.softmax(q @ k.mT / math.sqrt(k.shape[2]), -1) @ v


@wrong("softmax_attention", "scaled by the full width, not by one head's")
def scale_width(q, k, v):
    width = q.shape[1] * q.shape[3]
    return torch.softmax(q @ k.mT / math.sqrt(width), -1) @ v


@wrong("softmax_attention", "queries and keys are exchanged")
def keys_ask(q, k, v):
    return torch.softmax(k @ q.mT / q.shape[-1] ** 0.5, -1) @ v


@wrong("softmax_attention", "d^-1/2 is missing; the rows are normalised over queries, not keys")
def two_at_once(q, k, v):
    scores = torch.exp(q @ k.mT)
    return scores / scores.sum(2, keepdim=True) @ v


@wrong("softmax_attention", "multiplied by the root of d, not divided")
def scale_upside_down(q, k, v):
    return torch.softmax((q @ k.mT) * q.shape[-1] ** 0.5, -1) @ v


@wrong("softmax_attention", "the rows are not divided by their sum")
def forgot_sum(q, k, v):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return (scores - scores.max(-1, keepdim=True).values).exp() @ v


@wrong("softmax_attention", None)
def relu_scores(q, k, v):
    scores = (q @ k.mT / math.sqrt(q.shape[-1])).relu()
    return scores / (scores.sum(-1, keepdim=True) + 1e-6) @ v


@wrong("softmax_attention", "it takes float32 for granted")
def single_only(q, k, v):
    scores = q @ k.mT * torch.tensor(q.shape[-1]).float().rsqrt()
    return scores.softmax(-1) @ v @ torch.eye(v.shape[-1])


# softmax_in_blocks


@wrong("softmax_in_blocks", "each block is normalised by itself, then averaged")
def blocks_mean(q, k, v, size):
    q = q / math.sqrt(q.shape[-1])
    outputs = []
    for start in range(0, k.shape[2], size):
        keys, values = k[:, :, start : start + size], v[:, :, start : start + size]
        outputs.append((q @ keys.mT).softmax(-1) @ values)
    return torch.stack(outputs).mean(0)


@wrong("softmax_in_blocks", "each block is normalised by itself, then added")
def blocks_added(q, k, v, size):
    out = 0
    for keys, values in zip(k.split(size, 2), v.split(size, 2), strict=True):
        out = out + torch.softmax(q @ keys.mT / q.shape[-1] ** 0.5, -1) @ values
    return out


@wrong("softmax_in_blocks", "the last, shorter block is left out")
def blocks_whole(q, k, v, size):
    above, below = 0, 0
    for i in range(k.shape[2] // size):
        part = slice(i * size, (i + 1) * size)
        weights = torch.exp(q @ k[:, :, part].mT / q.shape[-1] ** 0.5)
        above, below = above + weights @ v[:, :, part], below + weights.sum(-1, keepdim=True)
    return above / below


@wrong("softmax_in_blocks", "the largest score of each block is not made good")
def blocks_unscaled(q, k, v, size):
    above, below = 0, 0
    for keys, values in zip(k.split(size, 2), v.split(size, 2), strict=True):
        scores = q @ keys.mT / math.sqrt(q.shape[-1])
        weights = (scores - scores.amax(-1, keepdim=True)).exp()
        above, below = above + weights @ values, below + weights.sum(-1, keepdim=True)
    return above / below


@wrong("softmax_in_blocks", "the whole map is made")
def blocks_not(q, k, v, size):
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1) @ v


# Chapter 2: linear_map


@wrong("linear_map", "ReLU is missing")
def map_raw(q, k):
    scores = q @ k.mT
    return scores / scores.sum(-1, keepdim=True)


@wrong("linear_map", "the rows are normalised over queries, not keys")
def map_columns(q, k):
    scores = (q.relu() + 1e-6) @ (k.relu() + 1e-6).mT
    return scores / scores.sum(-2, keepdim=True)


@wrong("linear_map", "a softmax is taken of the products of features")
def map_softmax(q, k):
    return torch.softmax((F.relu(q) + 1e-6) @ (F.relu(k) + 1e-6).mT, dim=-1)


@wrong("linear_map", "elu + 1 is taken, not ReLU")
def map_elu(q, k):
    scores = (F.elu(q) + 1) @ (F.elu(k) + 1).mT
    return scores / scores.sum(-1, keepdim=True)


@wrong("linear_map", "1e-6 is missing")
def map_zeros(q, k):
    scores = q.relu() @ k.relu().mT
    return scores / scores.sum(-1, keepdim=True)


# linear_attention


@wrong("linear_attention", "the rows are not normalised")
def linear_unnormalised(q, k, v):
    q, k = F.relu(q) + 1e-6, F.relu(k) + 1e-6
    return q @ (k.mT @ v)


@wrong("linear_attention", "ReLU is missing")
def linear_raw(q, k, v):
    return q @ (k.mT @ v) / (q @ k.sum(2, keepdim=True).mT)


@wrong("linear_attention", "ReLU is missing on the queries")
def linear_keys_only(q, k, v):
    k = k.relu() + 1e-6
    return q @ (k.mT @ v) / (q @ k.sum(2, keepdim=True).mT)


@wrong("linear_attention", "divided by the number of keys, not by the row's sum")
def linear_count(q, k, v):
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    return q @ (k.mT @ v) / k.shape[2]


@wrong("linear_attention", "the rows are normalised over queries, not keys")
def linear_over_n(q, k, v):
    weights = (q.relu() + 1e-6) @ (k.relu() + 1e-6).mT
    return F.normalize(weights, p=1, dim=-2) @ v


@wrong("linear_attention", "the queries' features are divided by their sums, not the rows")
def linear_queries(q, k, v):
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    return (q / q.sum(2, keepdim=True)) @ (k.mT @ v)


@wrong("linear_attention", "1e-6 is missing")
def linear_nan(q, k, v):
    q, k = q.relu(), k.relu()
    return einsum(q, k, v, "b h n d, b h m d, b h m e -> b h n e") / einsum(
        q, k, "b h n d, b h m d -> b h n"
    ).unsqueeze(-1)


@wrong("linear_attention", "a sum stands above, a mean below")
def linear_mean_below(q, k, v):
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    return q @ (k.mT @ v) / (q * k.mean(2, keepdim=True)).sum(-1, keepdim=True)


@wrong("linear_attention", "d^-1/2 stands in the place of the row's sum")
def linear_scaled(q, k, v):
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    return q @ (k.mT @ v) / math.sqrt(q.shape[-1])


@wrong("linear_attention", "all heads share one sum")
def linear_one_memory(q, k, v):
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    memory = einsum(k, v, "b h m d, b h m e -> b d e")
    below = einsum(q, k, "b h n d, b h m d -> b h n")
    return einsum(q, memory, "b h n d, b d e -> b h n e") / below[..., None]


@wrong("linear_attention", "the sum below is taken without the feature map")
def linear_raw_below(q, k, v):
    above = (q.relu() + 1e-6) @ ((k.relu() + 1e-6).mT @ v)
    return above / (q @ k.sum(2, keepdim=True).mT)


@wrong("linear_attention", "the small number is too large")
def linear_plus_one(q, k, v):
    q, k = q.relu() + 1, k.relu() + 1
    weights = q @ k.mT
    return weights / weights.sum(-1, keepdim=True) @ v


@wrong("linear_attention", "ReLU is taken of the values as well")
def linear_relu_all(q, k, v):
    q, k, v = (F.relu(x) + 1e-6 for x in (q, k, v))
    return q @ (k.mT @ v) / (q @ k.sum(2, keepdim=True).mT)


@wrong("linear_attention", "this is softmax attention")
def linear_is_softmax(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


@wrong("linear_attention", None)
def linear_relu_of_map(q, k, v):
    weights = (q @ k.mT).relu() + 1e-6
    return weights / weights.sum(-1, keepdim=True) @ v


@wrong("linear_attention", "no numbers are returned")
def linear_pair(q, k, v):
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    return q @ (k.mT @ v), q @ k.sum(2, keepdim=True).mT


# causal_linear_attention


@wrong("causal_linear_attention", "later tokens are seen")
def causal_not(q, k, v):
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    return q @ (k.mT @ v) / (q @ k.sum(2, keepdim=True).mT)


@wrong("causal_linear_attention", "the sum below runs over all tokens")
def causal_half(q, k, v):
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    memory = einsum(k, v, "b h n d, b h n e -> b h n d e").cumsum(2)
    return einsum(q, memory, "b h n d, b h n d e -> b h n e") / (q @ k.sum(2, keepdim=True).mT)


@wrong("causal_linear_attention", "it looks forward, not back")
def causal_forward(q, k, v):
    weights = torch.triu((q.relu() + 1e-6) @ (k.relu() + 1e-6).mT)
    return weights / weights.sum(-1, keepdim=True) @ v


@wrong("causal_linear_attention", "a token does not see itself")
def causal_strict(q, k, v):
    weights = torch.tril((q.relu() + 1e-6) @ (k.relu() + 1e-6).mT, diagonal=-1)
    return weights / weights.sum(-1, keepdim=True) @ v


# Chapter 3: focus


@wrong("focus", "the norm is taken after the power, so it is not restored")
def focus_late(x, p):
    x = x**p
    norm = x.norm(dim=-1, keepdim=True)
    return x / x.norm(dim=-1, keepdim=True) * norm


@wrong("focus", "the norm is taken after the power, so it is not restored")
def focus_power(x, p):
    return x**p


@wrong("focus", "the result has length 1: |x| is missing")
def focus_unit(x, p):
    return F.normalize(x**p, dim=-1)


@wrong("focus", "the norm runs over the tokens, not the channels")
def focus_tokens(x, p):
    sharp = x**p
    return sharp * x.norm(dim=-2, keepdim=True) / sharp.norm(dim=-2, keepdim=True)


@wrong("focus", "one norm is taken for all vectors")
def focus_all(x, p):
    return x.norm() / (x**p).norm() * x**p


@wrong("focus", "the L1 norm is taken, not L2")
def focus_l1(x, p):
    sharp = x**p
    return sharp * x.sum(-1, keepdim=True) / sharp.sum(-1, keepdim=True)


@wrong("focus", "p is always 3")
def focus_three(x, p):
    sharp = x**3
    return sharp * x.norm(dim=-1, keepdim=True) / sharp.norm(dim=-1, keepdim=True)


@wrong("focus", "the L_p norm is taken, not L2")
def focus_lp(x, p):
    sharp = x**p
    return sharp * x.norm(p, dim=-1, keepdim=True) / sharp.norm(p, dim=-1, keepdim=True)


@wrong("focus", "the fraction of the norms is upside down")
def focus_upside_down(x, p):
    sharp = x**p
    return sharp * sharp.norm(dim=-1, keepdim=True) / x.norm(dim=-1, keepdim=True)


@wrong("focus", "the root of the norm is missing")
def focus_no_root(x, p):
    sharp = x**p
    return sharp * (x**2).sum(-1, keepdim=True) / (sharp**2).sum(-1, keepdim=True)


@wrong("focus", "multiplied by p, not raised to it")
def focus_times(x, p):
    return p * x


@wrong("focus", "p is ignored")
def focus_nothing(x, p):
    return x


@wrong("focus", None)
def focus_softmax(x, p):
    return torch.softmax(p * x, -1) * x.norm(dim=-1, keepdim=True)


# focused_attention


def f_p(x, p):
    sharp = x**p
    return sharp * x.norm(dim=-1, keepdim=True) / sharp.norm(dim=-1, keepdim=True)


@wrong("focused_attention", "the norm is taken after the power, so it is not restored")
def focused_lost(q, k, v, p):
    q, k = (q.relu() + 1e-6) ** p, (k.relu() + 1e-6) ** p
    weights = q @ k.mT
    return weights / weights.sum(-1, keepdim=True) @ v


@wrong("focused_attention", "p is ignored")
def focused_linear(q, k, v, p):
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    weights = q @ k.mT
    return weights / weights.sum(-1, keepdim=True) @ v


@wrong("focused_attention", "ReLU comes after the power")
def focused_relu_late(q, k, v, p):
    q, k = f_p(q, p).relu() + 1e-6, f_p(k, p).relu() + 1e-6
    weights = q @ k.mT
    return weights / weights.sum(-1, keepdim=True) @ v


@wrong("focused_attention", "the rows are not normalised")
def focused_not_divided(q, k, v, p):
    q, k = f_p(q.relu() + 1e-6, p), f_p(k.relu() + 1e-6, p)
    return q @ (k.mT @ v)


@wrong("focused_attention", "only the queries are focused")
def focused_q(q, k, v, p):
    q, k = f_p(q.relu() + 1e-6, p), k.relu() + 1e-6
    return q @ (k.mT @ v) / (q @ k.sum(2, keepdim=True).mT)


@wrong("focused_attention", "only the keys are focused")
def focused_k(q, k, v, p):
    q, k = q.relu() + 1e-6, f_p(k.relu() + 1e-6, p)
    return q @ (k.mT @ v) / (q @ k.sum(2, keepdim=True).mT)


@wrong("focused_attention", "ReLU is missing")
def focused_signed(q, k, v, p):
    q, k = f_p(q, p), f_p(k, p)
    return q @ (k.mT @ v) / (q @ k.sum(2, keepdim=True).mT)


@wrong("focused_attention", "the norms are taken over all heads together")
def focused_wide(q, k, v, p):
    h = q.shape[1]
    q, k = (rearrange(x.relu() + 1e-6, "b h n d -> b n (h d)") for x in (q, k))
    q, k = (rearrange(f_p(x, p), "b n (h d) -> b h n d", h=h) for x in (q, k))
    return q @ (k.mT @ v) / (q @ k.sum(2, keepdim=True).mT)


@wrong("focused_attention", "the power is taken of the weights, not of the features")
def focused_map(q, k, v, p):
    weights = ((q.relu() + 1e-6) @ (k.relu() + 1e-6).mT) ** p
    return weights / weights.sum(-1, keepdim=True) @ v


@wrong("focused_attention", "the result has length 1: |x| is missing")
def focused_cosine(q, k, v, p):
    q, k = (F.normalize((x.relu() + 1e-6) ** p, dim=-1) for x in (q, k))
    return q @ (k.mT @ v) / (q @ k.sum(2, keepdim=True).mT)


@wrong("focused_attention", "the rows are normalised over queries, not keys")
def focused_columns(q, k, v, p):
    q, k = f_p(q.relu() + 1e-6, p), f_p(k.relu() + 1e-6, p)
    weights = q @ k.mT
    return weights / weights.sum(-2, keepdim=True) @ v


@wrong("focused_attention", None)
def focused_values_too(q, k, v, p):
    q, k, v = (f_p(x.relu() + 1e-6, p) for x in (q, k, v))
    return q @ (k.mT @ v) / (q @ k.sum(2, keepdim=True).mT)


# counterexample


@wrong("counterexample", "the product does not get smaller")
def pair_sharpens(p):
    return torch.tensor([1.0, 0.2, 0.1]), torch.tensor([1.0, 0.1, 0.3])


@wrong("counterexample", "the largest entries are at different places")
def pair_apart(p):
    return torch.tensor([1.0, 0.5]), torch.tensor([0.5, 1.0])


@wrong("counterexample", "an entry is negative")
def pair_negative(p):
    return torch.tensor([1.0, -0.9]), torch.tensor([1.0, 0.9])


@wrong("counterexample", "there is no single largest entry")
def pair_tie(p):
    return torch.tensor([1.0, 1.0]), torch.tensor([1.0, 0.5])


# Chapter 4: numerical_rank


@wrong("numerical_rank", "every value above 0 is counted")
def rank_positive(map):
    return (torch.linalg.svdvals(map) > 0).sum(-1)


@wrong("numerical_rank", "float32 is too coarse")
def rank_single(map):
    return torch.linalg.matrix_rank(map.float())


@wrong("numerical_rank", "the tolerance does not follow the largest value (1e-6)")
def rank_absolute(map):
    return (torch.linalg.svdvals(map) > 1e-6).sum(-1)


@wrong("numerical_rank", "the tolerance is too large")
def rank_coarse(map):
    s = torch.linalg.svdvals(map)
    return (s > 1e-3 * s.max()).sum()


@wrong("numerical_rank", None)
def rank_diagonal(map):
    return (torch.diagonal(map, dim1=-2, dim2=-1).abs() > 1e-9).sum(-1)


# effective_rank


@wrong("effective_rank", "the singular values are squared")
def effective_squares(map):
    s = torch.linalg.svdvals(map) ** 2
    share = s / s.sum()
    return torch.exp(-(share * share.log()).sum())


@wrong("effective_rank", "the exponential is missing")
def effective_entropy(map):
    s = torch.linalg.svdvals(map)
    share = s / s.sum(-1, keepdim=True)
    return torch.special.entr(share).sum(-1)


@wrong("effective_rank", "log2 and exp do not fit")
def effective_mixed(map):
    s = torch.linalg.svdvals(map)
    share = s / s.sum(-1, keepdim=True)
    return torch.exp(-(share * torch.log2(share)).sum(-1))


@wrong("effective_rank", "the values are not divided by their sum")
def effective_raw(map):
    s = torch.linalg.svdvals(map)
    return torch.exp(-(s * s.log()).sum(-1))


@wrong("effective_rank", "the values are divided by their length, not by their sum")
def effective_normalize(map):
    s = F.normalize(torch.linalg.svdvals(map), dim=-1)
    return torch.exp(-(s * s.log()).sum(-1))


@wrong("effective_rank", "this is the participation ratio")
def effective_participation(map):
    s = torch.linalg.svdvals(map)
    return s.sum(-1) ** 2 / (s**2).sum(-1)


@wrong("effective_rank", "the minus sign is missing")
def effective_sign(map):
    s = np.linalg.svd(map.numpy(), compute_uv=False)
    share = s / s.sum()
    return float(np.exp((share * np.log(share)).sum()))


@wrong("effective_rank", None)
def effective_eigen(map):
    values = torch.linalg.eigvals(map[..., : min(map.shape), : min(map.shape)]).abs()
    share = values / values.sum(-1, keepdim=True)
    return torch.special.entr(share).sum(-1).exp()


# rank_exactly


@wrong("rank_exactly", "the rank is too high")
def rank_random(n, d, r):
    return torch.rand(n, d), torch.rand(n, d)


@wrong("rank_exactly", "a channel of zeros still counts")
def rank_zeros(n, d, r):
    q, k = torch.zeros(n, d), torch.zeros(n, d)
    q[:, :r], k[:, :r] = torch.rand(n, r), torch.rand(n, r)
    return q, k


@wrong("rank_exactly", "the rank is too low")
def rank_one(n, d, r):
    return torch.ones(n, d), torch.ones(n, d)


# Chapter 5: neighbours


@wrong("neighbours", "the border is forgotten")
def count_all(grid, size):
    return torch.full(grid, size * size)


@wrong("neighbours", "the token itself is left out")
def count_others(grid, size):
    one = torch.ones(1, 1, *grid)
    return F.conv2d(one, torch.ones(1, 1, size, size), padding=size // 2)[0, 0] - 1


@wrong("neighbours", "rows and columns of the grid are exchanged")
def count_exchanged(grid, size):
    one = torch.ones(1, 1, grid[1], grid[0])
    return F.conv2d(one, torch.ones(1, 1, size, size), padding=size // 2)[0, 0]


# depthwise_matrix


def place_weights(kernel, grid, entry):
    """What the loops of many students share; `entry` says where they put a weight."""
    rows, columns = grid
    r = len(kernel) // 2
    out = torch.zeros(rows * columns, rows * columns, dtype=kernel.dtype)
    for y, x in itertools.product(range(rows), range(columns)):
        for a, b in itertools.product(range(len(kernel)), repeat=2):
            entry(out, y, x, a - r, b - r, a, b)
    return out


@wrong("depthwise_matrix", "the kernel is flipped")
def matrix_flipped(kernel, grid):
    def entry(out, y, x, dy, dx, a, b):
        if 0 <= y - dy < grid[0] and 0 <= x - dx < grid[1]:
            out[y * grid[1] + x, (y - dy) * grid[1] + x - dx] = kernel[a, b]

    return place_weights(kernel, grid, entry)


@wrong("depthwise_matrix", "the kernel is flipped")
def matrix_from_columns(kernel, grid):
    n = grid[0] * grid[1]
    one = torch.eye(n, dtype=kernel.dtype).reshape(n, 1, *grid)
    return F.conv2d(one, kernel[None, None], padding=len(kernel) // 2).reshape(n, n)


@wrong("depthwise_matrix", "rows wrap at the border of the grid")
def matrix_flat(kernel, grid):
    n, columns = grid[0] * grid[1], grid[1]

    def entry(out, y, x, dy, dx, a, b):
        other = (y + dy) * columns + x + dx
        if 0 <= other < n:
            out[y * columns + x, other] += kernel[a, b]

    return place_weights(kernel, grid, entry)


@wrong("depthwise_matrix", "the border wraps to the other side")
def matrix_circular(kernel, grid):
    def entry(out, y, x, dy, dx, a, b):
        yy, xx = (y + dy) % grid[0], (x + dx) % grid[1]
        out[y * grid[1] + x, yy * grid[1] + xx] += kernel[a, b]

    return place_weights(kernel, grid, entry)


@wrong("depthwise_matrix", "the border is repeated outside")
def matrix_clamped(kernel, grid):
    def entry(out, y, x, dy, dx, a, b):
        yy, xx = min(max(y + dy, 0), grid[0] - 1), min(max(x + dx, 0), grid[1] - 1)
        out[y * grid[1] + x, yy * grid[1] + xx] += kernel[a, b]

    return place_weights(kernel, grid, entry)


@wrong("depthwise_matrix", "the kernel is transposed")
def matrix_transposed(kernel, grid):
    def entry(out, y, x, dy, dx, a, b):
        if 0 <= y + dy < grid[0] and 0 <= x + dx < grid[1]:
            out[y * grid[1] + x, (y + dy) * grid[1] + x + dx] = kernel[b, a]

    return place_weights(kernel, grid, entry)


@wrong("depthwise_matrix", "rows and columns of the grid are exchanged")
def matrix_exchanged(kernel, grid):
    columns, rows = grid
    n = rows * columns
    one = torch.eye(n, dtype=kernel.dtype).reshape(n, 1, rows, columns)
    return F.conv2d(one, kernel[None, None], padding=len(kernel) // 2).reshape(n, n).T


@wrong("depthwise_matrix", "tokens are counted column by column")
def matrix_columns(kernel, grid):
    def entry(out, y, x, dy, dx, a, b):
        if 0 <= y + dy < grid[0] and 0 <= x + dx < grid[1]:
            out[x * grid[0] + y, (x + dx) * grid[0] + y + dy] = kernel[a, b]

    return place_weights(kernel, grid, entry)


@wrong("depthwise_matrix", "the window starts at the token")
def matrix_corner(kernel, grid):
    r = len(kernel) // 2

    def entry(out, y, x, dy, dx, a, b):
        if y + dy + r < grid[0] and x + dx + r < grid[1]:
            out[y * grid[1] + x, (y + dy + r) * grid[1] + x + dx + r] = kernel[a, b]

    return place_weights(kernel, grid, entry)


@wrong("depthwise_matrix", None)
def matrix_middle(kernel, grid):
    return (
        torch.eye(grid[0] * grid[1], dtype=kernel.dtype)
        * kernel[len(kernel) // 2, len(kernel) // 2]
    )


# equivalent_map


def dwc(kernel, grid, flip=False):
    n = grid[0] * grid[1]
    one = torch.eye(n, dtype=kernel.dtype).reshape(n, 1, *grid)
    out = F.conv2d(one, kernel[None, None], padding=len(kernel) // 2).reshape(n, n)
    return out if flip else out.T


def focused_weights(q, k, p):
    weights = f_p(q.relu() + 1e-6, p) @ f_p(k.relu() + 1e-6, p).mT
    return weights / weights.sum(-1, keepdim=True)


@wrong("equivalent_map", "the rows are not normalised")
def equivalent_raw(q, k, kernel, grid, p):
    return f_p(q.relu() + 1e-6, p) @ f_p(k.relu() + 1e-6, p).mT + dwc(kernel, grid)


@wrong("equivalent_map", "the two are multiplied, not added")
def equivalent_product(q, k, kernel, grid, p):
    return focused_weights(q, k, p) * dwc(kernel, grid)


@wrong("equivalent_map", "one acts after the other")
def equivalent_chain(q, k, kernel, grid, p):
    return focused_weights(q, k, p) @ dwc(kernel, grid)


@wrong("equivalent_map", "the kernel is flipped")
def equivalent_flipped(q, k, kernel, grid, p):
    return focused_weights(q, k, p) + dwc(kernel, grid, flip=True)


@wrong("equivalent_map", "the depthwise branch is missing")
def equivalent_map_alone(q, k, kernel, grid, p):
    return focused_weights(q, k, p)


@wrong("equivalent_map", "the rows are divided after the sum")
def equivalent_divided(q, k, kernel, grid, p):
    total = f_p(q.relu() + 1e-6, p) @ f_p(k.relu() + 1e-6, p).mT
    total = total / total.sum(-1, keepdim=True) + dwc(kernel, grid)
    return total / total.sum(-1, keepdim=True)


@wrong("equivalent_map", "p is ignored")
def equivalent_linear(q, k, kernel, grid, p):
    return focused_weights(q, k, 1) + dwc(kernel, grid)


@wrong("equivalent_map", "the map is that of softmax attention")
def equivalent_softmax(q, k, kernel, grid, p):
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) + dwc(kernel, grid)


@wrong("equivalent_map", "the kernel is flipped; the rows are not normalised")
def equivalent_two(q, k, kernel, grid, p):
    weights = f_p(q.relu() + 1e-6, p) @ f_p(k.relu() + 1e-6, p).mT
    return weights + dwc(kernel, grid, flip=True)


# Chapter 6: growth


@wrong("growth", "the axes are not logarithmic")
def growth_linear(tokens, seconds):
    return np.polyfit(tokens, seconds, 1)[0]


@wrong("growth", "the fraction is upside down")
def growth_inverse(tokens, seconds):
    return math.log(tokens[-1] / tokens[0]) / math.log(seconds[-1] / seconds[0])


@wrong("growth", "the ratio is returned, not the exponent")
def growth_ratio(tokens, seconds):
    return seconds[-1] / seconds[0]


@wrong("growth", "only the seconds are logarithmic")
def growth_half(tokens, seconds):
    return np.polyfit(tokens, np.log(seconds), 1)[0]


# focused_with_branch


@wrong("focused_with_branch", "the convolution acts on the output of the attention")
def branch_of_output(q, k, v, kernel, grid, p):
    mixed = focused_weights(q, k, p) @ v
    return mixed + dwc(kernel, grid) @ mixed


@wrong("focused_with_branch", "the kernel is flipped")
def branch_flipped(q, k, v, kernel, grid, p):
    return focused_weights(q, k, p) @ v + dwc(kernel, grid, flip=True) @ v


@wrong("focused_with_branch", "rows and columns of the grid are exchanged")
def branch_exchanged(q, k, v, kernel, grid, p):
    image = rearrange(v, "b h (y x) d -> (b h d) 1 y x", y=grid[1])
    local = F.conv2d(image, kernel[None, None], padding=len(kernel) // 2)
    local = rearrange(local, "(b h d) 1 y x -> b h (y x) d", b=v.shape[0], h=v.shape[1])
    return focused_weights(q, k, p) @ v + local


@wrong("focused_with_branch", "the depthwise branch is missing")
def branch_missing(q, k, v, kernel, grid, p):
    return focused_weights(q, k, p) @ v


@wrong("focused_with_branch", "the rows are not normalised")
def branch_raw(q, k, v, kernel, grid, p):
    weights = f_p(q.relu() + 1e-6, p) @ f_p(k.relu() + 1e-6, p).mT
    return weights @ v + dwc(kernel, grid) @ v


@wrong("focused_with_branch", "the border wraps to the other side")
def branch_circular(q, k, v, kernel, grid, p):
    r, image = len(kernel) // 2, rearrange(v, "b h (y x) d -> b h d y x", y=grid[0])
    local = 0
    for a, b in itertools.product(range(len(kernel)), repeat=2):
        local = local + kernel[a, b] * image.roll((r - a, r - b), (-2, -1))
    return focused_weights(q, k, p) @ v + rearrange(local, "b h d y x -> b h (y x) d")


# stable_focus


@wrong("stable_focus", "the power leaves the range of float32")
def stable_not(x, p):
    sharp = x**p
    return sharp * (x.norm(dim=-1, keepdim=True) / sharp.norm(dim=-1, keepdim=True))


@wrong("stable_focus", "1e-06 below hides the small numbers")
def stable_eps(x, p):
    sharp = x**p
    return sharp * (x.norm(dim=-1, keepdim=True) / (sharp.norm(dim=-1, keepdim=True) + 1e-6))


@wrong("stable_focus", "the largest entry is taken, not the L2 norm")
def stable_largest(x, p):
    sharp = (x / x.amax(-1, keepdim=True)) ** p
    return sharp * x.amax(-1, keepdim=True)


@wrong("stable_focus", "a row of zeros gives nan")
def stable_zeros(x, p):
    unit = x / x.amax(-1, keepdim=True)
    return f_p(unit, p) * x.amax(-1, keepdim=True)


# Chapter 7


@wrong("stage_tokens", "the tokens are halved, not quartered")
def tokens_halved(height, width):
    first = height * width // 16
    return [first, first // 2, first // 4, first // 8]


@wrong("stage_tokens", "the patches of 4 are forgotten")
def tokens_pixels(height, width):
    return [(height // s) * (width // s) for s in (1, 2, 4, 8)]


@wrong("stage_tokens", "the height is taken for the width")
def tokens_square(height, width):
    return [(height // s) ** 2 for s in (4, 8, 16, 32)]


@wrong("own_attention", "the shape is wrong")
def own_average(q, k, v):
    return v.mean(2)


@wrong("own_attention", "images are mixed")
def own_batch(q, k, v):
    return torch.softmax(q @ k.mT, dim=0) @ v


@wrong("own_attention", "heads are mixed")
def own_heads(q, k, v):
    return torch.softmax(q @ k.mT, -1) @ v.mean(1, keepdim=True)


@wrong("own_attention", "no gradient flows")
def own_numpy(q, k, v):
    weights = torch.softmax(q.detach() @ k.detach().mT, -1)
    return weights @ v.detach()


@wrong("own_attention", "tokens are not mixed")
def own_query(q, k, v):
    return q * torch.sigmoid(k.mean(2, keepdim=True))


@wrong("attention_parameters", "the biases of the projections are missing")
def parameters_no_bias(width, heads, tokens, kernel_size):
    d = width // heads
    return 4 * width * width + width + tokens * width + d * kernel_size**2 + d


@wrong("attention_parameters", "each channel of the full width has a kernel")
def parameters_wide(width, heads, tokens, kernel_size):
    return 4 * (width * width + width) + width + tokens * width + width * (kernel_size**2 + 1)


@wrong("attention_parameters", "scale and positional encoding are missing")
def parameters_plain(width, heads, tokens, kernel_size):
    return 4 * (width * width + width) + width // heads * (kernel_size**2 + 1)


# Chapter 8


@wrong("paired_difference", "the seeds are not paired")
def unpaired(a, b):
    error = math.sqrt(statistics.variance(a) / len(a) + statistics.variance(b) / len(b))
    return statistics.mean(a) - statistics.mean(b), error


@wrong("paired_difference", "the spread is taken with n, not n - 1")
def biased(a, b):
    difference = np.array(a) - np.array(b)
    return difference.mean(), difference.std() / np.sqrt(len(difference))


@wrong("paired_difference", "the spread of the differences is not divided by the root of n")
def not_divided(a, b):
    difference = torch.tensor(a) - torch.tensor(b)
    return difference.mean(), difference.std()


@wrong("paired_difference", "the sign is turned")
def turned(a, b):
    difference = torch.tensor(b) - torch.tensor(a)
    return difference.mean(), difference.std() / len(a) ** 0.5


@wrong("choose_p", "p is chosen on the test data")
def choose_test(results):
    return max(results, key=lambda p: sum(results[p]["test"]) / len(results[p]["test"]))


@wrong("choose_p", "the best single seed decides")
def choose_lucky(results):
    return max(results, key=lambda p: max(results[p]["validation"]))


@wrong("choose_p", "p is always 3")
def choose_paper(results):
    return 3


@wrong("diagnose", "'overfits' is taken for 'healthy'")
def diagnose_train(rows):
    last = rows[-1]["train_loss"]
    if math.isnan(last) or max(row["train_loss"] for row in rows) > 5:
        return "diverges"
    return "does not learn" if last > 2 else "healthy"


@wrong("diagnose", "'diverges' is taken for 'healthy'")
def diagnose_nan(rows):
    last = rows[-1]
    if any(row["train_loss"] > 5 for row in rows):
        return "diverges"
    if last["train_loss"] > 2:
        return "does not learn"
    return "overfits" if last["test_loss"] > 1.5 * min(r["test_loss"] for r in rows) else "healthy"


@wrong("diagnose", "'diverges' is taken for 'does not learn'")
def diagnose_last(rows):
    last = rows[-1]["train_loss"]
    if math.isnan(last) or last > 5:
        return "diverges"
    if last > 2:
        return "does not learn"
    test = [row["test_loss"] for row in rows]
    return "overfits" if test[-1] > 1.5 * min(test) else "healthy"


@wrong("diagnose", "none of the four words")
def diagnose_words(rows):
    return "the learning rate is too high"


# Chapter 9: row_entropy


@wrong("row_entropy", "the entropy is not divided by log m")
def entropy_nats(map):
    return torch.special.entr(map).sum(-1)


@wrong("row_entropy", "divided by log n, not by log m")
def entropy_log_n(map):
    return torch.special.entr(map).sum(-1) / math.log(map.shape[-2])


@wrong("row_entropy", "the entropy is in bits, and not divided by log m")
def entropy_in_bits(map):
    return -(map * torch.log2(map + 1e-9)).sum(dim=-1)


@wrong("row_entropy", "the mean over the rows is returned")
def entropy_mean(map):
    return (torch.special.entr(map).sum(-1) / math.log(map.shape[-1])).mean()


@wrong("row_entropy", "a weight of 0 gives nan")
def entropy_nan(map):
    return -(map * map.log()).sum(-1) / math.log(map.shape[-1])


@wrong("row_entropy", "the columns are taken, not the rows")
def entropy_columns(map):
    return torch.special.entr(map).sum(-2) / math.log(map.shape[-1])


@wrong("row_entropy", "log2 above, the natural logarithm below")
def entropy_two_bases(map):
    return -(map * (map + 1e-9).log2()).sum(-1) / np.log(map.shape[-1])


@wrong("row_entropy", "the minus sign is missing")
def entropy_negative(map):
    return torch.xlogy(map, map).sum(-1) / math.log(map.shape[-1])


@wrong("row_entropy", "one minus the entropy is returned")
def entropy_focus(map):
    return 1 - torch.special.entr(map).sum(-1) / math.log(map.shape[-1])


@wrong("row_entropy", "divided by m, not by log m")
def entropy_by_m(map):
    return torch.special.entr(map).sum(-1) / map.shape[-1]


@wrong("row_entropy", None)
def entropy_variance(map):
    return map.var(-1)


# row_picture


@wrong("row_picture", "a column is taken, not a row")
def picture_column(map, place, grid):
    return map[:, place[0] * grid[1] + place[1]].reshape(grid)


@wrong("row_picture", "y and x of the place are exchanged")
def picture_exchanged(map, place, grid):
    x, y = place
    return map[y * grid[1] + x].reshape(grid)


@wrong("row_picture", "rows and columns of the picture are exchanged")
def picture_turned(map, place, grid):
    return map[place[0] * grid[1] + place[1]].reshape(grid[1], grid[0])


@wrong("row_picture", "y counts the rows, not their length")
def picture_rows(map, place, grid):
    return map[place[0] * grid[0] + place[1]].reshape(grid)


# rollout


@wrong("rollout", "the layers are in the wrong order")
def rollout_reversed(maps):
    one = torch.eye(len(maps[0]), dtype=maps[0].dtype)
    total = one
    for map in maps:
        total = total @ (map + one) / 2
    return total


@wrong("rollout", "the skip connection is missing")
def rollout_bare(maps):
    total = maps[0]
    for map in maps[1:]:
        total = map @ total
    return total


@wrong("rollout", "entries are multiplied, not matrices")
def rollout_entries(maps):
    total = 1
    for map in maps:
        total = total * (map + torch.eye(len(map))) / 2
    return total


@wrong("rollout", "the maps are averaged")
def rollout_mean(maps):
    stack = torch.stack([(map + torch.eye(len(map))) / 2 for map in maps])
    return reduce(stack, "l n m -> n m", "mean")
