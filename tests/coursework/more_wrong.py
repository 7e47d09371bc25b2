"""More wrong solutions: slips of the hand, half precision, printing, loops that end too early."""

import math
import statistics

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum, rearrange

import flatten_edu as fe

from .more_right import attend, f_p, phi
from .wrong import WRONG, wrong

__all__ = ["WRONG"]


def with_inside(kernel, grid, inside, leave=False):
    """The matrix by four loops, with a test of one's own for what is inside."""
    rows, columns = grid
    r = len(kernel) // 2
    matrix = torch.zeros(rows, columns, rows, columns, dtype=kernel.dtype)
    for y in range(rows):
        for x in range(columns):
            for a in range(len(kernel)):
                for b in range(len(kernel)):
                    yy, xx = y + a - r, x + b - r
                    if inside(yy, xx):
                        matrix[y, x, yy, xx] = kernel[a, b]
                    elif leave:
                        break
    return rearrange(matrix, "y x b a -> (y x) (b a)")


def matrix_of(kernel, grid):
    return with_inside(kernel, grid, lambda y, x: 0 <= y < grid[0] and 0 <= x < grid[1])


# softmax_attention


@wrong("softmax_attention", "the softmax runs over the whole map")
def exp_over_all(q, k, v):
    weights = (q @ k.mT / q.shape[-1] ** 0.5).exp()
    return weights / weights.sum() @ v


@wrong("softmax_attention", "too few digits are right")
def in_half(q, k, v):
    a, b, c = q.half(), k.half(), v.half()
    return ((a @ b.mT / a.shape[-1] ** 0.5).softmax(-1) @ c).to(q.dtype)


@wrong("softmax_attention", "too few digits are right")
def two_decimals(q, k, v):
    return F.scaled_dot_product_attention(q, k, v).round(decimals=2)


@wrong("softmax_attention", "nothing is returned")
def printed_only(q, k, v):
    print((q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v)


@wrong("softmax_attention", "it is right for one size only")
def two_by_two(q, k, v):
    mixed = torch.zeros(1, 1, 2, 2)
    for i in range(2):
        scores = [(q[0, 0, i] * k[0, 0, j]).sum() / math.sqrt(2) for j in range(2)]
        weights = torch.stack(scores).softmax(0)
        mixed[0, 0, i] = weights[0] * v[0, 0, 0] + weights[1] * v[0, 0, 1]
    return mixed


@wrong("softmax_attention", "two calls give different results")
def with_dropout(q, k, v):
    return F.dropout((q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1), 0.1) @ v


@wrong("softmax_attention", "a softmax is taken twice")
def softmax_twice(q, k, v):
    weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)
    return F.softmax(weights, dim=-1) @ v


@wrong("softmax_attention", "the scores are rounded")
def whole_scores(q, k, v):
    return (q @ k.mT // math.sqrt(q.shape[-1])).softmax(-1) @ v


@wrong("softmax_attention", "k is reshaped, not transposed")
def reshaped(q, k, v):
    b, h, m, d = k.shape
    return (q @ k.reshape(b, h, d, m) / math.sqrt(d)).softmax(-1) @ v


@wrong("softmax_attention", "q and k are multiplied entry by entry")
def entry_by_entry(q, k, v):
    return (q * k / math.sqrt(q.shape[-1])).softmax(-1) * v


@wrong("softmax_attention", "more than the result is returned")
def with_weights(q, k, v):
    weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)
    return weights @ v, weights


@wrong("softmax_attention", "it takes one head for granted")
def heads_merged(q, k, v):
    heads = q.shape[1]
    q, k, v = (rearrange(t, "b h n d -> b n (h d)") for t in (q, k, v))
    mixed = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v
    return rearrange(mixed, "b n (h d) -> b h n d", h=heads)


@wrong("softmax_attention", "it takes n = m for granted")
def n_for_keys(q, k, v):
    n, d = q.shape[2:]
    scores = torch.stack([(q * k[:, :, j : j + 1]).sum(-1) for j in range(n)], -1)
    weights = (scores / d**0.5).softmax(-1)
    return sum(weights[..., j : j + 1] * v[:, :, j : j + 1] for j in range(n))


@wrong("softmax_attention", "two axes are exchanged")
def result_turned(q, k, v):
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2)


