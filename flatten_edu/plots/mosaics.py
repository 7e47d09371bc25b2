"""The task with textures: mosaics of three materials, and the label that each patch should get."""

from einops import rearrange
from matplotlib.colors import ListedColormap

from ..data import Data
from .style import GREY, RULE, Card, frame

_TONES = ("#D9D9D9", "#8C8C8C", "#262626")
_PANEL, _PITCH = 1.7, 1.95


def mosaics(data: Data, count: int = 4) -> Card:
    """A few test mosaics above the labels of their patches.

    Args:
        data: of the task "textures".
        count: how many, 1 to 4.
    """
    images, labels = data.test.__getitems__(range(count))
    side = round(labels.shape[1] ** 0.5)
    boards = rearrange(labels, "b (y x) -> b y x", y=side)
    card = Card(
        f"Which of three materials does each of {side * side} patches show?",
        f"Test mosaics of {images.shape[-1]} × {images.shape[-1]} pixels, and what is asked for",
        4.9,
    )
    low, high = images.quantile(0.01).item(), images.quantile(0.99).item()
    for place in range(count):
        x = 0.2 + _PITCH * place
        axes = card.place(x, 2.45, _PANEL, _PANEL)
        axes.imshow(images[place, 0].numpy(), cmap="gray", vmin=low, vmax=high)
        frame(axes, RULE, 0.8)
        axes = card.place(x, 0.6, _PANEL, _PANEL)
        axes.imshow(boards[place].numpy(), cmap=ListedColormap(_TONES), vmin=0, vmax=2)
        frame(axes, RULE, 0.8)
    for place, (tone, name) in enumerate(zip(_TONES, data.classes, strict=True)):
        card.box(0.2 + 1.3 * place, 0.2, 0.2, 0.2, facecolor=tone, edgecolor=RULE)
        card.write(0.5 + 1.3 * place, 0.3, name, size=10.5, color=GREY)
    shares = [100 * float((labels == number).double().mean()) for number in range(3)]
    named = zip(data.classes, shares, strict=True)
    card.alt = (
        f"{count} mosaics with wavy borders, and below each the material of its patches; "
        + ", ".join(f"{name} {share:.0f} %" for name, share in named)
        + "."
    )
    return card
