"""The frames of a saved page: laid over the start frame they give the picture as it was drawn."""

import io

import numpy as np
from PIL import Image

import flatten_edu as fe
from flatten_edu import plots
from flatten_edu._frames import png, render


def over(below, frame):
    """What a browser shows: the frame's PNG over the one below."""
    picture = Image.open(io.BytesIO(below)).convert("RGBA")
    picture.alpha_composite(Image.open(io.BytesIO(frame)).convert("RGBA"))
    return np.asarray(picture.convert("RGB")).astype(int)


def test_frames_over_the_start_look_as_drawn_and_are_half_as_large(monkeypatch):
    monkeypatch.setenv("FLATTEN_EDU_FRAMES", "1")
    powers = [1, 3, 8, 32]
    explorer = fe.explore(plots.figure4, p=powers)
    start, *others = sorted(explorer.sweep(), key=lambda frame: "p = 3:" not in frame.alt)
    whole = 0
    for p, frame in zip([1, 8, 32], others, strict=True):
        drawn = render(plots.figure4(p), "figure4")
        off = np.abs(over(start.png, frame.png) - drawn).max(axis=-1)
        assert (off > 40).mean() < 0.002
        whole += len(png(drawn, 128))
    assert sum(len(frame.png) for frame in others) < 0.6 * whole


def test_a_live_frame_is_whole(monkeypatch):
    monkeypatch.delenv("FLATTEN_EDU_FRAMES", raising=False)
    for frame in fe.explore(plots.figure4, p=[1, 3]).sweep():
        assert Image.open(io.BytesIO(frame.png)).mode == "RGB"


def test_a_frame_that_equals_the_start_or_has_another_size_is_shown_right():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8) // 64 * 64
    assert np.array_equal(over(png(pixels, 64), png(pixels, 64, under=pixels)), pixels)
    larger = pixels.repeat(2, axis=0)
    shown = np.asarray(Image.open(io.BytesIO(png(larger, 64, under=pixels))).convert("RGB"))
    assert np.array_equal(shown, larger)