@wrong("softmax_in_blocks", "the queries are cut into the same blocks")
def blocks_of_queries(q, k, v, size):
    parts = zip(*(side.split(size, 2) for side in (q, k, v)), strict=False)
    return torch.cat([F.scaled_dot_product_attention(*part) for part in parts], 2)


# Linear attention


@wrong("linear_map", "the sum has lost its axis")
def map_axis_lost(q, k):
    scores = phi(q) @ phi(k).mT
    return scores / scores.sum(-1)


@wrong("linear_attention", "the sum below has lost its axis")
def linear_axis_lost(q, k, v):
    q, k = phi(q), phi(k)
    return q @ (k.mT @ v) / (q * k.sum(-2, keepdim=True)).sum(-1)


@wrong("linear_attention", "the sums go on from one query to the next")
def linear_running(q, k, v):
    q, k = phi(q), phi(k)
    mixed, above, below = torch.zeros_like(q), 0, 0
    for i in range(q.shape[2]):
        for j in range(k.shape[2]):
            weight = (q[:, :, i] * k[:, :, j]).sum(-1, keepdim=True)
            above, below = above + weight * v[:, :, j], below + weight
        mixed[:, :, i] = above / below
    return mixed


@wrong("linear_attention", "the keys are missing in the sum below")
def linear_queries_below(q, k, v):
    q, k = phi(q), phi(k)
    return q @ (k.mT @ v) / q.sum(-1, keepdim=True)


@wrong("linear_attention", "queries and keys are brought to length 1")
def linear_unit(q, k, v):
    return attend(F.normalize(phi(q), dim=-1), F.normalize(phi(k), dim=-1), v)


@wrong("linear_attention", "too few digits are right")
def linear_half(q, k, v):
    return attend(phi(q.half()), phi(k.half()), v.half())


@wrong("linear_attention", "a factor is wrong")
def linear_scaled_above(q, k, v):
    return q.shape[-1] ** -0.5 * attend(phi(q), phi(k), v)


@wrong("causal_linear_attention", "the sum below runs along the channels")
def causal_channels(q, k, v):
    q, k = phi(q), phi(k)
    memory = (k[..., None] * v[..., None, :]).cumsum(2)
    return (
        einsum(q, memory, "b h n d, b h n d e -> b h n e") / (q * k.cumsum(-1)).sum(-1)[..., None]
    )


# Focus


@wrong("focus", "the norms have lost their axis")
def focus_axis_lost(x, p):
    return x.norm(dim=-1) / (x**p).norm(dim=-1) * x**p


@wrong("focus", "the power is taken twice")
def focus_twice(x, p):
    return f_p(x**p, p) * (x.norm(dim=-1) / (x**p).norm(dim=-1))[..., None]


@wrong("focus", "the power is taken once more below")
def focus_below(x, p):
    y = x**p
    return x.norm(dim=-1, keepdim=True) / (y**p).norm(dim=-1, keepdim=True) * y


@wrong("focus", "it stops with NotImplementedError")
def focus_caret(x, p):
    return x ^ p


@wrong("focus", "too few digits are right")
def focus_half(x, p):
    return f_p(x.half(), p)


@wrong("focus", "the norm is taken after the power, so it is not restored")
def focus_in_place(x, p):
    x **= p
    return x.norm(dim=-1, keepdim=True) / x.norm(dim=-1, keepdim=True) * x


@wrong("focus", "nothing is returned")
def focus_forgotten(x, p):
    x = f_p(x, p)


@wrong("focus", None)
def focus_two_entries(x, p):
    a, b = x[0]
    return f_p(torch.tensor([[a, b]]), p)


@wrong("focused_attention", "the sum has lost its axis")
def focused_axis_lost(q, k, v, p):
    weights = f_p(phi(q), p) @ f_p(phi(k), p).mT
    return weights / weights.sum(-1) @ v


@wrong("focused_attention", "the power is taken twice")
def focused_twice(q, k, v, p):
    return attend(f_p(f_p(phi(q), p), p), f_p(f_p(phi(k), p), p), v)


@wrong("focused_attention", "f_p is taken of the values as well")
def focused_all_three(q, k, v, p):
    return attend(f_p(phi(q), p), f_p(phi(k), p), f_p(phi(v), p))


