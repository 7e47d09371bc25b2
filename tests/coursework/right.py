"""Right solutions in many ways (loops, torch, einops, numpy): none may be refused."""

import itertools
import math
import statistics

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce, repeat

import flatten_edu as fe

RIGHT: dict[str, list] = {}


def right(name):
    def keep(function):
        RIGHT.setdefault(name, []).append(function)
        return function

    return keep


# Chapter 1


@right("split_heads")
def split_einops(x, heads):
    return rearrange(x, "b n (h d) -> b h n d", h=heads)


@right("split_heads")
def split_torch(x, heads):
    b, n, c = x.shape
    return x.view(b, n, heads, c // heads).transpose(1, 2)


@right("split_heads")
def split_chunks(x, heads):
    return torch.stack(x.chunk(heads, dim=-1), dim=1)


@right("softmax_attention")
def softmax_einops(q, k, v):
    scores = einsum(q, k, "b h n d, b h m d -> b h n m") / math.sqrt(q.shape[-1])
    return einsum(scores.softmax(-1), v, "b h n m, b h m d -> b h n d")


@right("softmax_attention")
def softmax_torch(q, k, v):
    return torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1), dim=-1) @ v


@right("softmax_attention")
def softmax_fused(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


@right("softmax_attention")
def softmax_loops(q, k, v):
    b, h, n, d = q.shape
    out = torch.zeros(b, h, n, v.shape[-1])
    for i, j, s in itertools.product(range(b), range(h), range(n)):
        scores = [float((q[i, j, s] * key).sum()) / d**0.5 for key in k[i, j]]
        weights = [math.exp(score) for score in scores]
        for weight, value in zip(weights, v[i, j], strict=True):
            out[i, j, s] += weight / sum(weights) * value
    return out


@right("softmax_attention")
def softmax_numpy(q, k, v):
    q, k, v = q.numpy(), k.numpy(), v.numpy()
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


@right("softmax_in_blocks")
def blocks_sums(q, k, v, size):
    q = q / q.shape[-1] ** 0.5
    above, below = 0, 0
    for start in range(0, k.shape[2], size):
        weights = (q @ k[:, :, start : start + size].transpose(-1, -2)).exp()
        above = above + weights @ v[:, :, start : start + size]
        below = below + weights.sum(-1, keepdim=True)
    return above / below


@right("softmax_in_blocks")
def blocks_online(q, k, v, size):
    b, h, n, d = q.shape
    largest = torch.full((b, h, n, 1), -math.inf, dtype=q.dtype)
    below = torch.zeros(b, h, n, 1, dtype=q.dtype)
    above = torch.zeros(b, h, n, v.shape[-1], dtype=q.dtype)
    for keys, values in zip(k.split(size, 2), v.split(size, 2), strict=True):
        scores = einsum(q, keys, "b h n d, b h m d -> b h n m") / d**0.5
        new = torch.maximum(largest, scores.amax(-1, keepdim=True))
        old, weights = (largest - new).exp(), (scores - new).exp()
        above = above * old + weights @ values
        below = below * old + weights.sum(-1, keepdim=True)
        largest = new
    return above / below


# Chapter 2


@right("linear_map")
def map_torch(q, k):
    q, k = F.relu(q) + 1e-6, F.relu(k) + 1e-6
    scores = q @ k.mT
    return scores / scores.sum(-1, keepdim=True)


@right("linear_map")
def map_einops(q, k):
    q, k = q.clamp(min=1e-6), k.clamp(min=1e-6)
    scores = einsum(q, k, "b h n d, b h m d -> b h n m")
    return scores / reduce(scores, "b h n m -> b h n 1", "sum")


@right("linear_map")
def map_loops(q, k):
    phi = lambda x: [max(float(a), 0) + 1e-6 for a in x]  # noqa: E731
    b, h, n, _ = q.shape
    out = torch.zeros(b, h, n, k.shape[2])
    for i in range(b):
        for j in range(h):
            for s in range(n):
                row = [
                    sum(map(math.prod, zip(phi(q[i, j, s]), phi(t), strict=True))) for t in k[i, j]
                ]
                out[i, j, s] = torch.tensor(row) / sum(row)
    return out


@right("linear_attention")
def linear_einops(q, k, v):
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    memory = einsum(k, v, "b h m d, b h m e -> b h d e")
    total = einsum(q, k.sum(2), "b h n d, b h d -> b h n")
    return einsum(q, memory, "b h n d, b h d e -> b h n e") / total[..., None]


@right("linear_attention")
def linear_torch_eps(q, k, v):
    q, k = torch.relu(q) + 1e-6, torch.relu(k) + 1e-6
    z = 1 / (q @ k.sum(dim=-2, keepdim=True).transpose(-2, -1) + 1e-6)
    return q @ (k.transpose(-2, -1) @ v) * z


@right("linear_attention")
def linear_map_first(q, k, v):
    weights = F.relu(q) @ F.relu(k).mT + 1e-8
    return weights / weights.sum(-1, keepdim=True) @ v


@right("linear_attention")
def linear_means(q, k, v):
    n = k.shape[-2]
    q, k = q.relu().add(1e-6), k.relu().add(1e-6)
    z = 1 / (q @ k.mean(dim=-2, keepdim=True).mT + 1e-6)
    return q @ ((k.mT * n**-0.5) @ (v * n**-0.5)) * z


@right("linear_attention")
def linear_loops(q, k, v):
    out = torch.zeros_like(q, dtype=torch.float32)
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            memory = sum(
                torch.outer(x.relu() + 1e-6, y) for x, y in zip(k[b, h], v[b, h], strict=True)
            )
            total = (k[b, h].relu() + 1e-6).sum(0)
            for n in range(q.shape[2]):
                phi = q[b, h, n].relu() + 1e-6
                out[b, h, n] = phi @ memory / (phi @ total)
    return out


@right("causal_linear_attention")
def causal_cumsum(q, k, v):
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    memory = einsum(k, v, "b h n d, b h n e -> b h n d e").cumsum(2)
    below = (q * k.cumsum(2)).sum(-1, keepdim=True)
    return einsum(q, memory, "b h n d, b h n d e -> b h n e") / below


@right("causal_linear_attention")
def causal_loop(q, k, v):
    q, k = q.relu() + 1e-6, k.relu() + 1e-6
    outputs = []
    for i in range(q.shape[2]):
        weights = q[:, :, i : i + 1] @ k[:, :, : i + 1].mT
        outputs.append(weights / (weights.sum(-1, keepdim=True) + 1e-6) @ v[:, :, : i + 1])
    return torch.cat(outputs, 2)


@right("causal_linear_attention")
def causal_mask(q, k, v):
    weights = ((q.relu() + 1e-6) @ (k.relu() + 1e-6).mT).tril()
    return F.normalize(weights, p=1, dim=-1) @ v


# Chapter 3


@right("focus")
def focus_torch(x, p):
    return x.norm(dim=-1, keepdim=True) * F.normalize(x**p, dim=-1)


@right("focus")
def focus_eps(x, p):
    sharp = x**p
    return sharp / (sharp.norm(dim=-1, keepdim=True) + 1e-6) * x.norm(dim=-1, keepdim=True)


@right("focus")
def focus_einops(x, p):
    sharp = x.pow(p)
    old = reduce(x**2, "... d -> ... 1", "sum").sqrt()
    return sharp * old / reduce(sharp**2, "... d -> ... 1", "sum").sqrt()


@right("focus")
def focus_loops(x, p):
    flat = x.reshape(-1, x.shape[-1]).tolist()
    rows = []
    for row in flat:
        sharp = [a**p for a in row]
        old, new = (math.sqrt(sum(a * a for a in r)) for r in (row, sharp))
        rows.append([a * old / new for a in sharp])
    return torch.tensor(rows).reshape(x.shape)


@right("focus")
def focus_rows_only(x, p):
    """Takes n d alone."""
    rows, columns = x.shape
    out = torch.empty(rows, columns)
    for i in range(rows):
        sharp = x[i] ** p
        out[i] = x[i].norm() / sharp.norm() * sharp
    return out


@right("focus")
def focus_heads_only(x, p):
    """Takes b h n d alone."""
    old = repeat(reduce(x**2, "b h n d -> b h n", "sum").sqrt(), "b h n -> b h n d", d=x.shape[-1])
    sharp = x**p
    return sharp * old / rearrange(sharp.square().sum(-1).sqrt(), "b h n -> b h n 1")


@right("focused_attention")
def focused_einops(q, k, v, p):
    q, k = (focus_einops(t.relu() + 1e-6, p) for t in (q, k))
    memory = einsum(k, v, "b h m d, b h m e -> b h d e")
    below = einsum(q, k, "b h n d, b h m d -> b h n")
    return einsum(q, memory, "b h n d, b h d e -> b h n e") / rearrange(below, "b h n -> b h n 1")


@right("focused_attention")
def focused_torch(q, k, v, p):
    q, k = F.relu(q) + 1e-6, F.relu(k) + 1e-6
    qn, kn = q.norm(dim=-1, keepdim=True), k.norm(dim=-1, keepdim=True)
    q, k = q**p, k**p
    q, k = q / q.norm(dim=-1, keepdim=True) * qn, k / k.norm(dim=-1, keepdim=True) * kn
    z = 1 / (q @ k.mean(dim=-2, keepdim=True).mT + 1e-6)
    return q @ (k.mT @ v / k.shape[-2]) * z


@right("focused_attention")
def focused_query_norm_cancels(q, k, v, p):
    """The query's norm cancels, so that leaving it out changes nothing."""
    q, k = (q.relu() + 1e-6) ** p, focus_torch(k.relu() + 1e-6, p)
    q = q / q.sum(-1, keepdim=True)
    weights = q @ k.mT
    return weights / weights.sum(-1, keepdim=True) @ v


@right("focused_attention")
def focused_loops(q, k, v, p):
    def phi(x):
        x = [max(a, 0.0) + 1e-6 for a in x]
        sharp = [a**p for a in x]
        scale = math.dist(x, [0] * len(x)) / math.dist(sharp, [0] * len(x))
        return [scale * a for a in sharp]

    out = torch.zeros(q.shape, dtype=torch.float64)
    for b, h, n in itertools.product(*map(range, q.shape[:3])):
        query = phi(q[b, h, n].tolist())
        weights = [
            sum(x * y for x, y in zip(query, phi(key.tolist()), strict=True)) for key in k[b, h]
        ]
        out[b, h, n] = sum(w * x.double() for w, x in zip(weights, v[b, h], strict=True)) / sum(
            weights
        )
    return out


@right("counterexample")
def by_search(p):
    while True:
        x, y = torch.rand(2, 4)
        if (
            x.argmax() == y.argmax()
            and fe.attention.focus(x, p) @ fe.attention.focus(y, p) < 0.99 * x @ y
        ):
            return x, y


@right("counterexample")
def by_thought(p):
    return [1.0, 0.98], [1.0, 0.8]


@right("counterexample")
def by_numpy(p):
    return np.array([[0.99, 1.0, 0.2], [0.85, 1.0, 0.1]])


# Chapter 4


@right("numerical_rank")
def rank_torch(map):
    return torch.linalg.matrix_rank(map)


@right("numerical_rank")
def rank_count(map):
    s = torch.linalg.svdvals(map)
    return int((s > s[0] * max(map.shape) * torch.finfo(map.dtype).eps).sum())


@right("numerical_rank")
def rank_tolerance(map):
    s = torch.linalg.svdvals(map)
    return (s / s.max(-1, keepdim=True).values > 1e-10).sum(-1)


@right("numerical_rank")
def rank_numpy(map):
    return np.linalg.matrix_rank(map.numpy())


@right("numerical_rank")
def rank_elimination(map):
    rows, rank = [row.tolist() for row in map / map.abs().max()], 0
    for _ in range(min(map.shape)):
        i, j = max(
            itertools.product(range(len(rows)), range(len(rows[0]))),
            key=lambda place: abs(rows[place[0]][place[1]]),
        )
        pivot = rows.pop(i)
        if abs(pivot[j]) < 1e-13:
            break
        rank += 1
        rows = [
            [a - row[j] / pivot[j] * b for a, b in zip(row, pivot, strict=True)] for row in rows
        ]
        if not rows:
            break
    return rank


@right("effective_rank")
def effective_one(map):
    s = torch.linalg.svdvals(map)
    share = s / s.sum()
    return torch.exp(-(share * share.log()).sum())


@right("effective_rank")
def effective_any(map):
    s = torch.linalg.svdvals(map)
    share = s / s.sum(-1, keepdim=True)
    return torch.special.entr(share).sum(-1).exp()


@right("effective_rank")
def effective_bits(map):
    s = np.linalg.svd(map.numpy(), compute_uv=False)
    share = s / s.sum()
    return 2 ** -sum(a * math.log2(a) for a in share if a > 0)


@right("effective_rank")
def effective_eigenvalues(map):
    s = torch.linalg.eigvalsh(map @ map.mT if map.shape[0] < map.shape[1] else map.mT @ map)
    s = s.clamp_min(0).sqrt() + 1e-12
    return math.exp(-sum(float(a / s.sum() * torch.log(a / s.sum())) for a in s))


@right("effective_rank")
def effective_heads_only(map):
    assert map.ndim == 4
    return torch.stack([torch.stack([effective_one(x) for x in y]) for y in map])


@right("rank_exactly")
def repeat_channels(n, d, r):
    q, k = torch.rand(n, r), torch.rand(n, r)
    places = [j % r for j in range(d)]
    return q[:, places], k[:, places]


@right("rank_exactly")
def diagonal_blocks(n, d, r):
    q = torch.ones(n, d, dtype=torch.float64)
    for i in range(n):
        q[i, i % r] = 5.0
    return q, torch.rand(n, d, dtype=torch.float64)


@right("rank_exactly")
def with_heads(n, d, r):
    q = torch.rand(1, 1, n, r)
    q = torch.cat([q, q[..., -1:].expand(1, 1, n, d - r)], -1)
    return q, q


# Chapter 5


@right("neighbours")
def count_loops(grid, size):
    rows, columns = grid
    r = size // 2
    out = torch.zeros(rows, columns)
    for y, x, dy, dx in itertools.product(
        range(rows), range(columns), range(-r, r + 1), range(-r, r + 1)
    ):
        out[y, x] += 0 <= y + dy < rows and 0 <= x + dx < columns
    return out


@right("neighbours")
def count_convolution(grid, size):
    one = torch.ones(1, 1, *grid)
    return F.conv2d(one, torch.ones(1, 1, size, size), padding=size // 2)[0, 0].int()


@right("neighbours")
def count_list(grid, size):
    r = size // 2
    side = lambda at, n: min(at + r, n - 1) - max(at - r, 0) + 1  # noqa: E731
    return [side(y, grid[0]) * side(x, grid[1]) for y in range(grid[0]) for x in range(grid[1])]


@right("depthwise_matrix")
def matrix_loops(kernel, grid):
    rows, columns = grid
    r = kernel.shape[0] // 2
    out = torch.zeros(rows * columns, rows * columns)
    for y, x in itertools.product(range(rows), range(columns)):
        for a, b in itertools.product(range(2 * r + 1), repeat=2):
            yy, xx = y + a - r, x + b - r
            if 0 <= yy < rows and 0 <= xx < columns:
                out[y * columns + x, yy * columns + xx] = kernel[a, b]
    return out


@right("depthwise_matrix")
def matrix_convolution(kernel, grid):
    n = grid[0] * grid[1]
    one = rearrange(torch.eye(n, dtype=kernel.dtype), "n (y x) -> n 1 y x", y=grid[0])
    out = F.conv2d(one, kernel[None, None], padding=len(kernel) // 2)
    return rearrange(out, "n 1 y x -> (y x) n")


@right("depthwise_matrix")
def matrix_unfold(kernel, grid):
    n, size = grid[0] * grid[1], len(kernel)
    one = torch.eye(n, dtype=kernel.dtype).reshape(n, 1, *grid)
    columns = F.unfold(one, size, padding=size // 2)
    return einsum(columns, kernel.flatten(), "m k n, k -> n m")


@right("depthwise_matrix")
def matrix_sparse(kernel, grid):
    return matrix_loops(kernel, grid).to_sparse()


@right("equivalent_map")
def sum_einops(q, k, kernel, grid, p):
    q, k = (focus_einops(t.relu() + 1e-6, p) for t in (q, k))
    scores = einsum(q, k, "b h n d, b h m d -> b h n m")
    return scores / scores.sum(-1, keepdim=True) + matrix_loops(kernel, grid)


@right("equivalent_map")
def sum_from_identity(q, k, kernel, grid, p):
    n = q.shape[2]
    one = torch.eye(n, dtype=q.dtype).expand(*q.shape[:2], n, n)
    return focused_torch(q, k, one, p) + matrix_convolution(kernel, grid)


@right("equivalent_map")
def sum_library(q, k, kernel, grid, p):
    map = fe.analysis.attention_map(q, k, "focused", p)
    return fe.analysis.equivalent_map(map, kernel, grid)


# Chapter 6


@right("growth")
def slope_ends(tokens, seconds):
    return math.log(seconds[-1] / seconds[0]) / math.log(tokens[-1] / tokens[0])


@right("growth")
def slope_fit(tokens, seconds):
    return np.polyfit(np.log(tokens), np.log(seconds), 1)[0]


@right("growth")
def slope_least_squares(tokens, seconds):
    x, y = (torch.tensor(t, dtype=torch.float64).log2() for t in (tokens, seconds))
    return ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()


@right("focused_with_branch")
def branch_convolution(q, k, v, kernel, grid, p):
    image = rearrange(v, "b h (y x) d -> (b h d) 1 y x", y=grid[0])
    local = F.conv2d(image, kernel[None, None], padding=kernel.shape[-1] // 2)
    local = rearrange(local, "(b h d) 1 y x -> b h (y x) d", b=v.shape[0], h=v.shape[1])
    return focused_einops(q, k, v, p) + local


@right("focused_with_branch")
def branch_matrix(q, k, v, kernel, grid, p):
    return sum_einops(q, k, kernel, grid, p).to(v.dtype) @ v


@right("focused_with_branch")
def branch_shifts(q, k, v, kernel, grid, p):
    r = len(kernel) // 2
    image = F.pad(rearrange(v, "b h (y x) d -> b h d y x", y=grid[0]), (r, r, r, r))
    local = 0
    for a, b in itertools.product(range(len(kernel)), repeat=2):
        local = local + kernel[a, b] * image[..., a : a + grid[0], b : b + grid[1]]
    return focused_torch(q, k, v, p) + rearrange(local, "b h d y x -> b h (y x) d")


@right("stable_focus")
def stable_rows(x, p):
    largest = x.amax(-1, keepdim=True).clamp_min(1e-30)
    unit = x / largest
    sharp = unit**p
    below = sharp.norm(dim=-1, keepdim=True).clamp_min(1e-30)
    return sharp * (unit.norm(dim=-1, keepdim=True) / below) * largest


@right("stable_focus")
def stable_logarithms(x, p):
    logs = p * (x.log() - x.amax(-1, keepdim=True).log()).nan_to_num(-1e9)
    sharp = F.normalize(logs.exp(), dim=-1)
    return sharp * x.norm(dim=-1, keepdim=True)


@right("stable_focus")
def stable_library(x, p):
    return fe.attention.focus(x, p)


# Chapter 7


@right("stage_tokens")
def tokens_list(height, width):
    return [(height // s) * (width // s) for s in (4, 8, 16, 32)]


@right("stage_tokens")
def tokens_loop(height, width):
    tokens, stages = height * width // 16, []
    while len(stages) < 4:
        stages.append(tokens)
        tokens //= 4
    return tuple(stages)


@right("own_attention")
def own_distances(q, k, v):
    weights = 1 / (1 + torch.cdist(q, k) ** 2)
    return weights / weights.sum(-1, keepdim=True) @ v


@right("own_attention")
def own_mean(q, k, v):
    return v.mean(2, keepdim=True).expand(*q.shape[:3], v.shape[-1])


@right("own_attention")
def own_cosine(q, k, v):
    return einsum(
        F.normalize(q, dim=-1), F.normalize(k, dim=-1), v, "b h n d, b h m d, b h m e -> b h n e"
    )


@right("own_attention")
def own_borrowed(q, k, v):
    return fe.attention.softmax_attention(q, k, v)


@right("attention_parameters")
def parameters_formula(width, heads, tokens, kernel_size):
    d = width // heads
    return 4 * width**2 + 4 * width + width + tokens * width + d * (kernel_size**2 + 1)


@right("attention_parameters")
def parameters_counted(width, heads, tokens, kernel_size):
    module = fe.attention.SelfAttention(width, heads, grid=(1, tokens), kernel_size=kernel_size)
    return sum(parameter.numel() for parameter in module.parameters())


# Chapter 8


@right("paired_difference")
def paired_statistics(a, b):
    differences = [x - y for x, y in zip(a, b, strict=True)]
    return statistics.mean(differences), statistics.stdev(differences) / len(a) ** 0.5


@right("paired_difference")
def paired_torch(a, b):
    difference = torch.tensor(a) - torch.tensor(b)
    return difference.mean(), difference.std() / math.sqrt(len(difference))


@right("paired_difference")
def paired_numpy(a, b):
    difference = np.array(a) - np.array(b)
    return [difference.mean(), difference.std(ddof=1) / np.sqrt(len(a))]


@right("choose_p")
def choose_max(results):
    return max(results, key=lambda p: statistics.mean(results[p]["validation"]))


@right("choose_p")
def choose_loop(results):
    best, best_p = -1.0, None
    for p, sides in results.items():
        mean = sum(sides["validation"]) / len(sides["validation"])
        if mean > best:
            best, best_p = mean, p
    return best_p


@right("diagnose")
def diagnose_ends(rows):
    train = [row["train_loss"] for row in rows]
    test = [row["test_loss"] for row in rows]
    if math.isnan(train[-1]) or any(loss > 5 for loss in train):
        return "diverges"
    if min(train) > 2.0:
        return "does not learn"
    return "overfits" if test[-1] > 1.5 * min(test) else "healthy"


@right("diagnose")
def diagnose_otherwise(rows):
    last = rows[-1]
    if not all(row["train_loss"] < 4 for row in rows):
        return "Diverges"
    if last["test_accuracy"] < 0.2:
        return "does not learn"
    lowest = min(row["test_loss"] for row in rows)
    return "overfits" if last["test_loss"] - lowest > 0.3 else "healthy"


# Chapter 9


@right("row_entropy")
def entropy_special(map):
    return torch.special.entr(map).sum(-1) / math.log(map.shape[-1])


@right("row_entropy")
def entropy_clamped(map):
    return -(map * torch.log2(map + 1e-12)).sum(-1) / math.log2(map.shape[-1])


@right("row_entropy")
def entropy_loops(map):
    _, m = map.shape
    return [-sum(float(a) * math.log(a) for a in row if a > 0) / math.log(m) for row in map]


@right("row_entropy")
def entropy_heads_only(map):
    _, _, _, m = map.shape
    logs = torch.where(map > 0, map, torch.ones_like(map)).log()
    return -reduce(map * logs, "b h n m -> b h n", "sum") / math.log(m)


@right("row_entropy")
def entropy_distribution(map):
    entropy = torch.distributions.Categorical(probs=map, validate_args=False).entropy()
    return entropy / torch.log(torch.tensor(float(map.shape[-1])))


@right("row_picture")
def picture_einops(map, place, grid):
    return rearrange(map, "(a b) (y x) -> a b y x", a=grid[0], y=grid[0])[place[0], place[1]]


@right("row_picture")
def picture_torch(map, place, grid):
    y, x = place
    return map[y * grid[1] + x].view(grid)


@right("row_picture")
def picture_loops(map, place, grid):
    row = map[place[0] * grid[1] + place[1]].tolist()
    return [[row[y * grid[1] + x] for x in range(grid[1])] for y in range(grid[0])]


@right("rollout")
def rollout_loop(maps):
    one = torch.eye(maps[0].shape[0])
    total = one
    for map in maps:
        total = (0.5 * map.float() + 0.5 * one) @ total
    return total


@right("rollout")
def rollout_multi(maps):
    one = torch.eye(len(maps[0]), dtype=maps[0].dtype)
    layers = [(map + one) / 2 for map in reversed(maps)]
    return torch.linalg.multi_dot(layers) if len(layers) > 1 else layers[0]


@right("rollout")
def rollout_normalised(maps):
    total = None
    for map in maps:
        layer = map + torch.eye(len(map), dtype=map.dtype)
        layer = layer / layer.sum(-1, keepdim=True)
        total = layer if total is None else layer @ total
    return total
