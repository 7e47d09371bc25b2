"""The depthwise convolution as a matrix, in its plainest form, with switches for mistakes."""

from torch import Tensor, zeros

Grid = tuple[int, int]


def place(token: int, grid: Grid, count: str) -> tuple[int, int]:
    """(y, x) of a token that is counted row by row."""
    if count == "columns":
        return token % grid[0], token // grid[0]
    if count == "y rows":  # which has no inverse; its numbers are made in `neighbour`
        return token // grid[1], token % grid[1]
    return token // grid[1], token % grid[1]


def neighbour(place: tuple[int, int], grid: Grid, border: str, count: str) -> int | None:
    """The number of the token at (y, x), or None outside the grid."""
    (y, x), (rows, columns) = place, grid
    flat = y * columns + x
    if border in ("rows wrap", "x wraps"):  # the place in the list exists, so it is taken
        outside = border == "x wraps" and not 0 <= y < rows
        return None if outside or not 0 <= flat < rows * columns else flat
    if border == "list wraps":
        return flat % (rows * columns)
    if border == "negative sides":
        y, x = (side + length if side < 0 else side for side, length in ((y, rows), (x, columns)))
    first, last = border == "first out", border == "last out"
    if (first and min(y, x) < 1) or (last and (y > rows - 2 or x > columns - 2)):
        return None
    if border == "negative" and y < rows and x < columns:
        return flat  # below 0 it counts from the end
    if border == "all wrap":
        y, x = y % rows, x % columns
    elif border == "repeat":
        y, x = min(max(y, 0), rows - 1), min(max(x, 0), columns - 1)
    elif border == "mirror":
        y, x = mirrored(y, rows), mirrored(x, columns)
    if not (0 <= y < rows and 0 <= x < columns):
        return None
    return {"columns": x * rows + y, "y rows": y * rows + x}.get(count, y * columns + x)


def mirrored(at: int, size: int) -> int:
    """The place that a mirror at the border shows."""
    at = abs(at)
    return at if at < size else max(2 * (size - 1) - at, 0)


def turned(kernel: Tensor, turn: str) -> Tensor:
    """The kernel as it is, or turned round, or only a part of it, by mistake."""
    r = len(kernel) // 2
    row, column = (zeros(len(kernel), len(kernel)) for _ in range(2))
    row[r], column[:, r] = 1, 1
    return {
        "": lambda: kernel,
        "flipped": lambda: kernel.flip(0, 1),
        "upside down": lambda: kernel.flip(0),
        "left to right": lambda: kernel.flip(1),
        "transposed": lambda: kernel.T,
        "both": lambda: kernel.T.flip(0, 1),
        "row": lambda: kernel * row,
        "column": lambda: kernel * column,
        "cross": lambda: kernel * (row + column > 0),
        "middle": lambda: kernel * (row * column),
        "no middle": lambda: kernel * (1 - row * column),
        "ones": lambda: kernel * 0 + 1,
        "absolute": lambda: kernel.abs(),
        "plus identity": lambda: kernel + row * column,
        "quarter": lambda: kernel.rot90(),
        "three quarters": lambda: kernel.rot90(3),
        "3 x 3": lambda: kernel[:3, :3],
    }[turn]().double()


def depthwise_matrix(
    kernel: Tensor,
    grid: Grid,
    turn: str = "",
    border: str = "zero",
    count: str = "rows",
    sides: str = "y x",
    centre: str = "middle",
    rows: str = "",
    put: str = "add",
) -> Tensor:
    """M[(y, x), (y + a - r, x + b - r)] = kernel[a, b] inside the grid, r = k // 2."""
    kernel = turned(kernel, turn)
    size = len(kernel)
    reach = {"middle": size // 2, "corner": 0, "end": size - 1, "one": 1}[centre]
    if sides == "x y":
        grid = grid[1], grid[0]
    tokens = grid[0] * grid[1]
    matrix = zeros(tokens, tokens).double()
    for token in range(tokens):
        y, x = place(token, grid, count)
        for a in range(size):
            for b in range(size):
                there = (y + a - reach, x + b - reach)
                other = neighbour(there, grid, border, count)
                own = y * grid[0] + x if count == "y rows" else token
                if other is not None:
                    before = matrix[own, other] if put == "add" else 0
                    matrix[own, other] = before + kernel[a, b]
                elif border == "break":
                    break
                elif border == "empty":
                    matrix[token] = float("nan")  # the whole row is left out, below
    if border == "empty":
        matrix = matrix.nan_to_num(0)
    below = {"divided": matrix.sum(-1, keepdim=True), "count": (matrix != 0).sum(-1, keepdim=True)}
    return matrix / below[rows] if rows else matrix
