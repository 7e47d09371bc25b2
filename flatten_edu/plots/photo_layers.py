"""Inside trained networks: one patch of a photo, block by block and head by head.

The networks of `flatten_edu.trained` saw grey photos in which 16 patches keep their colour, and
learned to say which colour each other patch has lost. This photo was in no training.
"""

from functools import cache

from torch import Tensor

from .. import trained
from ..analysis import row_entropy
from ..calls import Call, calls
from ..data import list_photos, photo
from ..tasks.colours import HINTS, SIZE, hide, labelled, with_luma, with_rgb
from ..training.order import generator
from .arguments import asks, one_of, power, whole
from .maps import mark
from .photo import LEFT, PANEL, PITCH, bar, grey_photo, overlays, show_photo
from .photo_rows import NAMES, named, place_of
from .style import GREY, Card
from .tokens import GRID

ARM = {
    "softmax": "softmax",
    "linear": "linear",
    "focused": "focused+dwc",
    "equivalent": "focused+dwc",
}
THREE = ("softmax", "linear", "focused")


@asks(name=one_of(*list_photos()), seed=whole(0))
@cache
def lost_colours(name: str = "astronaut", seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """What the networks see of a photo, what they should answer, and which patches keep colour.

    Returns:
        the input 1 4 112 112; the colour of each patch, 196; True for the 16 that kept theirs.
    """
    images, labels = labelled(with_luma(photo(name, size=SIZE)[None]))
    seen, asked = hide(images, labels, generator(seed, name))
    return seen, labels[0], asked[0] < 0


@asks(arm=one_of(*trained.ARMS))
@cache
def photo_calls(arm: str) -> list[Call]:
    """The attention of the three blocks of a trained network while it looks at the photo."""
    return list(calls(trained.load(arm), lost_colours()[0]).values())


@asks(mechanism=one_of("softmax", "linear", "focused", "equivalent"), block=whole(1, 3), p=power)
@cache
def trained_map(mechanism: str, block: int, p: float = 3) -> Tensor:
    """The map of each head in a block, h 196 196; "equivalent" has one a channel, h 16 196 196.

    Args:
        mechanism: "softmax", "linear", "focused" or "equivalent".
        block: 1, 2 or 3.
        p: focusing power in this block alone; the network was trained with 3.
    """
    call = photo_calls(ARM[mechanism])[block - 1]
    if mechanism == "equivalent":
        return call.equivalent(p)[0]
    return call.map(p if mechanism == "focused" else None)[0]


@asks(block=whole(1, 3), head=whole(1, 3), p=power, channel=whole(1, 16))
def photo_layers(
    patch: str | tuple[int, int] = "suit",
    block: int = 1,
    head: int = 1,
    p: float = 3,
    channel: int = 1,
) -> Card:
    """A patch of the photo and its row in trained networks, under softmax, linear, focused, M_eq.

    Args:
        patch: "suit", "face", "helmet", "flag", "wall", or (row, column) on the grid of 14 x 14.
        block: 1 to 3, the first is next to the image.
        head: 1 to 3.
        p: focusing power in this block; the network was trained with 3.
        channel: of the head, 1 to 16: M_eq has one map a channel.
    """
    at = place_of(patch)
    n = at[0] * GRID[1] + at[1]
    rows = {m: trained_map(m, block, p)[head - 1] for m in NAMES}
    rows["equivalent"] = rows["equivalent"][channel - 1]
    rows = {m: map[n] for m, map in rows.items()}
    entropy = {m: float(row_entropy(rows[m][None])) for m in THREE}
    on = {m: float(rows[m][lost_colours()[2]].sum()) for m in THREE}
    shares = ", ".join(f"{100 * share:.0f} %" for share in on.values())
    card = Card(
        f"Block {block}, head {head}, {named(patch)}: on the dots {shares}",
        f"Three trained networks; each got the grey photo with {HINTS} patches in colour (dots);  "
        f"p = {p:g}",
        height=3.5,
    )
    seen, _, known = lost_colours()
    axes = card.place(LEFT, 1.02, PANEL, PANEL)
    show_photo(axes, with_rgb(seen)[0])
    card.write(LEFT, 2.55, "what it gets", 10.5, weight="bold")
    names = NAMES | {"focused": f"focused, p = {p:g}"}
    panels = overlays(card, rows, names, grey_photo(photo("astronaut", size=224)), at)
    for panel in (axes, *panels):
        mark(panel, at)
    for panel in panels:
        dots(panel, known)
    card.write(LEFT, 0.46, "weight, in even", 9.5, color=GREY)
    card.write(LEFT, 0.28, "shares of 1/196", 9.5, color=GREY)
    bar(card, LEFT + PITCH, 3 * PITCH + PANEL)
    card.alt = (
        f"A grey photo of an astronaut with {HINTS} patches in colour, and four maps over it for "
        f"{named(patch)} in row {at[0]}, column {at[1]}: block {block}, head {head}. Entropies: "
        + ", ".join(f"{m} {value:.2f}" for m, value in entropy.items())
        + ". Weight on the coloured patches: "
        + ", ".join(f"{m} {100 * share:.0f} %" for m, share in on.items())
        + "."
    )
    return card


def dots(axes, known: Tensor) -> None:
    """A dot on each patch that kept its colour."""
    for n in known.nonzero().flatten().tolist():
        y, x = divmod(n, GRID[1])
        axes.plot(x + 0.5, y + 0.5, "o", color="white", markersize=3.4, mec="black", mew=0.7)
