"""The rooms of the package and who imports whom, read from the code, and their picture."""

import ast
from pathlib import Path

import flatten_edu

PACKAGE = Path(flatten_edu.__file__).parent

# Single files that belong together count as one room.
ROOM_OF = {
    "checkpoint_files": "checkpoints",
    "checkpoint_names": "checkpoints",
    "explorer": "explore",
    "_card": "explore",
    "_frames": "explore",
    "_live": "explore",
    "_sliders": "explore",
    "_small": "explore",
    "__main__": "commands",
}


def room_of(module: str) -> str:
    """The room that a module such as "plots.style" stands in."""
    first = module.partition(".")[0]
    return ROOM_OF.get(first, first)


def imports(path: Path, package: Path = PACKAGE) -> set[str]:
    """The modules of the package that a file imports, also within functions, without its own."""
    place = path.relative_to(package).with_suffix("").parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = place[: len(place) - node.level]
            if node.module:
                found.add(".".join([*base, node.module]))
            else:
                found |= {".".join([*base, alias.name]) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flatten_edu."):
            found.add(node.module.partition(".")[2])
    return found


def graph(package: Path = PACKAGE) -> dict[str, set[str]]:
    """For each room the rooms that it imports."""
    rooms: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package).with_suffix("").parts
        if place == ("__init__",):
            continue
        room = room_of(place[0])
        used = {room_of(module) for module in imports(path, package) if module}
        rooms.setdefault(room, set()).update(used - {room})
    return rooms


def reduced(rooms: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same without arrows that others imply: a room's own arrows lead to what it builds on."""

    def below(room: str) -> set[str]:
        direct = rooms.get(room, set())
        return direct | {far for near in direct for far in below(near)}

    return {
        room: {to for to in used if not any(to in below(other) for other in used - {to})}
        for room, used in rooms.items()
    }


def floors(rooms: dict[str, set[str]]) -> dict[str, int]:
    """How high a room stands: one above the highest that it imports. Fails on a circle."""
    heights: dict[str, int] = {}

    def height(room: str, above: tuple[str, ...] = ()) -> int:
        if room in above:
            raise ValueError(f"a circle of imports: {' <- '.join([*above, room])}")
        if room not in heights:
            used = rooms.get(room, set())
            heights[room] = 1 + max((height(to, (*above, room)) for to in used), default=-1)
        return heights[room]

    for room in rooms:
        height(room)
    return heights


def picture():
    """The rooms as boxes, floor over floor, each with arrows to what it builds on."""
    from flatten_edu.plots.style import INK, RULE, Card

    rooms = {room: used - {"__version__"} for room, used in graph().items()}
    heights, arrows = floors(rooms), reduced(rooms)
    top = max(heights.values())
    told = "an arrow leads to what a room builds on; what other arrows imply is left out"
    card = Card("The rooms of flatten_edu", told, height=1.2 + 0.62 * top)
    places = {}
    for floor in range(top + 1):
        row = sorted(room for room in heights if heights[room] == floor)
        for number, room in enumerate(row):
            places[room] = (8 * (number + 0.5 + 0.12 * (floor % 2)) / len(row), 0.3 + 0.62 * floor)
    places = {room: (min(max(x, 0.65), 7.35), y) for room, (x, y) in places.items()}
    axes = card.place(0, 0, 8, 1.2 + 0.62 * top)
    axes.set_axis_off()
    axes.set(xlim=(0, 8), ylim=(0, 1.2 + 0.62 * top))
    for room, used in arrows.items():
        for to in used:
            (x, y), (to_x, to_y) = places[room], places[to]
            style = {"arrowstyle": "-|>", "color": RULE, "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (to_x, to_y + 0.13), (x, y - 0.13), arrowprops=style)
    for room, (x, y) in places.items():
        box = {"boxstyle": "round,pad=0.35", "fc": "white", "ec": INK, "lw": 1}
        axes.text(x, y, room, ha="center", va="center", fontsize=9, color=INK, bbox=box)
    told = "; ".join(f"{room} builds on {', '.join(sorted(arrows[room]))}" for room in arrows
                     if arrows[room])  # fmt: skip
    card.alt = f"Boxes for {len(rooms)} rooms in {top + 1} floors: {told}."
    return card
