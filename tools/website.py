"""Build the executed course as a static site that needs no network and no kernel.

    python -m tools.website [FOLDER]     into FOLDER (site/ without one)

Pages are the notebooks as they are saved, with the sliders in them, and the project's Markdown. The
mathematics is drawn by MathJax, which is copied into the site from the package that ships it. Needs
the extra `site`; `make site` installs it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from nbformat import NotebookNode, write

from tools.notebooks import ROOT, read

MATHJAX = "django-static-mathjax"  # on PyPI: MathJax 3 as plain files, no Django needed
LOOK = ROOT / "tools" / "site"
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")


def build(target: Path) -> None:
    """Write the site into this folder."""
    from mkdocs.commands.build import build as mkdocs_build
    from mkdocs.config import load_config

    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder) / "pages"
        gather(pages)
        config = load_config(
            str(LOOK / "mkdocs.yml"),
            docs_dir=str(pages),
            site_dir=str(target.resolve()),
            nav=navigation(pages),
        )
        config.plugins.on_startup(command="build", dirty=False)
        mkdocs_build(config)
        config.plugins.on_shutdown()


def gather(pages: Path) -> None:
    """Copy everything that becomes a page or stands on one."""
    for source, name in texts().items():
        text = (ROOT / source).read_text(encoding="utf-8")
        target = pages / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(folded(linked(text, source)), encoding="utf-8")
        for picture in PICTURE.findall(text):
            place = target.parent / picture
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy((ROOT / source).parent / picture, place)
    (pages / "notebooks").mkdir()
    for path in chapters():
        write(chapter(path), pages / "notebooks" / path.name)
    (pages / "assets").mkdir()
    for path in LOOK.glob("*.[cj]s*"):
        shutil.copy(path, pages / "assets" / path.name)
    shutil.copy(mathjax(), pages / "assets" / "mathjax.js")


def texts() -> dict[str, str]:
    """The Markdown that becomes pages, and the pages' names."""
    guides = {f"docs/{path.name}": f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    return {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", **guides}


def linked(text: str, source: str) -> str:
    """Markdown whose links to files that are no pages of the site have become plain words."""
    home = (ROOT / source).parent

    def keep(match: re.Match) -> str:
        words, address = match.groups()
        if re.match(r"[a-z]+:|#", address):
            return match[0]
        name = (home / address.partition("#")[0]).resolve().relative_to(ROOT).as_posix()
        there = name in texts() or (name.endswith(".ipynb") and name.count("/") == 1)
        return match[0] if there else words

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", keep, text)


def chapter(path: Path) -> NotebookNode:
    """A notebook whose links lead to pages of the site; mkdocs renames those of Markdown alone."""
    notebook = read(path)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = linked(cell.source, path.relative_to(ROOT).as_posix())
            cell.source = re.sub(r"(\]\((?![a-z]+:)[^)\s]+)\.(ipynb|md)\b", r"\1.html", text)
    return notebook


def folded(text: str) -> str:
    """The same, with Markdown read as such in what a reader unfolds."""
    return text.replace("<details>", '<details markdown="1">')


def chapters() -> list[Path]:
    """The course's notebooks, in order."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def navigation(pages: Path) -> list[dict]:
    """What stands in the menu: the chapters by their own titles, then the other pages."""
    course = [{title(path): f"notebooks/{path.name}"} for path in chapters()]
    names = sorted(name for name in texts().values() if name != "index.md")
    more = [
        {(pages / name).read_text("utf-8").splitlines()[0].lstrip("# "): name} for name in names
    ]
    return [{"Home": "index.md"}, {"The course": course}, {"More": more}]


def title(path: Path) -> str:
    """A notebook's first heading."""
    return read(path).cells[0].source.splitlines()[0].lstrip("# ")


def mathjax() -> Path:
    """The one file of MathJax that draws TeX as pictures, without fonts to load."""
    try:
        parts = files(MATHJAX) or []
    except PackageNotFoundError:
        raise SystemExit('the site needs its extra: pip install -e ".[site]"') from None
    (found,) = (part for part in parts if part.name == "tex-svg.js" and "es5" in part.parts)
    return Path(str(found.locate()))


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Build the course as a static site.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "site")
    build(parser.parse_args(arguments).folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
