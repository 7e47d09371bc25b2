"""The depthwise convolution on the values (equations 10 to 12), and the matrix that it is.

    O = phi(Q) phi(K)^T V + DWC(V) = (phi(Q) phi(K)^T + M_DWC) V = M_eq V

The first map has rank d at most. M_DWC is sparse, one row of at most k^2 weights a token, and its
rank can be the number of tokens: added, it lifts the rank of the sum.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .checks import check_grid, check_kernel_size


def depthwise_matrix(kernel: Tensor, grid: tuple[int, int]) -> Tensor:
    """The (y x) (y x) matrix that does to a column of tokens what the convolution does to a map.

        M[(y, x), (y + a - r, x + b - r)] = kernel[a, b]   inside the grid,   r = k // 2

    It is exact at the borders: a row near the border has fewer weights (zero padding), and none
    wraps to the other side. As in every network library the kernel is not flipped.

    Args:
        kernel: one kernel k k, or one a channel, ... k k, with k odd.
        grid: (rows, columns) of the tokens.

    Returns:
        (y x) (y x), or ... (y x) (y x). Tokens are counted row by row.

    Raises:
        ValueError: if the kernel is not square or k is even.

    Source: equations (11) and (12) of the paper.

    >>> depthwise_matrix(torch.tensor([[0.0, 0, 0], [1, 2, 3], [0, 0, 0]]), grid=(1, 3))
    tensor([[2., 3., 0.],
            [1., 2., 3.],
            [0., 1., 2.]])
    """
    if not isinstance(kernel, Tensor) or kernel.ndim < 2 or kernel.shape[-1] != kernel.shape[-2]:
        found = tuple(kernel.shape) if isinstance(kernel, Tensor) else type(kernel).__name__
        raise ValueError(f"kernel must be square, k k or ... k k, such as 5 x 5, but is {found}")
    size = kernel.shape[-1]
    check_kernel_size(size, "the side of kernel")
    rows, columns = check_grid(grid)
    place = torch.arange(rows * columns, device=kernel.device)
    y, x = place // columns, place % columns
    # Key's place minus query's place, as an index into the kernel.
    a = rearrange(y, "m -> 1 m") - rearrange(y, "n -> n 1") + size // 2
    b = rearrange(x, "m -> 1 m") - rearrange(x, "n -> n 1") + size // 2
    inside = (a >= 0) & (a < size) & (b >= 0) & (b < size)
    return kernel[..., a.clamp(0, size - 1), b.clamp(0, size - 1)] * inside


class DepthwiseBranch(nn.Conv2d):
    """The learned branch: d kernels k x k and biases, one a channel of a head, shared by heads.

    Args:
        channels: channels d of a head.
        kernel_size: side k of the kernels, odd; the paper uses 5.

    Raises:
        ValueError: if kernel_size is even.
    """

    def __init__(self, channels: int, kernel_size: int = 5):
        check_kernel_size(kernel_size)
        super().__init__(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)

    def forward(self, v: Tensor, grid: tuple[int, int]) -> Tensor:
        """The values b (y x) (h d) seen as a map, convolved with zero padding: b (y x) (h d)."""
        # One map of all channels with the kernels repeated: nothing is copied, there and back.
        heads = v.shape[-1] // self.in_channels
        weight = torch.cat([self.weight] * heads)
        bias = None if self.bias is None else torch.cat([self.bias] * heads)
        image = v.unflatten(1, grid).movedim(-1, 1)  # b c y x
        local = F.conv2d(image, weight, bias, padding=self.padding, groups=v.shape[-1])  # pyright: ignore[reportArgumentType]
        return local.flatten(2).mT

    def matrix(self, grid: tuple[int, int]) -> Tensor:
        """M_DWC of each channel, d (y x) (y x), without the bias."""
        return depthwise_matrix(rearrange(self.weight, "d 1 a b -> d a b"), grid)
