"""The slow twins: the paper's equations with plain loops, written without the library."""

import math

import torch


def phi(x, p):
    """Equations (5) and (6) for one vector: f_p(ReLU(x) + 1e-6)."""
    positive = [max(value, 0.0) + 1e-6 for value in x.tolist()]
    sharp = [value**p for value in positive]
    length = math.sqrt(sum(value**2 for value in positive))
    new_length = math.sqrt(sum(value**2 for value in sharp))
    return [length / new_length * value for value in sharp]


def softmax_weights(q, k):
    """Equation (1) for one query and a list of keys."""
    scores = [sum(a * b for a, b in zip(q, key, strict=True)) / math.sqrt(len(q)) for key in k]
    largest = max(scores)
    powers = [math.exp(score - largest) for score in scores]
    return [power / sum(powers) for power in powers]


def focused_weights(q, k, p):
    """Equation (4) with the features of equation (6), for one query and a list of keys."""
    query = phi(q, p)
    scores = [sum(a * b for a, b in zip(query, phi(key, p), strict=True)) for key in k]
    return [score / sum(scores) for score in scores]


def attention(q, k, v, weights):
    """Mix the values, one query at a time: b h n d, b h m d, b h m e -> b h n e."""
    batch, heads, queries, _ = q.shape
    output = torch.zeros(batch, heads, queries, v.shape[-1], dtype=q.dtype)
    for b in range(batch):
        for h in range(heads):
            for n in range(queries):
                shares = weights(q[b, h, n], k[b, h])
                for share, value in zip(shares, v[b, h], strict=True):
                    output[b, h, n] += share * value
    return output


def depthwise(image, kernel):
    """A convolution with zero padding over one channel y x, weight by weight."""
    rows, columns = image.shape
    reach = len(kernel) // 2
    output = torch.zeros_like(image)
    for y in range(rows):
        for x in range(columns):
            for a in range(len(kernel)):
                for b in range(len(kernel)):
                    source = (y + a - reach, x + b - reach)
                    if 0 <= source[0] < rows and 0 <= source[1] < columns:
                        output[y, x] += kernel[a, b] * image[source]
    return output
