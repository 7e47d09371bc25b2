"""The ledger of claims: which cell of the course computes or cites each statement of the paper.

    python -m tools.ledger            write the ledger into README.md
    python -m tools.ledger --check    complain if a claim lost its cell, its assert or its number

The claims stand in notebooks/claims.json. A cell takes one on by its tag `claim:ID`,
and must assert. What the ledger gives as "ours" is read from that cell's printed output.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from tools.notebooks import ROOT, read

FOLDER = ROOT / "notebooks"
README = ROOT / "README.md"
START, END = "<!-- ledger: make ledger -->", "<!-- end of the ledger -->"
VERDICTS = ("reproduced", "holds in small", "not supported", "cited")


@dataclass(frozen=True)
class Claim:
    """A statement of the paper.

    Attributes:
        id: what stands after `claim:` in a tag.
        where, says: its place in the paper, and what it states.
        paper: the paper's number in words.
        finds: a pattern for the text that the cell prints.
        ours: what to say about it; {1} is the pattern's first group.
        verdict: one of `VERDICTS`.
    """

    id: str
    where: str
    says: str
    paper: str
    finds: str
    ours: str
    verdict: str


@dataclass(frozen=True)
class Cell:
    """A code cell that takes on claims."""

    path: Path
    number: int
    content: NotebookNode

    @property
    def claims(self) -> list[str]:
        """The ids in its tags."""
        tags = self.content.metadata.get("tags", [])
        return [tag.partition(":")[2] for tag in tags if tag.startswith("claim:")]

    @property
    def chapter(self) -> int:
        """The chapter's number."""
        return int(self.path.name.partition("_")[0])

    @property
    def text(self) -> str:
        """What it printed, and the values that it showed."""
        outputs = self.content.get("outputs", [])
        return "".join(
            output.get("text", "") + output.get("data", {}).get("text/plain", "")
            for output in outputs
        )

    @property
    def asserts(self) -> int:
        """How many of its statements assert something."""
        return sum(
            isinstance(node, ast.Assert) for node in ast.walk(ast.parse(self.content.source))
        )


def claims(folder: Path = FOLDER) -> list[Claim]:
    """The list of claims, in the paper's order."""
    rows = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    return [Claim(**row) for row in rows]


def tagged(folder: Path = FOLDER) -> Iterator[Cell]:
    """Every code cell of the course with a claim's tag, chapter by chapter."""
    for path in sorted(folder.glob("*.ipynb")):
        for number, cell in enumerate(read(path).cells, 1):
            found = Cell(path, number, cell)
            if cell.cell_type == "code" and found.claims:
                yield found


def ours(claim: Claim, cells: list[Cell]) -> str | None:
    """What the course found, read from the cells' outputs; None if no cell prints it."""
    for cell in cells:
        if found := re.search(claim.finds, cell.text):
            return claim.ours.format(found.group(0), *found.groups())
    return None


def complaints(folder: Path = FOLDER) -> Iterator[str]:
    """What is wrong between the claims and the cells, a line each."""
    cells, known = list(tagged(folder)), claims(folder)
    ids = [claim.id for claim in known]
    yield from (f"claim {name} is listed twice" for name in set(ids) if ids.count(name) > 1)
    for cell in cells:
        place = f"{cell.path.name}, cell {cell.number}"
        yield from (f"{place}: no claim {name} is listed" for name in set(cell.claims) - set(ids))
        if not cell.asserts:
            yield f"{place}: takes on {', '.join(cell.claims)} and asserts nothing"
    for claim in known:
        own = [cell for cell in cells if claim.id in cell.claims]
        if claim.verdict not in VERDICTS:
            yield f"claim {claim.id}: no verdict is called {claim.verdict!r}"
        if not own:
            yield f"claim {claim.id} has lost its cell"
        elif ours(claim, own) is None:
            yield f"claim {claim.id}: no cell prints {claim.finds!r}"


def table(folder: Path = FOLDER) -> str:
    """The ledger as a table in Markdown."""
    lines = ["| claim | | chapter | paper | ours | verdict |", "|---|---|---|---|---|---|"]
    cells = list(tagged(folder))
    for claim in claims(folder):
        own = [cell for cell in cells if claim.id in cell.claims]
        files = {cell.chapter: cell.path.name for cell in own}
        chapters = ", ".join(f"[{n}](notebooks/{name})" for n, name in sorted(files.items()))
        row = (claim.where, claim.says, chapters, claim.paper, ours(claim, own), claim.verdict)
        lines.append(f"| {' | '.join(map(str, row))} |")
    return "\n".join(lines)


def placed(text: str, ledger: str) -> str:
    """The text of a page with this ledger between the two marks."""
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"the page must hold the lines {START} and {END}")
    return f"{before}{START}\n\n{ledger}\n\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 where a claim is not kept."""
    parser = argparse.ArgumentParser(description="The ledger of the paper's claims.")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    found = list(complaints())
    if not found:
        old = README.read_text(encoding="utf-8")
        new = placed(old, table())
        if options.check and new != old:
            found = ["README.md shows an older ledger; run: make ledger"]
        elif new != old:
            README.write_text(new, encoding="utf-8")
    for complaint in found:
        print(complaint, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
