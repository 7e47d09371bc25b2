"""The equations of the exercises in their plainest form, each with switches for typical mistakes.

Written without the library's mechanisms, so that a check compares with a second, independent form.
Without switches a function is right. A switch makes one mistake; a check that meets the same wrong
numbers in a student's result knows the mistake by its name. Everything is computed in float64.
"""

import torch
from torch import Tensor
from torch.nn.functional import elu, gelu, leaky_relu, normalize, silu, softplus

AXES: dict[str, int | tuple[int, ...]] = {
    "keys": -1,
    "queries": -2,
    "heads": 1,
    "batch": 0,
    "both": (-1, -2),
    "all": (0, 1, -1, -2),
}


def softmax_scores(q: Tensor, k: Tensor, scale: str = "d", roles: str = "q k") -> Tensor:
    """q k^T / sqrt(d), b h n m."""
    q, k = q.double(), k.double()
    b, h, n, d = q.shape
    factors = {
        "d": d**-0.5,
        "none": 1.0,
        "d twice": 1 / d,
        "times": d**0.5,
        "width": (h * d) ** -0.5,
        "n": n**-0.5,
        "m": k.shape[2] ** -0.5,
        "h": h**-0.5,
        "b": b**-0.5,
        "minus": -(d**-0.5),
        "fourth root": d**-0.25,
    }
    patterns = {
        "q k": "bhnd, bhmd -> bhnm",
        "k q": "bhmd, bhnd -> bhnm",
        "not transposed": "bhnd, bhdm -> bhnm",
    }
    if roles == "reshaped":
        k, roles = k.reshape(b, h, d, -1), "not transposed"
    if roles == "distance":
        return -(torch.cdist(q, k) ** 2) * factors[scale]
    if roles == "cosine":
        q, k, roles = normalize(q, dim=-1), normalize(k, dim=-1), "q k"
    return torch.einsum(patterns[roles], q, k) * factors[scale]


def softmax_weights(
    q: Tensor, k: Tensor, scale: str = "d", roles: str = "q k", over: str = "keys", rows: str = "e"
) -> Tensor:
    """softmax(q k^T / sqrt(d)) over the keys, b h n m."""
    after = scale == "after"
    scores = softmax_scores(q, k, "none" if after else scale, roles)
    if rows == "causal":
        scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf)
    powers = {
        "scores": lambda: scores,
        "shares": lambda: scores,
        "shares of shifted": lambda: scores - scores.amax(-1, keepdim=True),
        "largest": lambda: (scores - scores.amax(-1, keepdim=True)).exp(),
        "sigmoid": scores.sigmoid,
        "log": lambda: scores.log_softmax(-1),
        "relu": scores.relu,
        "2": lambda: 2**scores,
        "twice": lambda: scores.softmax(-1).exp(),
        "floor": lambda: scores.floor().exp(),
        "hard": lambda: (scores == scores.amax(-1, keepdim=True)).double(),
    }.get(rows, scores.exp)()
    if rows not in ("scores", "exp", "largest", "sigmoid", "log", "relu"):
        powers = powers / powers.sum(AXES[over], keepdim=True)
    return powers * q.shape[-1] ** -0.5 if after else powers


def mix(weights: Tensor, q: Tensor, k: Tensor, v: Tensor, mixed: str = "v") -> Tensor:
    """weights v, b h n d."""
    if mixed == "map":
        return weights
    if mixed == "transposed":
        return torch.einsum("bhmn, bhme -> bhne", weights, v.double())
    if mixed.startswith("phi"):
        v, mixed = features(v, float(mixed.partition(" ")[2])), "v"
    values = {"v": v, "k": k, "q": q, "relu": v.relu()}[mixed].double()
    return torch.einsum("bhnm, bhme -> bhne", weights, values)


def softmax_attention(q: Tensor, k: Tensor, v: Tensor, mixed: str = "v", **switches) -> Tensor:
    """Equation (1), b h n d."""
    return mix(softmax_weights(q, k, **switches), q, k, v, mixed)


def focus(
    x: Tensor, p: float, length: str = "kept", axis: str = "d", order: float = 2, power: str = "p"
) -> Tensor:
    """|x| / |x ** p| x ** p over the last axis."""
    x = x.double()
    exponent = {"p": p, "1": 1, "2": 2, "3": 3, "p - 1": p - 1, "p + 1": p + 1, "1 / p": 1 / p}
    exponent["p p"] = p * p
    if power in exponent:
        sharp = x ** exponent[power]
    else:
        sharp = {"times": x * p, "base": p**x, "exp": (p * x).exp()}[power]

    def norm(t: Tensor) -> Tensor:
        axes = {
            "d": -1,
            "tokens": -2,
            "heads": 1,
            "first": 0,
            "all": tuple(range(t.ndim)),
            "width": (-1, 1),
        }
        degree = p if order == 0 else order
        return torch.linalg.vector_norm(t, degree, axes[axis], keepdim=True)

    return {
        "kept": lambda: sharp * (norm(x) / norm(sharp)),
        "lost": lambda: sharp,
        "one": lambda: sharp / norm(sharp),
        "upside down": lambda: sharp * (norm(sharp) / norm(x)),
        "times": lambda: sharp * norm(x),
        "over": lambda: sharp / norm(x),
        "before": lambda: norm(x) * (x / norm(x)) ** p,
        "unit": lambda: (x / norm(x)) ** p,
        "L1 below": lambda: sharp * (norm(x) / sharp.abs().sum(-1, keepdim=True)),
        "axis lost": lambda: sharp * (norm(x) / norm(sharp)).squeeze(-1),
        "power below": lambda: sharp * (norm(x) / norm(sharp**p)),
        "old over all": lambda: sharp * (torch.linalg.vector_norm(x) / norm(sharp)),
        "norm to p": lambda: x / norm(x) ** p,
        "root": lambda: sharp * (norm(x) / norm(sharp)).sqrt(),
        "squared": lambda: sharp * (norm(x) / norm(sharp)) ** 2,
    }[length]()


