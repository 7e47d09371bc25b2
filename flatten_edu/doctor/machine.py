"""The machine: its Python, memory, disk, and whether files can be written where they must be."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .finding import Finding

OLDEST = (3, 11)
MB, GB = 10**6, 10**9
# The least with which a chapter runs, and that with which nothing is ever short.
MEMORY, DISK = (800 * MB, 2 * GB), (500 * MB, 2 * GB)


def python() -> Finding:
    """The interpreter's version, and whether it is 64 bits wide, as torch needs."""
    version = ".".join(map(str, sys.version_info[:3]))
    says = f"{version}, {sys.executable}"
    if sys.version_info < OLDEST:
        do = "install Python 3.11 or newer, and make the environment again with it: make clean lab"
        return Finding("Python", "wrong", says, do)
    if sys.maxsize < 2**32:
        return Finding("Python", "wrong", f"{says}, 32 bits", "install the 64-bit Python")
    return Finding("Python", "ok", says)


def shadows() -> Iterator[Finding]:
    """Files in this folder that Python would import in the place of a package."""
    names = ("torch", "einops", "numpy", "matplotlib", "random", "types", "code", "token", "json")
    for name in names:
        for path in (Path(f"{name}.py"), Path(name, "__init__.py")):
            if path.is_file():
                says = f"{path.absolute()} hides the package {name}"
                do = f"rename it: whatever imports {name} here gets this file"
                yield Finding("this folder", "wrong", says, do)


def memory() -> Finding:
    """The memory that is free for programs, within the limit of a container."""
    free = free_memory()
    if free is None:
        return Finding("memory", "note", "the free memory cannot be found out on this system")
    do = "close other programs and notebooks (in JupyterLab: Kernel, Shut Down All Kernels)"
    return by_size("memory", free, MEMORY, "free", do)


def free_memory() -> int | None:
    """Bytes, or None where nobody says."""
    found = []
    try:
        import psutil  # comes with ipykernel

        found.append(psutil.virtual_memory().available)
    except Exception:
        if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
            found.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    try:
        group = Path("/sys/fs/cgroup")
        limit, used = ((group / f"memory.{name}").read_text() for name in ("max", "current"))
        found.append(int(limit) - int(used))
    except (OSError, ValueError):
        pass
    return min(found, default=None)


def disk() -> Iterator[Finding]:
    """Room in the folder where results go, and in the one for temporary files."""
    seen: set[int] = set()
    do = "make room: delete old runs and downloads, or start in a folder on another disk"
    for name, place in places():
        try:
            device, free = os.stat(place).st_dev, shutil.disk_usage(place).free
        except OSError as error:
            yield Finding("disk", "note", f"the room in {place} cannot be found out ({error})")
            continue
        if device not in seen:
            seen.add(device)
            yield by_size("disk", free, DISK, f"free for {name}", do)


def places() -> list[tuple[str, Path]]:
    """Where files are written whatever one does."""
    try:
        return [("this folder", Path.cwd()), ("temporary files", Path(tempfile.gettempdir()))]
    except OSError:  # no folder for temporary files can be written to, and this one neither
        return [("this folder", Path.cwd())]


def by_size(about: str, free: int, needed: tuple[int, int], words: str, do: str) -> Finding:
    """A finding on something of which there can be too little."""
    least, plenty = needed
    amount = f"{free / GB:.1f} GB" if free >= GB else f"{free / MB:.0f} MB"
    if free < least:
        return Finding(about, "wrong", f"{amount} {words}; {least / MB:.0f} MB are needed", do)
    if free < plenty:
        return Finding(about, "note", f"{amount} {words}; that is enough, and not by much", do)
    return Finding(about, "ok", f"{amount} {words}")


def writing() -> Iterator[Finding]:
    """Whether a file can be written in this folder, and where notebooks need it."""
    own = "cd to a folder of your own and start there; copy the notebooks to it"
    moved = f"set {{0}} to a folder that you may write to, such as {Path.cwd() / '.state'}"
    advice = dict.fromkeys((name for name, _ in places()), own) | {
        name: moved.format(variable) for variable, (name, _) in homes().items()
    }
    fine = []
    for name, place in [*places(), *homes().values()]:
        refused = why_not_writable(place)
        if refused:
            says = f"no file can be written to {place} ({name}): {refused}"
            yield Finding("write access", "wrong", says, advice[name])
        else:
            fine.append(name)
    if fine:
        yield Finding("write access", "ok", "to " + ", ".join(fine))


def homes() -> dict[str, tuple[str, Path]]:
    """Folders in the home that JupyterLab and its kernels write to, by what moves them."""
    try:
        from jupyter_core.paths import jupyter_config_dir, jupyter_runtime_dir

        return {
            "JUPYTER_RUNTIME_DIR": ("connections of notebooks", Path(jupyter_runtime_dir())),
            "JUPYTER_CONFIG_DIR": ("settings of JupyterLab", Path(jupyter_config_dir())),
        }
    except Exception:  # without JupyterLab, which is a finding of its own
        return {}


def why_not_writable(place: Path) -> str:
    """The reason why no file can be made there, or "". What is made is taken away again."""
    try:
        place = nearest(place)
        with tempfile.TemporaryFile(dir=place, prefix=".doctor-") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror or str(error)
    return ""


def nearest(place: Path) -> Path:
    """The folder, or the nearest one above it that is there: it would be made in that one."""
    try:
        place.stat()
        return place
    except FileNotFoundError:
        return nearest(place.parent)
