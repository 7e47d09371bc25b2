"""What trained networks answer: a photo's colours, found again from 16 patches that kept them."""

from functools import cache

import torch
from einops import rearrange
from torch import Tensor

from .. import trained
from ..data import photo
from ..tasks.colours import CLASSES, GRID, SIZE, hue_axes, with_luma, with_rgb
from .arguments import asks, one_of, whole
from .photo import LEFT, PANEL, PITCH, show_photo
from .photo_layers import lost_colours
from .style import COLOURS, SHADES, Card, frame, percent

ARMS = {"softmax": "softmax", "linear": "linear", "focused": "focused+dwc"}


@asks(arm=one_of(*ARMS.values(), "nearest"), seed=whole(0))
@cache
def found_colours(arm: str, seed: int = 0) -> Tensor:
    """The colour that a network, or the nearest coloured patch, gives to each of the 196 patches.

    Args:
        arm: one of `trained.ARMS`, or "nearest" for what the nearest coloured patch has.
        seed: of the choice of the patches that keep their colour.

    Returns:
        numbers of `CLASSES`, 196; patches that kept their colour are not asked, and have it.
    """
    seen, colours, known = lost_colours(seed=seed)
    if arm == "nearest":
        axes = [torch.arange(side, dtype=torch.float64) for side in GRID]
        places = torch.cartesian_prod(*axes)
        away = torch.cdist(places, places).masked_fill(~known, torch.inf)
        return colours[away.argmin(dim=1)]
    with torch.no_grad():
        found = trained.load(arm)(seen)[0].argmax(dim=-1)
    return torch.where(known, colours, found)


@asks(arm=one_of(*ARMS.values(), "nearest"), seed=whole(0))
def found_share(arm: str, seed: int = 0) -> float:
    """The share of the 180 grey patches of the photo that get their colour back."""
    _, colours, known = lost_colours(seed=seed)
    return float((found_colours(arm, seed) == colours)[~known].double().mean())


@asks(seed=whole(0))
def recoloured(seed: int = 0) -> Card:
    """What the networks get and what they answer, as photos.

    Args:
        seed: of the choice of the patches that keep their colour.
    """
    seen, colours, known = lost_colours(seed=seed)
    share = {m: found_share(arm, seed) for m, arm in ARMS.items()}
    nearest = found_share("nearest", seed)
    best = max(share, key=lambda m: share[m])
    card = Card(
        f"Lost colours found: {best} {percent(share[best])}, the nearest dot {percent(nearest)}",
        "A photo that was in no training; 16 of 196 patches keep their colour, the rest is asked; "
        f"draw {seed}",
        height=3.3,
    )
    panels = [("what it gets", None, with_rgb(seen)[0])]
    panels += [(m, m, painted(found_colours(arm, seed))) for m, arm in ARMS.items()]
    panels += [("the right answer", None, painted(colours))]
    for i, (name, m, image) in enumerate(panels):
        axes = card.place(LEFT + PITCH * i, 0.82, PANEL, PANEL)
        show_photo(axes, image)
        shade = SHADES[m] if m else SHADES["query"]
        card.write(LEFT + PITCH * i, 2.35, name, 10.5, weight="bold", color=shade)
        if m:
            frame(axes, COLOURS[m])
            card.write(LEFT + PITCH * i, 0.64, f"{percent(share[m])} right", 10.5)
    card.write(LEFT, 0.64, f"{int(known.sum())} in colour", 10.5)
    card.write(LEFT, 0.28, "Painted with one tone for each answer: " + ", ".join(CLASSES), 9.5)
    words = ", ".join(f"{m} {percent(s)}" for m, s in share.items())
    card.alt = (
        "A grey photo of an astronaut with 16 patches in colour, then painted with the answers of "
        f"three networks, then with the right ones. Right of 180: {words}, the nearest coloured "
        f"patch {percent(nearest)}."
    )
    return card


def painted(colours: Tensor) -> Tensor:
    """The photo with one tone a patch for its colour: 196 -> 3 y x."""
    board = rearrange(0.22 * hue_axes()[colours], "(y x) c -> 1 c y x", y=GRID[0])
    side = SIZE // GRID[0]
    board = board.repeat_interleave(side, 2).repeat_interleave(side, 3)
    luma = with_luma(photo("astronaut", size=SIZE)[None])[:, :1]
    return with_rgb(torch.cat([luma, board, torch.ones_like(luma)], dim=1))[0]