@wrong("focused_attention", "too few digits are right")
def focused_half(q, k, v, p):
    return attend(f_p(phi(q.half()), p), f_p(phi(k.half()), p), v.half())


@wrong("focused_attention", "it takes one head for granted")
def focused_first_head(q, k, v, p):
    mixed = torch.zeros_like(q)
    for head in range(q.shape[1]):
        mixed[:, 0] = attend(f_p(phi(q[:, head]), p), f_p(phi(k[:, head]), p), v[:, head])
    return mixed


# Ranks


@wrong("numerical_rank", "the values are summed, not counted")
def rank_sum(map):
    values = torch.linalg.svdvals(map)
    return values[values > values[0] * max(map.shape) * torch.finfo(map.dtype).eps].sum()


@wrong("effective_rank", "the eigenvalues are taken, not the singular values")
def effective_eigenvalues(map):
    shares = torch.linalg.eigvals(map).abs()
    return torch.special.entr(shares / shares.sum()).sum().exp()


@wrong("effective_rank", "the roots of the singular values are taken")
def effective_roots(map):
    shares = torch.linalg.svdvals(map).sqrt()
    return torch.special.entr(shares / shares.sum()).sum().exp()


@wrong("effective_rank", "the natural logarithm and 10 ** do not fit")
def effective_ten(map):
    shares = torch.linalg.svdvals(map)
    return 10 ** torch.special.entr(shares / shares.sum()).sum()


@wrong("effective_rank", "the result is rounded")
def effective_whole(map):
    shares = torch.linalg.svdvals(map)
    return int(torch.special.entr(shares / shares.sum()).sum().exp())


# The depthwise branch


