"""Exercises of chapter 5, the depthwise branch: windows, its matrix, and the equivalent map."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from . import plain, plain_grid
from .cases import F32, F64, grid_tags, grids, lively, normal, without_positive
from .chapter2 import FEATURE_MISTAKES, ROW_MISTAKES
from .chapter3 import FOCUS_MISTAKES
from .exercise import Case, Exercise
from .plain_grid import Grid

MATRIX_MISTAKES = {
    "the kernel is flipped": (
        {"turn": "flipped"},
        "The kernel is turned by half a turn (or the matrix is transposed): kernel[a, b] belongs "
        "to the neighbour at (y + a - r, x + b - r). Networks do not flip their kernels.",
    ),
    "the kernel is turned upside down": (
        {"turn": "upside down"},
        "The first row of the kernel belongs to the tokens above, the last to those below.",
    ),
    "the kernel is mirrored from left to right": (
        {"turn": "left to right"},
        "The first column of the kernel belongs to the tokens on the left.",
    ),
    "the kernel is turned by a quarter": (
        [{"turn": "quarter"}, {"turn": "three quarters"}],
        "The kernel is turned by 90 degrees: kernel[a, b] has a along y and b along x.",
    ),
    "the kernel's signs are lost": ({"turn": "absolute"}, "Weights may be negative."),
    "1 is added to the middle of the kernel": (
        {"turn": "plus identity"},
        "This is the matrix plus the identity. The token itself has the weight kernel[r, r].",
    ),
    "the kernel is transposed": (
        {"turn": "transposed"},
        "Rows and columns of the kernel are exchanged: kernel[a, b] has a along y and b along x.",
    ),
    "the kernel is transposed and flipped": (
        {"turn": "both"},
        "Rows and columns of the kernel are exchanged, and it is turned by half a turn.",
    ),
    "rows wrap at the border of the grid": (
        [
            {"border": "rows wrap"},
            {"border": "rows wrap", "put": "set"},
            {"border": "x wraps"},
            {"border": "x wraps", "put": "set"},
            {"border": "list wraps"},
            {"border": "list wraps", "put": "set"},
        ],
        "The last token of a row and the first of the next are neighbours in the list, not in the "
        "grid. Look at y and x, and leave out what falls off the grid.",
    ),
    "a negative index counts from the end": (
        [
            {"border": "negative"},
            {"border": "negative", "put": "set"},
            {"border": "negative sides"},
            {"border": "negative sides", "put": "set"},
        ],
        "Above and left of the grid an index is negative, and Python counts it from the end. Test "
        "0 <= y and 0 <= x as well.",
    ),
    "the border wraps to the other side": (
        [{"border": "all wrap"}, {"border": "all wrap", "put": "set"}],
        "What leaves the grid comes in on the other side (a roll, or a remainder). It should "
        "count as zero.",
    ),
    "the border is repeated outside": (
        {"border": "repeat"},
        "Outside the grid the nearest token is taken (clamped indices). It should count as zero.",
    ),
    "the border is mirrored outside": (
        {"border": "mirror"},
        "Outside the grid a mirrored token is taken. It should count as zero.",
    ),
    "the first row and column get nothing": (
        {"border": "first out"},
        "Counting starts at 0: the test is 0 <= y, not 0 < y.",
    ),
    "the last row and column get nothing": (
        {"border": "last out"},
        "The last row of the grid is rows - 1, and belongs to it: the test is y < rows.",
    ),
    "the loop ends at the border": (
        {"border": "break"},
        "`break` leaves the loop at the first neighbour outside; `continue` goes on to the next.",
    ),
    "the kernel is taken as 3 x 3": (
        {"turn": "3 x 3"},
        "Only 3 x 3 weights are used. The kernel is k x k: k = len(kernel).",
    ),
    "the reach is always 1": (
        {"centre": "one"},
        "r is 1 for a kernel of 3 x 3 only: r = len(kernel) // 2.",
    ),
    "only the middle row of the kernel is used": (
        {"turn": "row"},
        "Neighbours above and below belong to the window as well.",
    ),
    "only the middle column of the kernel is used": (
        {"turn": "column"},
        "Neighbours on the left and right belong to the window as well.",
    ),
    "the corners of the kernel are left out": (
        {"turn": "cross"},
        "Neighbours across the corner belong to the window as well.",
    ),
    "only the middle of the kernel is used": (
        {"turn": "middle"},
        "Each token gets its neighbours too, not itself alone.",
    ),
    "the token itself is left out": (
        {"turn": "no middle"},
        "The middle of the kernel belongs to the token itself; it counts.",
    ),
    "ones stand where the kernel's weights belong": (
        {"turn": "ones"},
        "The entries are the weights kernel[a, b].",
    ),
    "tokens near the border have empty rows": (
        {"border": "empty"},
        "A token whose window leaves the grid keeps the part of the window that is inside.",
    ),
    "y counts the rows, not their length": (
        [{"count": "y rows", "put": "set"}, {"count": "y rows"}],
        "Each step in y passes a whole row of `columns` tokens: y * columns + x.",
    ),
    "tokens are counted column by column": (
        {"count": "columns"},
        "Token number t stands at y = t // columns, x = t % columns: row by row.",
    ),
    "rows and columns of the grid are exchanged": (
        {"sides": "x y"},
        "grid is (rows, columns), y first. Here the columns are taken for the rows.",
    ),
    "the window starts at the token": (
        {"centre": "corner"},
        "The middle of the kernel belongs to the token itself: subtract r = k // 2.",
    ),
    "the window ends at the token": (
        {"centre": "end"},
        "The middle of the kernel belongs to the token itself: subtract r = k // 2, not k - 1.",
    ),
    "the rows are divided by their number of neighbours": (
        {"rows": "count"},
        "A window near the border holds fewer tokens; their weights stay as they are, no mean.",
    ),
    "the rows are divided by their sum": (
        {"rows": "divided"},
        "The matrix has the kernel's weights as they are; its rows need not sum to 1.",
    ),
}


def kernels(generator: Generator) -> list[tuple[Tensor, Grid]]:
    """(kernel, grid) of every kind."""
    drawn = []
    for number, (rows, columns, size) in enumerate(grids(generator)):
        while True:
            kernel = normal(generator, size, size) + 0.05
            # Dividing the rows by mistake must not divide by nearly 0.
            sums = plain_grid.depthwise_matrix(kernel, (rows, columns)).sum(-1)
            if torch.minimum(sums.abs(), (sums + 1).abs()).min() > 0.1:
                break
        drawn.append((kernel.to((F32, F64)[number % 2]), (rows, columns)))
    return drawn


def matrix_cases(generator: Generator) -> list[Case]:
    """(kernel, grid)."""
    return [Case((kernel, grid), grid_tags(*grid)) for kernel, grid in kernels(generator)]


def window_cases(generator: Generator) -> list[Case]:
    """(grid, size)."""
    sizes = grids(generator)
    return [
        Case(((rows, columns), size), grid_tags(rows, columns)) for rows, columns, size in sizes
    ]


def neighbours(
    grid: Grid, size: int, itself: bool = True, sides: str = "y x", **switches
) -> Tensor:
    """How many tokens lie in the window of each token, y x."""
    rows, columns = grid if sides == "y x" else grid[::-1]
    ones = torch.ones(size, size).double()
    counts = (plain_grid.depthwise_matrix(ones, (rows, columns), **switches) != 0).sum(-1)
    return counts.reshape(rows, columns).double() - float(not itself)


def cut_short(side: int, size: int) -> Tensor:
    """The mistake of y + r - (y - r) tokens along a side."""
    r = size // 2
    return torch.tensor([min(y + r, side) - max(y - r, 0) for y in range(side)]).double()


def equivalent_cases(generator: Generator) -> list[Case]:
    """(q, k, kernel, grid, p)."""
    cases = []
    heads = ((1, 1), (1, 1), (1, 2), (2, 1), (1, 3), (2, 2), (1, 1), (1, 2))
    powers = (3, 3, 2, 3, 4, 3, 3, 2)
    for (kernel, grid), (b, h), p in zip(kernels(generator), heads, powers, strict=True):
        n, d = grid[0] * grid[1], 2 + n_of(grid)
        q, k = lively(generator, (b, h, n, d), (b, h, n, d), p)
        words = grid_tags(*grid) | ({"p is not 3"} if p != 3 else set())
        words |= {"several heads"} if h > 1 else set()
        cases.append(Case((q.to(kernel), k.to(kernel), kernel, grid, p), words))
    return [*cases, without_positive(cases[1], powers)]


def n_of(grid: Grid) -> int:
    """A number that goes with a grid, 0 to 2."""
    return sum(grid) % 3


class Remembered:
    """A function whose results are kept: pairs of mistakes share their halves."""

    def __init__(self, function: Callable, most: int = 4000):
        self.function, self.most, self.results = function, most, {}

    def __call__(self, *args, **switches) -> Tensor:
        """The result, from memory if it was asked for before."""
        sides = tuple(id(a) if isinstance(a, Tensor) else a for a in args)
        key = (sides, frozenset(switches.items()))
        if key not in self.results:
            if len(self.results) >= self.most:
                self.results.clear()
            # The inputs are kept as well: while they live, nothing else has their id.
            self.results[key] = args, self.function(*args, **switches)
        return self.results[key][1]


MAP_OF, MATRIX_OF = Remembered(plain.kernel_weights), Remembered(plain_grid.depthwise_matrix)
MAP = ("phi", "eps", "only", "rows", "length", "axis", "order", "power")


def equivalent_map(
    q: Tensor,
    k: Tensor,
    kernel: Tensor,
    grid: Grid,
    p: float,
    joined: str = "added",
    map: str = "focused",
    **switches,
) -> Tensor:
    """The map of focused attention plus the matrix of the depthwise branch, b h n n."""
    of_map = {name: value for name, value in switches.items() if name in MAP}
    of_matrix = {name: value for name, value in switches.items() if name not in MAP}
    if map in ("focused", "exchanged"):
        first, second = (q, k) if map == "focused" else (k, q)
        weights = MAP_OF(first, second, p, **of_map)
    else:
        scale = "none" if map == "softmax without scale" else "d"
        weights = plain.softmax_weights(q, k, scale)
    alone = MATRIX_OF(kernel, grid, **of_matrix)
    matrix = alone.expand_as(weights)
    total = weights + matrix
    return {
        "added": lambda: total,
        "multiplied": lambda: weights * matrix,
        "one after the other": lambda: weights @ matrix,
        "the other after one": lambda: matrix @ weights,
        "subtracted": lambda: weights - matrix,
        "averaged": lambda: total / 2,
        "map alone": lambda: weights,
        "matrix alone": lambda: matrix,
        "divided after": lambda: total / total.sum(-1, keepdim=True),
        "matrix divided": lambda: weights + matrix / matrix.sum(-1, keepdim=True),
        "softmax of both": lambda: total.softmax(-1),
        "mean of heads": lambda: weights.mean(1) + alone,
        "mean of heads, kept": lambda: (weights.mean(1, keepdim=True) + alone).expand_as(total),
        "identity alone": lambda: weights + torch.eye(total.shape[-1]).double(),
        "sum of kernel": lambda: weights + kernel.sum().double(),
        "one matrix": lambda: alone,
        "map transposed": lambda: weights.mT + matrix,
        "both transposed": lambda: total.mT,
        "with identity": lambda: total + torch.eye(total.shape[-1]).double(),
        "in one head": lambda: torch.cat([total[:, :1], weights[:, 1:]], 1),
    }[joined]()


EQUIVALENT_MISTAKES = {
    "the two are multiplied, not added": (
        {"joined": "multiplied"},
        "Both branches see the same v, and their outputs are added: M_eq = A + M_DWC.",
    ),
    "one acts after the other": (
        {"joined": "one after the other"},
        "A M_DWC convolves v first and attends then. The branches stand side by side: A + M_DWC.",
    ),
    "the convolution acts on the output of the attention": (
        {"joined": "the other after one"},
        "M_DWC A convolves what the attention gives. The branches stand side by side: A + M_DWC.",
    ),
    "the matrix is subtracted": ({"joined": "subtracted"}, "The outputs are added: A + M_DWC."),
    "the mean is taken, not the sum": ({"joined": "averaged"}, "It is A + M_DWC, without a half."),
    "the depthwise branch is missing": (
        {"joined": "map alone"},
        "This is the map of the attention alone; add the matrix of the branch.",
    ),
    "the attention is missing": (
        [{"joined": "matrix alone"}, {"joined": "one matrix"}],
        "This is the matrix of the branch alone; add the map of the attention.",
    ),
    "the rows are divided after the sum": (
        {"joined": "divided after"},
        "The rows of the attention are divided by their sums before M_DWC is added, not after.",
    ),
    "the rows of the matrix are divided too": (
        {"joined": "matrix divided"},
        "Only the rows of the attention are divided by their sums; M_DWC stays as it is.",
    ),
    "a softmax is taken of the sum": (
        {"joined": "softmax of both"},
        "M_eq is the plain sum A + M_DWC; no softmax follows.",
    ),
    "the sum of the kernel is added everywhere": (
        {"joined": "sum of kernel"},
        "M_DWC is a matrix: each neighbour has its own weight, and most entries are 0.",
    ),
    "the identity is added, not the matrix": (
        {"joined": "identity alone"},
        "M_DWC is the matrix of the kernel, not the identity.",
    ),
    "the heads are averaged": (
        [{"joined": "mean of heads"}, {"joined": "mean of heads, kept"}],
        "Each head keeps its own map: b h n n.",
    ),
    "the map of the attention is transposed": (
        {"joined": "map transposed"},
        "Rows are queries, columns are keys: A is not transposed.",
    ),
    "the whole is transposed": (
        {"joined": "both transposed"},
        "Rows are outputs, columns are inputs.",
    ),
    "queries and keys are exchanged": (
        {"map": "exchanged"},
        "The map is that of q asking k: phi(q) phi(k)^T.",
    ),
    "the identity is added": ({"joined": "with identity"}, "It is A + M_DWC, nothing more."),
    "the branch is added to one head alone": (
        {"joined": "in one head"},
        "The kernel is shared: M_DWC is added to the map of every head.",
    ),
    "the map is that of softmax attention": (
        {"map": "softmax"},
        "The map is that of focused linear attention: phi_p(q) phi_p(k)^T, rows divided.",
    ),
    "the map is that of softmax attention without d^-1/2": (
        {"map": "softmax without scale"},
        "The map is that of focused linear attention: phi_p(q) phi_p(k)^T, rows divided.",
    ),
}
OF_MATRIX = {name: e for name, e in MATRIX_MISTAKES.items() if "rows" not in e[0]}

EXERCISES = [
    Exercise(
        name="neighbours",
        signature="neighbours(grid, size)",
        chapter=5,
        level="warm-up",
        minutes=10,
        returns="rows x columns whole numbers",
        cases=window_cases,
        right=neighbours,
        flat=True,
        mistakes={
            "the border is forgotten": (
                lambda grid, size: torch.full(grid, float(size**2)).double(),
                "Near the border a part of the window lies outside and holds no tokens.",
            ),
            "the border wraps to the other side": (
                {"border": "all wrap"},
                "What leaves the grid does not come in on the other side.",
            ),
            "rows wrap at the border of the grid": (
                {"border": "rows wrap"},
                "The last token of a row and the first of the next are no neighbours.",
            ),
            "the token itself is left out": (
                {"itself": False},
                "The middle of the window is the token itself; it counts.",
            ),
            "rows and columns of the grid are exchanged": (
                {"sides": "x y"},
                "grid is (rows, columns), y first.",
            ),
            "the window is a cross": (
                {"turn": "cross"},
                "The window is a square: neighbours across the corner are in it.",
            ),
            "the window reaches k steps, not (k - 1) / 2": (
                lambda grid, size: neighbours(grid, 2 * size + 1),
                "The window has k tokens from side to side, so it reaches (k - 1) / 2 steps.",
            ),
            "the last token of each side is left out": (
                lambda grid, size: torch.outer(*(cut_short(side, size) for side in grid)),
                "From y - r to y + r are 2 r + 1 rows: a range ends before its second number.",
            ),
            "the window starts at the token": (
                {"centre": "corner"},
                "The window reaches size // 2 to each side of the token.",
            ),
        },
        hints=(
            "Draw a 3 x 4 grid, and a window of 3 around its corner, an edge, and its middle.",
            "Along one side: from max(0, y - r) to min(rows - 1, y + r), with r = size // 2.",
            "The count is the number of rows in the window times the number of columns in it.",
        ),
    ),
    Exercise(
        name="depthwise_matrix",
        signature="depthwise_matrix(kernel, grid)",
        chapter=5,
        level="core",
        minutes=25,
        returns="(y x) (y x), one row for each token",
        cases=matrix_cases,
        right=plain_grid.depthwise_matrix,
        mistakes=MATRIX_MISTAKES,
        hints=(
            "One row of the matrix says from which tokens one output is made. Write down the row "
            "of a token in the middle of a 3 x 3 grid.",
            "Token t stands at y = t // columns, x = t % columns. Its neighbour for kernel[a, b] "
            "is at (y + a - r, x + b - r), if that is inside the grid.",
            "Loop over y, x, a, b: row y * columns + x, column yy * columns + xx is kernel[a, b].",
        ),
    ),
    Exercise(
        name="equivalent_map",
        signature="equivalent_map(q, k, kernel, grid, p)",
        chapter=5,
        level="stretch",
        minutes=30,
        returns="b h n n with n = y x",
        cases=equivalent_cases,
        right=equivalent_map,
        mistakes=EQUIVALENT_MISTAKES | OF_MATRIX | ROW_MISTAKES | FOCUS_MISTAKES | FEATURE_MISTAKES,
        hints=(
            "M_eq v must be what both branches give together. What is the first branch's matrix?",
            "The map A is what the attention makes of the identity as values: rows sum to 1. "
            "The second matrix you have from the exercise before.",
            "Features phi_p of q and k, their products b h n n, each row over its sum, plus "
            "depthwise_matrix(kernel, grid), which fits every image and head.",
        ),
    ),
]
