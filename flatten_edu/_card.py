"""The white card that `explore` shows, and the saved pages that hold its frames, as HTML."""

from __future__ import annotations

import hashlib
import html
import itertools
import json
import math
from importlib.resources import files

from ._frames import Frame, Frames
from ._sliders import Slider

# A saved page holds no more frames than this: a notebook stays small enough to look at and to send.
FRAME_LIMIT = 24

STILL = "A still picture: run the cell, or trust the notebook, and the sliders appear."


def script() -> str:
    """The code of the sliders, the same in a live notebook and in a saved page."""
    return files("flatten_edu").joinpath("explore.js").read_text(encoding="utf-8")


def card(frame: Frame, hint: str = STILL, note: str = "", identity: str = "live") -> str:
    """The start frame as a figure; it stands as it is where no script runs."""
    style = files("flatten_edu").joinpath("explore.css").read_text(encoding="utf-8")
    return (
        f"<style>\n{style}</style>\n"
        f'<figure class="explore" data-explore="{identity}" style="margin: 4px 0">\n'
        f'<div class="explore-sliders">{_paragraph(hint)}</div>\n'
        f'<img src="{frame.source}" alt="{html.escape(frame.alt)}"'
        f' width="{frame.width}" height="{frame.height}">\n'
        f'<figcaption aria-hidden="true">{html.escape(frame.caption)}</figcaption>\n'
        f"{_paragraph(note)}</figure>"
    )


def _paragraph(words: str) -> str:
    return f'<p class="explore-note">{html.escape(words)}</p>' if words else ""


def page(frames: Frames) -> str:
    """The card with its frames inside: it moves without a kernel and without a network."""
    first = frames.draw(frames.start)
    if not frames.sliders:
        return card(first.small(), hint="")
    kept, alone = held(frames.sliders)
    start = [k.index(slider.start) for k, slider in zip(kept, frames.sliders, strict=True)]
    sent = {}
    for at in itertools.product(*(range(len(k)) for k in kept)):
        moved = sum(i != j for i, j in zip(at, start, strict=True))
        if moved == 1 or (moved and not alone):  # the start frame is in the card
            original = tuple(k[i] for k, i in zip(kept, at, strict=True))
            sent[",".join(map(str, at))] = frames.draw(original).small(first).message()
    sliders = names_and_labels(frames.sliders, kept)
    data = json.dumps({"sliders": sliders, "start": start, "frames": sent})
    data = data.replace("<", "\\u003c")  # no word in it may end the script
    identity = hashlib.sha256(first.png + data.encode()).hexdigest()[:12]
    return (
        f"{card(first.small(), STILL, _note(frames.sliders, kept, alone), identity)}\n"
        f'<script>(() => {{\n{script()}\nshowSaved("{identity}", {data});\n}})();</script>'
    )


def names_and_labels(sliders: list[Slider], kept: list[list[int]] | None = None) -> list[dict]:
    """What the inputs say: the name and the value in words at each position."""
    kept = kept or [list(range(len(slider.values))) for slider in sliders]
    return [
        {"name": slider.name.replace("_", " "), "labels": [slider.labels[i] for i in k]}
        for slider, k in zip(sliders, kept, strict=True)
    ]


def held(sliders: list[Slider], limit: int = FRAME_LIMIT) -> tuple[list[list[int]], bool]:
    """Which positions of each slider a saved page holds, and whether one slider moves alone.

    All combinations where they are no more than the limit. Else each slider moves alone, the others
    at their start; and where that is still too much, over evenly chosen positions.
    """
    kept = [list(range(len(slider.values))) for slider in sliders]
    alone = math.prod(map(len, kept)) > limit and len(sliders) > 1
    if sum(map(len, kept)) > limit:
        share = max(2, limit // len(sliders))
        kept = [_thin(slider, share) for slider in sliders]
    return kept, alone


def _thin(slider: Slider, count: int) -> list[int]:
    last = len(slider.values) - 1
    if last < count:
        return list(range(last + 1))
    even = {round(i * last / (count - 2)) for i in range(count - 1)} if count > 2 else {last}
    return sorted(even | {slider.start})


def _note(sliders: list[Slider], kept: list[list[int]], alone: bool) -> str:
    """What the saved page leaves out, in a sentence."""
    parts = [
        f"{len(k)} of {len(slider.values)} values of {slider.name}"
        for slider, k in zip(sliders, kept, strict=True)
        if len(k) < len(slider.values)
    ]
    says = [f"it holds {' and '.join(parts)}"] if parts else []
    says += ["one slider moves at a time"] if alone else []
    return (
        f"This is a saved page: {', and '.join(says)}. Run the cell for the rest." if says else ""
    )
