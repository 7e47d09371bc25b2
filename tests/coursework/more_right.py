"""More right solutions: float32 inside, numpy, in place, sparse, lists of numbers, other zeros."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat

import flatten_edu as fe

from .right import RIGHT, right

__all__ = ["RIGHT"]


def phi(x):
    return x.relu() + 1e-6


def f_p(x, p):
    sharp = x**p
    return x.norm(dim=-1, keepdim=True) / sharp.norm(dim=-1, keepdim=True) * sharp


def attend(q, k, v):
    return q @ (k.mT @ v) / (q @ k.sum(-2, keepdim=True).mT)


@right("softmax_attention")
def softmax_float32(q, k, v):
    return F.scaled_dot_product_attention(q.float(), k.float(), v.float()).to(q.dtype)


@right("softmax_attention")
def softmax_in_place(q, k, v):
    q /= q.shape[-1] ** 0.5
    scores = q @ k.mT
    scores -= scores.amax(-1, keepdim=True)
    scores.exp_()
    scores /= scores.sum(-1, keepdim=True)
    return scores @ v


@right("softmax_attention")
def softmax_not_contiguous(q, k, v):
    b, h, n, d = q.shape
    mixed = torch.empty(n, d, b, h, dtype=v.dtype)
    for i in range(b):
        for j in range(h):
            mixed[:, :, i, j] = torch.softmax(q[i, j] @ k[i, j].T / math.sqrt(d), 1) @ v[i, j]
    return mixed.permute(2, 3, 0, 1)


@right("softmax_attention")
def softmax_lists(q, k, v):
    def row(one, keys, values):
        dots = [sum(a * b for a, b in zip(one, key, strict=True)) for key in keys]
        powers = [math.exp(dot / math.sqrt(len(one))) for dot in dots]
        total = sum(powers)
        columns = zip(*values, strict=True)
        return [sum(w * a for w, a in zip(powers, c, strict=True)) / total for c in columns]

    heads = [[(a, b, c) for a, b, c in zip(*i, strict=True)] for i in zip(q, k, v, strict=True)]
    return [
        [[row(one, b.tolist(), c.tolist()) for one in a.tolist()] for a, b, c in image]
        for image in heads
    ]


@right("linear_attention")
def linear_ones_column(q, k, v):
    mixed = phi(q) @ (phi(k).mT @ torch.cat([v, torch.ones_like(v[..., :1])], -1))
    return mixed[..., :-1] / mixed[..., -1:]


@right("linear_attention")
def linear_with_eps_below(q, k, v):
    q, k = q.clamp(min=0) + 1e-6, k.clamp(min=0) + 1e-6
    below = (q * k.sum(-2, keepdim=True)).sum(-1, keepdim=True)
    return q @ (k.mT @ v) / (below + 1e-6)


@right("linear_attention")
def linear_in_place(q, k, v):
    return attend(q.relu_().add_(1e-6), k.relu_().add_(1e-6), v)


@right("focus")
def focus_by_softmax(x, p):
    return x.norm(dim=-1, keepdim=True) * torch.softmax(2 * p * torch.log(x), -1).sqrt()


@right("focus")
def focus_with_eps(x, p):
    sharp = x**p
    return x.norm(dim=-1, keepdim=True) / (sharp.norm(dim=-1, keepdim=True) + 1e-6) * sharp


@right("focus")
def focus_by_largest(x, p):
    unit = F.normalize((x / x.amax(-1, keepdim=True)) ** p, dim=-1)
    return unit.float() * x.norm(dim=-1, keepdim=True).float()


@right("focused_attention")
def focused_cancelled(q, k, v, p):
    return attend(F.normalize(phi(q) ** p, dim=-1, eps=0), f_p(phi(k), p), v)


@right("focused_attention")
def focused_numpy(q, k, v, p):
    def features(x):
        x = np.maximum(x.numpy(), 0) + 1e-6
        length = np.linalg.norm(x, axis=-1, keepdims=True)
        return x**p * length / np.linalg.norm(x**p, axis=-1, keepdims=True)

    weights = features(q) @ features(k).swapaxes(-1, -2)
    return weights / weights.sum(-1, keepdims=True) @ v.numpy()


@right("focused_attention")
def focused_float32(q, k, v, p):
    q, k, v = q.float(), k.float(), v.float()
    return attend(f_p(phi(q), p), f_p(phi(k), p), v)


@right("effective_rank")
def effective_of_gram(map):
    values = torch.linalg.eigvalsh(map @ map.mT).clamp(min=0).sqrt()
    shares = values / values.sum()
    return torch.exp(-torch.special.xlogy(shares, shares).sum())


@right("effective_rank")
def effective_left_out(map):
    values = torch.linalg.svdvals(map)
    values = values[values > 1e-10 * values[0]]
    entropy = values.sum().log() - (values * values.log()).sum() / values.sum()
    return entropy.exp().reshape(1)


@right("effective_rank")
def effective_clamped(map):
    shares = torch.linalg.svdvals(map.float())
    shares = (shares / shares.sum()).clamp(min=1e-10)
    return 2 ** -(shares * shares.log2()).sum()


@right("depthwise_matrix")
def matrix_of_kronecker(kernel, grid):
    def shifted(size, step):
        return torch.tensor([[float(j - i == step) for j in range(size)] for i in range(size)])

    r = len(kernel) // 2
    terms = (
        kernel[a, b] * torch.kron(shifted(grid[0], a - r), shifted(grid[1], b - r))
        for a in range(len(kernel))
        for b in range(len(kernel))
    )
    return sum(terms)


@right("depthwise_matrix")
def matrix_of_pairs(kernel, grid):
    y, x = torch.meshgrid(*(torch.arange(side) for side in grid), indexing="ij")
    y, x, r = y.flatten(), x.flatten(), len(kernel) // 2
    a, b = y - y[:, None] + r, x - x[:, None] + r
    inside = (a.clamp(0, 2 * r) == a) & (b.clamp(0, 2 * r) == b)
    return torch.where(inside, kernel[a.clamp(0, 2 * r), b.clamp(0, 2 * r)], 0)


@right("depthwise_matrix")
def matrix_as_lists(kernel, grid):
    return matrix_of_pairs(kernel, grid).tolist()


@right("depthwise_matrix")
def matrix_compressed(kernel, grid):
    return matrix_of_pairs(kernel, grid).to_sparse_csr()


@right("equivalent_map")
def sum_by_unit_vectors(q, k, kernel, grid, p):
    n = q.shape[2]
    ones = torch.eye(n, dtype=q.dtype)
    images = rearrange(ones, "n (y x) -> n 1 y x", y=grid[0])
    local = F.conv2d(images, kernel[None, None], padding="same")
    mixed = attend(f_p(phi(q), p), f_p(phi(k), p), ones.expand(*q.shape[:2], n, n))
    return mixed + rearrange(local, "n 1 y x -> (y x) n")


@right("equivalent_map")
def sum_repeated(q, k, kernel, grid, p):
    weights = (fe.attention.focus(phi(t.float()), p) for t in (q, k))
    first, second = weights
    map = first @ second.mT
    map /= reduce(map, "b h n m -> b h n 1", "sum")
    matrix = fe.attention.depthwise_matrix(kernel.float(), grid)
    return map + repeat(matrix, "n m -> b h n m", b=q.shape[0], h=q.shape[1])


@right("row_entropy")
def entropy_of_torch(map):
    return torch.distributions.Categorical(probs=map).entropy() / math.log(map.shape[-1])


@right("row_entropy")
def entropy_added(map):
    return -(map * (map + 1e-6).log()).sum(-1) / math.log(map.shape[-1])


@right("row_entropy")
def entropy_repaired(map):
    return -torch.nan_to_num(map * map.log()).sum(-1) / np.log(map.shape[-1])


@right("row_entropy")
def entropy_lists(map):
    rows = map.tolist()
    return [-sum(a * math.log(a) for a in row if a > 0) / math.log(len(row)) for row in rows]


@right("softmax_in_blocks")
def blocks_weighed(q, k, v, size):
    parts = list(zip(k.split(size, 2), v.split(size, 2), strict=True))
    scores = [q @ k.mT * q.shape[-1] ** -0.5 for k, _ in parts]
    shares = torch.stack([s.logsumexp(-1) for s in scores]).softmax(0)
    mixed = [s.softmax(-1) @ v for s, (_, v) in zip(scores, parts, strict=True)]
    return (shares[..., None] * torch.stack(mixed)).sum(0)


@right("linear_map")
def map_normalised(q, k):
    return F.normalize(phi(q) @ phi(k).mT, p=1, dim=-1)


@right("causal_linear_attention")
def causal_slices(q, k, v):
    rows = [
        attend(phi(q[:, :, i : i + 1]), phi(k[:, :, : i + 1]), v[:, :, : i + 1])
        for i in range(q.shape[2])
    ]
    return torch.cat(rows, 2)


@right("counterexample")
def pair_in_numpy(p):
    return np.array([1.0, 0.95]), np.array([1.0, 0.2])


@right("rank_exactly")
def rank_of_steps(n, d, r):
    q = np.zeros((n, d))
    q[np.arange(n), np.minimum(np.arange(n), r - 1)] = 1.0
    return q, q.copy()


@right("neighbours")
def count_outer(grid, size):
    r = (size - 1) / 2
    along = [[min(i + r, side - 1) - max(i - r, 0) + 1 for i in range(side)] for side in grid]
    return np.outer(*along)


@right("stable_focus")
def stable_by_softmax(x, p):
    unit = torch.softmax(2 * p * torch.log(x.clamp(min=1e-20)), -1).sqrt()
    return x.norm(dim=-1, keepdim=True) * unit


@right("stage_tokens")
def tokens_tensor(height, width):
    return torch.tensor([height * width // (4 * 2**stage) ** 2 for stage in range(4)])


@right("own_attention")
def own_largest(q, k, v):
    return v.amax(2, keepdim=True).expand(-1, -1, q.shape[2], -1) + 0 * q


@right("attention_parameters")
def parameters_of_module(width, heads, tokens, kernel_size):
    module = fe.attention.SelfAttention(width, heads, grid=(1, tokens), kernel_size=kernel_size)
    return sum(parameter.numel() for parameter in module.parameters())


@right("diagnose")
def diagnose_by_difference(rows):
    train, test = ([row[side] for row in rows] for side in ("train_loss", "test_loss"))
    if any(loss > 5 for loss in train) or train[-1] != train[-1]:
        return "Diverges"
    if train[0] - train[-1] < 0.1:
        return "does not learn"
    return "overfits" if test[-1] > min(test) + 0.15 else "healthy"


@right("row_picture")
def picture_numpy(map, place, grid):
    return map.numpy()[np.ravel_multi_index(place, grid)].reshape(grid)


@right("rollout")
def rollout_chained(maps):
    layers = [(map + torch.eye(len(map)).to(map)) / 2 for map in reversed(maps)]
    return torch.linalg.multi_dot(layers) if len(layers) > 1 else layers[0]
