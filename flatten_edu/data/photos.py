"""Photos and textures that ship inside scikit-image and scikit-learn, for pictures of attention."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from ..attention.checks import check_whole
from ..backbones.registry import check_name
from ..extras import need

_SCIKIT_IMAGE = ("astronaut", "chelsea", "coffee", "rocket", "camera", "brick", "grass", "gravel")
_SCIKIT_LEARN = ("china", "flower")


def list_photos() -> list[str]:
    """The names that `photo` knows.

    >>> list_photos()[:3]
    ['astronaut', 'chelsea', 'coffee']
    """
    return [*_SCIKIT_IMAGE, *_SCIKIT_LEARN]


def photo(name: str, size: int | None = None) -> Tensor:
    """A photo or texture as a tensor c y x in float32 between 0 and 1.

    Args:
        name: one of `list_photos()`. "camera", "brick", "grass" and "gravel" are grey, c = 1.
        size: side of a square cut from the middle and scaled to size x size pixels; None leaves
            the photo as it is.

    Raises:
        ValueError: for an unknown name (the line has the nearest) or a size below 1.
        ImportError: if scikit-image or scikit-learn is missing; the line names the extra.

    >>> photo("astronaut").shape, photo("camera", size=224).shape
    (torch.Size([3, 512, 512]), torch.Size([1, 224, 224]))
    """
    check_name("photo", name, list_photos())
    if name in _SCIKIT_IMAGE:
        pixels = getattr(need("skimage.data", extra="lab"), name)()
    else:
        pixels = need("sklearn.datasets", extra="lab").load_sample_image(f"{name}.jpg")
    pattern = "y x c -> c y x" if pixels.ndim == 3 else "y x -> 1 y x"
    image = rearrange(torch.tensor(pixels).float() / 255, pattern).contiguous()
    return image if size is None else middle_square(image, size)


def middle_square(image: Tensor, size: int) -> Tensor:
    """The largest square in the middle, c y x, scaled to size x size with antialiasing.

    >>> middle_square(torch.ones(3, 40, 60), 16).shape
    torch.Size([3, 16, 16])
    """
    check_whole("size", size)
    side = min(image.shape[1:])
    top, left = ((length - side) // 2 for length in image.shape[1:])
    square = image[:, top : top + side, left : left + side]
    if side == size:
        return square.contiguous()
    scaled = F.interpolate(square[None], size=size, mode="bilinear", antialias=True)
    return scaled[0].clamp(0, 1)