@wrong("neighbours", "the window is a cross")
def count_cross(grid, size):
    kernel = torch.zeros(size, size)
    kernel[size // 2], kernel[:, size // 2] = 1, 1
    return F.conv2d(torch.ones(1, 1, *grid), kernel[None, None], padding=size // 2)[0, 0]


@wrong("neighbours", "the last token of each side is left out")
def count_short(grid, size):
    r = size // 2
    along = [[min(y + r, side) - max(y - r, 0) for y in range(side)] for side in grid]
    return torch.outer(*(torch.tensor(each) for each in along))


@wrong("depthwise_matrix", "a negative index counts from the end")
def matrix_negative(kernel, grid):
    reach = len(kernel) // 2
    if reach > min(grid):
        raise IndexError("the kernel is wider than the grid")
    return with_inside(kernel, grid, lambda y, x: y < grid[0] and x < grid[1])


@wrong("depthwise_matrix", "the first row and column get nothing")
def matrix_first(kernel, grid):
    return with_inside(kernel, grid, lambda y, x: 0 < y < grid[0] and 0 < x < grid[1])


@wrong("depthwise_matrix", "the last row and column get nothing")
def matrix_last(kernel, grid):
    return with_inside(kernel, grid, lambda y, x: 0 <= y < grid[0] - 1 and 0 <= x < grid[1] - 1)


@wrong("depthwise_matrix", "the loop ends at the border")
def matrix_break(kernel, grid):
    rows, columns = grid
    return with_inside(kernel, grid, lambda y, x: 0 <= y < rows and 0 <= x < columns, leave=True)


@wrong("depthwise_matrix", "the kernel is taken as 3 x 3")
def matrix_three(kernel, grid):
    if len(kernel) < 3:
        raise IndexError("index 1 is out of bounds for dimension 0 with size 1")
    return matrix_of(kernel[:3, :3], grid)


@wrong("depthwise_matrix", "the token itself is left out")
def matrix_others(kernel, grid):
    matrix = matrix_of(kernel, grid)
    return matrix - matrix.diagonal().diag()


@wrong("depthwise_matrix", "only the middle row of the kernel is used")
def matrix_row(kernel, grid):
    middle = torch.zeros_like(kernel)
    middle[len(kernel) // 2] = kernel[len(kernel) // 2]
    return matrix_of(middle, grid)


@wrong("depthwise_matrix", "ones stand where the kernel's weights belong")
def matrix_ones(kernel, grid):
    return matrix_of(torch.ones_like(kernel), grid)


@wrong("depthwise_matrix", "only the first part is filled")
def matrix_returned_early(kernel, grid):
    matrix = matrix_of(kernel, grid)
    matrix[grid[1] :] = 0  # what comes out of a return line that is indented too far
    return matrix


@wrong("depthwise_matrix", "the result is rounded")
def matrix_whole(kernel, grid):
    return matrix_of(kernel, grid).int()


@wrong("equivalent_map", "the power is taken twice")
def equivalent_power_twice(q, k, kernel, grid, p):
    q, k = (f_p(f_p(phi(t), p), p) for t in (q, k))
    weights = q @ k.mT
    return weights / weights.sum(-1, keepdim=True) + matrix_of(kernel, grid)


@wrong("equivalent_map", "only the middle of the kernel is used")
def equivalent_identity(q, k, kernel, grid, p):
    weights = fe.analysis.attention_map(q, k, "focused", p)
    return weights + torch.eye(q.shape[2]) * kernel[len(kernel) // 2, len(kernel) // 2]


@wrong("equivalent_map", "the sum of the kernel is added everywhere")
def equivalent_kernel_sum(q, k, kernel, grid, p):
    return fe.analysis.attention_map(q, k, "focused", p) + kernel.sum()


@wrong("focused_with_branch", "the values are reshaped, not moved")
def branch_reshaped(q, k, v, kernel, grid, p):
    image = v.reshape(-1, 1, *grid)
    local = F.conv2d(image, kernel[None, None], padding=len(kernel) // 2).reshape(v.shape)
    return fe.attention.focused_attention(q, k, v, p) + local


@wrong("stable_focus", "all rows are divided by one largest entry")
def stable_one_unit(x, p):
    sharp = (x / x.max()) ** p
    lengths = x.norm(dim=-1, keepdim=True) / sharp.norm(dim=-1, keepdim=True)
    return torch.nan_to_num(sharp * lengths)


# Backbones, training, a photo


@wrong("growth", "only the last measurement is used")
def growth_last(tokens, seconds):
    return math.log(seconds[-1]) / math.log(tokens[-1])


@wrong("growth", "a factor is wrong")
def growth_two_bases(tokens, seconds):
    return np.polyfit(np.log(tokens), np.log2(seconds), 1)[0]


@wrong("own_attention", "nan or infinite numbers")
def own_inverse_distance(q, k, v):
    weights = 1 / torch.cdist(q, k)
    return weights / weights.sum(-1, keepdim=True) @ v


@wrong("paired_difference", "the variance is taken, not the spread")
def variance_over_root(a, b):
    differences = [x - y for x, y in zip(a, b, strict=True)]
    return statistics.mean(differences), statistics.variance(differences) / len(a) ** 0.5


@wrong("choose_p", "an accuracy is returned, not p")
def choose_accuracy(results):
    return max(statistics.mean(row["validation"]) for row in results.values())


@wrong("diagnose", "'healthy' is taken for 'overfits'")
def diagnose_gap(rows):
    first, last = rows[0], rows[-1]
    if math.isnan(last["train_loss"]) or max(row["train_loss"] for row in rows) > 5:
        return "diverges"
    if abs(last["train_loss"] - first["train_loss"]) < 0.1:
        return "does not learn"
    return "overfits" if last["test_loss"] > last["train_loss"] + 0.3 else "healthy"


@wrong("row_entropy", "nan is replaced after the sum")
def entropy_nan_hidden(map):
    return torch.nan_to_num(-(map * map.log()).sum(-1) / math.log(map.shape[-1]))


@wrong("row_entropy", "the small number is too large")
def entropy_large_eps(map):
    return -(map * (map + 0.01).log()).sum(-1) / math.log(map.shape[-1])


@wrong("row_entropy", "m is a fixed number")
def entropy_four(map):
    return torch.special.entr(map).sum(-1) / math.log(4)


@wrong("row_entropy", "this is the Gini index")
def entropy_gini(map):
    return 1 - (map**2).sum(-1)


@wrong("row_entropy", "log10 above, the natural logarithm below")
def entropy_ten(map):
    return -(map * (map + 1e-12).log10()).sum(-1) / math.log(map.shape[-1])


@wrong("row_entropy", "too few digits are right")
def entropy_half(map):
    return torch.special.entr(map.half()).sum(-1) / math.log(map.shape[-1])


@wrong("row_entropy", "the shape is wrong")
def entropy_first_row(map):
    for row in map:
        return -sum(float(a) * math.log(a) for a in row if a > 0) / math.log(len(row))


@wrong("row_picture", "places are counted from 1")
def picture_from_one(map, place, grid):
    return map[(place[0] - 1) * grid[1] + place[1] - 1].reshape(grid)


@wrong("rollout", "the skip connection is added once, at the end")
def rollout_late_skip(maps):
    total = torch.eye(len(maps[0]), dtype=maps[0].dtype)
    for map in maps:
        total = map @ total
    return (total + torch.eye(len(total))) / 2


@wrong("rollout", "ones stand where the identity belongs")
def rollout_ones(maps):
    total = torch.eye(len(maps[0]), dtype=maps[0].dtype)
    for map in maps:
        total = (map + 1) / 2 @ total
    return total


@wrong("rollout", "everything is 0")
def rollout_from_zero(maps):
    total = torch.zeros_like(maps[0])
    for map in maps:
        total = (map + torch.eye(len(map))) / 2 @ total
    return total


# A fourth batch


@wrong("softmax_attention", "the exponential is missing")
def shifted_shares(q, k, v):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    scores = scores - scores.amax(-1, keepdim=True)
    return scores / scores.sum(-1, keepdim=True) @ v


@wrong("softmax_attention", "distances are taken, not products")
def by_distance(q, k, v):
    return torch.softmax(-(torch.cdist(q, k) ** 2) / math.sqrt(q.shape[-1]), -1) @ v


@wrong("linear_attention", "divided by the number of keys, not by the row's sum")
def linear_root_of_keys(q, k, v):
    return phi(q) @ (phi(k).mT @ v) / k.shape[-2] ** 0.5


@wrong("linear_attention", "GELU or SiLU is taken, not ReLU")
def linear_gelu(q, k, v):
    return attend(F.gelu(q) + 1e-6, F.gelu(k) + 1e-6, v)


@wrong("linear_attention", "ReLU(x + 1) is taken")
def linear_shifted(q, k, v):
    return attend((q + 1).relu(), (k + 1).relu(), v)


@wrong("linear_attention", "this is focused attention")
def linear_is_focused(q, k, v):
    return fe.attention.focused_attention(q, k, v)


@wrong("focus", "the old norm is taken over all vectors")
def focus_old_over_all(x, p):
    sharp = x**p
    return x.norm() * sharp / sharp.norm(dim=-1, keepdim=True)


@wrong("focus", "the norm is raised to p, not the entries")
def focus_norm_to_p(x, p):
    return x / x.norm(dim=-1, keepdim=True) ** p


@wrong("focused_attention", "queries and keys are exchanged")
def focused_exchanged(q, k, v, p):
    return attend(f_p(phi(k), p), f_p(phi(q), p), v)


@wrong("focused_attention", "the map is transposed before it mixes")
def focused_transposed(q, k, v, p):
    return fe.analysis.attention_map(q, k, "focused", p).mT @ v


@wrong("effective_rank", "the values are summed")
def effective_nuclear(map):
    return torch.linalg.svdvals(map).sum()


@wrong("depthwise_matrix", "the kernel is turned by a quarter")
def matrix_quarter(kernel, grid):
    return matrix_of(kernel.rot90(), grid)


@wrong("depthwise_matrix", "1 is added to the middle of the kernel")
def matrix_and_identity(kernel, grid):
    return matrix_of(kernel, grid) + torch.eye(grid[0] * grid[1])


@wrong("equivalent_map", "1e-6 is missing")
def equivalent_no_eps(q, k, kernel, grid, p):
    weights = f_p(q.relu(), p) @ f_p(k.relu(), p).mT
    return weights / weights.sum(-1, keepdim=True) + matrix_of(kernel, grid)


@wrong("equivalent_map", "the identity is added, not the matrix")
def equivalent_skip(q, k, kernel, grid, p):
    return fe.analysis.attention_map(q, k, "focused", p) + torch.eye(q.shape[2])


@wrong("row_entropy", "divided by the largest entropy found, not by log m")
def entropy_largest_found(map):
    entropy = torch.special.entr(map).sum(-1)
    return entropy / entropy.max()


@wrong("row_entropy", "the map is normalised once more")
def entropy_normalised_again(map):
    return torch.special.entr(map / map.sum()).sum(-1) / math.log(map.shape[-1])
