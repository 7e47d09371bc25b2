"""A smoke test of each part, in a process of its own: `python -m flatten_edu.doctor.parts NAME ...`

It writes a line of JSON before and after each part, so that its parent knows where it ended. Each
part is imported by its own test: what is broken is told by name.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def torch() -> str:
    """A product of matrices."""
    import torch

    product = torch.ones(8, 8) @ torch.ones(8, 8)
    assert product.sum() == 512, f"a product of matrices is wrong: {product.sum()}"
    return f"{torch.__version__}, {torch.get_num_threads()} threads"


def device() -> str:
    """The GPU, if there is one, with a sum on it."""
    import torch

    if torch.cuda.is_available():
        assert torch.ones(4, device="cuda").sum().item() == 4
        return f"{torch.cuda.get_device_name()}, and the CPU"
    return "the CPU; no GPU was found, and the course needs none"


def einops() -> str:
    """A pattern."""
    import torch
    from einops import rearrange

    assert rearrange(torch.zeros(2, 6), "b (h d) -> b h d", h=3).shape == (2, 3, 2)
    return "patterns change shapes"


def attention() -> str:
    """The brackets move: (Q K) V is Q (K V)."""
    import torch

    import flatten_edu as fe

    q, k, v = torch.rand(3, 1, 2, 16, 8, dtype=torch.float64)
    for name, mix in (
        ("linear", fe.attention.linear_attention),
        ("focused", fe.attention.focused_attention),
    ):
        gap = (fe.analysis.attention_map(q, k, name) @ v - mix(q, k, v)).abs().max()
        assert gap < 1e-9, f"{name} attention and its map differ by {gap:.1e}"
    return "maps and outputs agree"


def networks() -> str:
    """A small network of each family."""
    import torch

    import flatten_edu as fe

    for name in ("deit_nano", "pvt_tiny", "pvt_v2_b0", "swin_tiny", "cswin_tiny"):
        size = {} if name == "deit_nano" else {"depths": (1, 1, 1, 1)}
        model = fe.create_model(name, num_classes=3, in_chans=1, img_size=32, **size).eval()
        with torch.no_grad():
            assert model(torch.zeros(1, 1, 32, 32)).isfinite().all(), f"{name} gives nan"
    return "five families answer"


def pictures() -> str:
    """A picture under two values of its slider."""
    import flatten_edu as fe

    frames = fe.explore(fe.plots.figure4, p=[1, 3]).sweep()
    assert frames[0].png != frames[1].png, "the picture does not move"
    return f"drawn, {frames[0].width} x {frames[0].height} pixels"


def sliders() -> str:
    """The widget that stands behind a slider."""
    from flatten_edu import plots
    from flatten_edu._frames import Frames
    from flatten_edu._live import Live
    from flatten_edu._sliders import sliders_for

    sliders = sliders_for(plots.figure4, {"p": [1, 3]})
    live = Live(Frames(plots.figure4, sliders))
    live.positions = [1]
    assert not live.errors, f"a slider fails: {live.errors}"
    return "they move in Python"


def data() -> str:
    """Digits and a photo."""
    from flatten_edu.data import load_data, photo

    count = len(load_data("digits").train)
    assert photo("astronaut", size=32).shape == (3, 32, 32)
    return f"{count:,} digits to learn from, and photos; no network is needed"


def training() -> str:
    """One epoch of a small network, weights written and read."""
    from flatten_edu.training import load_trained, train

    with tempfile.TemporaryDirectory() as folder:
        size: dict[str, Any] = {"patch_size": 4, "depth": 1, "width": 24}
        result = train("deit_nano", "digits", epochs=1, output=Path(folder, "run"), **size)
        model, _ = load_trained(Path(folder, "run", "last.safetensors"))
    here, there = (sum(p.sum().item() for p in m.parameters()) for m in (result.model, model))
    assert abs(here - there) < 1e-4, "weights that were read differ from those written"
    return "an epoch learned, weights written and read"


def exercises() -> str:
    """A right answer passes and a wrong one is found."""
    import flatten_edu as fe

    assert fe.coursework.check.focus(fe.attention.focus).passed, "a right answer does not pass"
    wrong = fe.coursework.check.focus(lambda x, p: x**p)
    assert not wrong.passed, "a wrong answer passes"
    return "right answers pass, wrong ones do not"


PARTS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (torch, device, einops, attention, networks, pictures, sliders, data, training,
                 exercises)
}  # fmt: skip


def main(names: list[str]) -> None:
    """Test these parts, and write what came of each where the parent reads."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no line of ours
    sys.stdout = io.StringIO()
    for name in names:
        lines.write(json.dumps({"begins": name}) + "\n")
        lines.flush()
        start = time.monotonic()
        try:
            result = {"says": PARTS[name]()}
        except BaseException as error:
            told = " ".join(str(error).split()) or "no reason given"
            result = {"fails": f"{type(error).__name__}: {told}"[:600]}
        result |= {"seconds": round(time.monotonic() - start, 1)}
        lines.write(json.dumps(result) + "\n")
        lines.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
