"""The packages: whether all that the course asks for are here, in versions that it was tested with.

They are looked up, not imported.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, version
from importlib.util import find_spec
from pathlib import Path

from .finding import Finding

# The names under which packages are imported, where those are others.
MODULES = {"pillow": "PIL", "scikit-image": "skimage", "scikit-learn": "sklearn"}
# The extras that the course needs.
EXTRAS = ("lab", "train")
# These have findings of their own.
ELSEWHERE = ("torch", "jupyterlab", "anywidget", "ipywidgets")


def packages() -> Iterator[Finding]:
    """One finding for all that is missing, one for versions out of range, or that all is well."""
    wanted = {name: limits for name, limits in requirements().items() if name not in ELSEWHERE}
    missing = [name for name in wanted if not is_there(name)]
    strange = [name for name in wanted if name not in missing and not in_range(name, wanted[name])]
    if missing:
        yield Finding("packages", "wrong", "missing: " + ", ".join(missing), remedy())
    if strange:
        told = ", ".join(f"{name} {installed(name)} (tested: {wanted[name]})" for name in strange)
        yield Finding("packages", "note", f"other versions than tested: {told}", remedy())
    if not wanted:
        says = "flatten_edu runs from its folder and is not installed, so versions are not compared"
        yield Finding("packages", "note", says, remedy())
    elif not missing and not strange:
        yield Finding("packages", "ok", f"all {len(wanted)} are here, in tested versions")


def requirements() -> dict[str, str]:
    """The range of versions of each package that the core, the lab and training ask for."""
    try:
        lines = metadata("flatten-edu").get_all("Requires-Dist") or []
    except PackageNotFoundError:
        return {}
    found = {}
    for line in lines:
        asked, _, condition = line.replace("'", '"').partition(";")
        if "extra" not in condition or any(f'"{extra}"' in condition for extra in EXTRAS):
            name, limits = re.match(r"\s*([\w.-]+)\s*\(?([^)]*)", asked).groups()  # pyright: ignore
            found[name.lower()] = limits.strip()
    return found


def is_there(name: str) -> bool:
    """Whether a package can be found, without importing it."""
    try:
        return find_spec(MODULES.get(name, name)) is not None
    except (ImportError, ValueError):
        return False


def installed(name: str) -> str:
    """Its version, or "of unknown version"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "of unknown version"


def in_range(name: str, limits: str) -> bool:
    """Whether the version that is here is one of those asked for; True where nobody can say."""
    try:
        from packaging.specifiers import SpecifierSet

        return SpecifierSet(limits).contains(version(name), prereleases=True)
    except Exception:
        return True


def remedy(extras: str = "lab,train") -> str:
    """The command that installs what is missing, for the interpreter that runs this."""
    root, python = Path(__file__).parents[2], f'"{sys.executable}" -m pip install'
    if (root / "constraints.txt").is_file() and (root / "pyproject.toml").is_file():
        there = "" if root == Path.cwd() else f" (in the folder {root})"
        return f'{python} -c constraints.txt -e ".[{extras}]"{there}'
    return f'{python} "flatten-edu[{extras}]"'