def features(x: Tensor, p: float = 1, phi: str = "relu", eps: float = 1e-6, **switches) -> Tensor:
    """phi_p(x) = f_p(ReLU(x) + 1e-6), b h n d."""
    x = x.double()
    if phi == "after":
        return focus(x, p, **switches).relu() + eps
    if phi == "late eps":
        return focus(x.relu(), p, **switches) + eps
    positive = {
        "relu": lambda: x.relu() + eps,
        "none": lambda: x,
        "abs": lambda: x.abs() + eps,
        "square": lambda: x**2 + eps,
        "elu": lambda: elu(x) + 1,
        "leaky": lambda: leaky_relu(x),
        "exp": x.exp,
        "softplus": lambda: softplus(x),
        "sigmoid": x.sigmoid,
        "softmax": lambda: x.softmax(-1),
        "gelu": lambda: gelu(x) + eps,
        "silu": lambda: silu(x) + eps,
        "tanh": lambda: x.tanh() + 1,
        "plus one": lambda: (x + 1).relu(),
        "unit": lambda: normalize(x.relu() + eps, dim=-1),
    }[phi]()
    return focus(positive, p, **switches) if p != 1 or switches else positive


def kernel_weights(
    q: Tensor, k: Tensor, p: float = 1, only: str = "", rows: str = "keys", **switches
) -> Tensor:
    """phi(q) phi(k)^T, each row divided by its sum, b h n m; `only` changes one side alone."""
    left = features(q, p, **({} if only == "k" else switches))
    right = features(k, p, **({} if only == "q" else switches))
    return divided(torch.einsum("bhnd, bhmd -> bhnm", left, right), left, right, q, k, rows)


def positive(products: Tensor) -> Tensor:
    """The mistake of a ReLU of the products, with rows that sum to 1."""
    weights = products.relu() + 1e-6
    return weights / weights.sum(-1, keepdim=True)


def divided(scores: Tensor, left: Tensor, right: Tensor, q: Tensor, k: Tensor, rows: str) -> Tensor:
    """The scores b h n m, each row divided by its sum."""
    d, m = q.shape[-1], k.shape[2]

    def raw() -> Tensor:
        return torch.einsum("bhnd, bhmd -> bhnm", q.double(), k.double())

    def separate() -> Tensor:
        parts = left / left.sum(-1, keepdim=True), right / right.sum(-2, keepdim=True)
        return torch.einsum("bhnd, bhmd -> bhnm", *parts)

    return {
        "keys": lambda: scores / scores.sum(-1, keepdim=True),
        "queries": lambda: scores / scores.sum(-2, keepdim=True),
        "heads": lambda: scores / scores.sum(1, keepdim=True),
        "both": lambda: scores / scores.sum((-1, -2), keepdim=True),
        "none": lambda: scores,
        "all": lambda: scores / scores.sum(),
        "count": lambda: scores / m,
        "root of count": lambda: scores / m**0.5,
        "count of queries": lambda: scores / scores.shape[2],
        "products": lambda: positive(torch.einsum("bhnd, bhmd -> bhnm", q.double(), k.double())),
        "sums": lambda: scores / left.sum(-1, keepdim=True) / right.sum((-1, -2), keepdim=True),
        "raw keys": lambda: scores / torch.einsum("bhnd, bhmd -> bhn", left, k.double())[..., None],
        "raw queries": lambda: (
            scores / torch.einsum("bhnd, bhmd -> bhn", q.double(), right)[..., None]
        ),
        "keys missing": lambda: scores / left.sum(-1, keepdim=True),
        "keepdim": lambda: scores / scores.sum(-1),
        "mean": lambda: scores / scores.mean(-1, keepdim=True),
        "mean above": lambda: scores / scores.sum(-1, keepdim=True) / m,
        "length": lambda: scores / torch.linalg.vector_norm(scores, dim=-1, keepdim=True),
        "largest": lambda: scores / scores.amax(-1, keepdim=True),
        "softmax": lambda: scores.softmax(-1),
        "scaled softmax": lambda: (scores * d**-0.5).softmax(-1),
        "scaled": lambda: scores * d**-0.5,
        "raw": lambda: scores / raw().sum(-1, keepdim=True),
        "separate": separate,
        "key features": lambda: torch.einsum(
            "bhnd, bhmd -> bhnm", left, right / right.sum(-2, keepdim=True)
        ),
        "query features": lambda: torch.einsum(
            "bhnd, bhmd -> bhnm", left / left.sum(-2, keepdim=True), right
        ),
        "causal": lambda: scores.tril() / scores.tril().sum(-1, keepdim=True),
    }[rows]()


def kernel_attention(
    q: Tensor, k: Tensor, v: Tensor, p: float = 1, mixed: str = "v", **switches
) -> Tensor:
    """Equations (4) to (6), b h n d; p = 1 is plain linear attention."""
    return mix(kernel_weights(q, k, p, **switches), q, k, v, mixed)
