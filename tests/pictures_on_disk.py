"""A folder of small pictures for tests: two classes, every kind of file, three of them broken."""

import random
from pathlib import Path

from PIL import Image

BROKEN = ("cats/077.jpg", "dogs/020.png", "dogs/130.jpg")


def write_pictures(root: Path, count: int = 200) -> Path:
    """Cats are reddish, dogs bluish; every fifth is grey (cats light, dogs dark) or transparent."""
    draw = random.Random(0)
    for number in range(count):
        name, light = ("cats", 200) if number % 2 else ("dogs", 40)
        colour = (200, 40, light) if number % 2 else (40, 60, 200)
        size = draw.randint(20, 48), draw.randint(20, 48)
        mode = {1: "L", 2: "L", 5: "RGBA"}.get(number % 10, "RGB")
        shade = {"L": light, "RGBA": (*colour, 200)}.get(mode, colour)
        ending = "png" if mode == "RGBA" or number % 4 == 0 else "jpg"
        path = root / name / f"{number:03d}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size, shade).save(path)
        if f"{name}/{path.name}" in BROKEN:
            content = path.read_bytes()
            path.write_bytes(b"no picture" if number == 130 else content[: len(content) // 2])
    return root
