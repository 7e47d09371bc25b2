"""Draw the pictures that stand in README and docs/: python -m tools.pictures"""

from pathlib import Path

from flatten_edu import plots
from tools import rooms

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"

if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, figure in {"figure4": plots.figure4(3), "rooms": rooms.picture()}.items():
        figure.savefig(FOLDER / f"{name}.png", dpi=100, metadata={"Software": None})
        print(f"docs/pictures/{name}.png: {figure.alt}")
