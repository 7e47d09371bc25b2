"""Kernels of the depthwise branch, and what they do to a map: shared by two pictures."""

import math

import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.image import AxesImage
from torch import Tensor

from .arguments import asks, one_of, whole
from .style import COLOURS, frame

# Dark grey for negative, white at exactly zero, the branch's colour for positive weights.
_STOPS = ["#1A1A1A", "#8A8A8A", "#FFFFFF", "#CC79A7", "#7A1F57"]
SIGNED = LinearSegmentedColormap.from_list("branch", _STOPS).resampled(33)


@asks(size=one_of(1, 3, 5, 7), seed=whole(0))
def branch_kernel(size: int = 5, seed: int = 0) -> Tensor:
    """A random kernel, size x size, of the norm that a new depthwise convolution has: 1 / sqrt(3).

    Sizes up to 7 are cuts from the middle of one draw.

    >>> branch_kernel(3).shape, branch_kernel(3).norm().round(decimals=3)
    (torch.Size([3, 3]), tensor(0.5770, dtype=torch.float64))
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(7, 7, generator=generator, dtype=torch.float64)
    edge = (7 - size) // 2
    kernel = drawn[edge : 7 - edge, edge : 7 - edge]
    return kernel / (kernel.norm() * math.sqrt(3))


def show_signed(axes: Axes, values: Tensor, limit: float, colour: str | None = None) -> AxesImage:
    """Signed weights y x, white at zero, in a frame."""
    height, width = values.shape
    shown = axes.imshow(
        values.numpy(), cmap=SIGNED, vmin=-limit, vmax=limit, extent=(0, width, height, 0)
    )
    axes.autoscale(False)
    frame(axes, colour or COLOURS["query"], 2 if colour else 1.2)
    return shown
