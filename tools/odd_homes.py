"""The unit tests in homes that nobody chose: another order, another place, nowhere to write.

    python -m tools.odd_homes [--workers 2] [HOMES] [-- WORDS FOR PYTEST]

    random      the tests in another order, whose seed is printed
    elsewhere   started from another folder
    wheel       the package as a wheel, the tests in `my café folder`, and no checkout beside them
    homeless    no HOME that exists or can be made, nor a folder for caches or settings
    readonly    a checkout in which nothing can be written

Each runs in a temporary folder with a copy of what git knows. With no name all of them run.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNITS = "not browser and not notebook and not slow and not long"
# What moves the places where libraries keep their files.
PLACES = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "MPLCONFIGDIR", "IPYTHONDIR",
          "HF_HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")  # fmt: skip


def copied(place: Path) -> Path:
    """What git knows of the checkout, as it stands now."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    return place


class Tests:
    """A call of pytest on the units.

    Args:
        workers: processes that share the tests.
        more: words for pytest that come last.
    """

    def __init__(self, workers: int, more: list[str]):
        self.words = ["-q", "-n", str(workers), "-p", "no:cacheprovider", "-m", UNITS, *more]

    def run(
        self,
        folder: Path,
        *words: str,
        python: str = sys.executable,
        before: tuple[str, ...] = (),
        **environment: str,
    ) -> int:
        """The exit code of the tests, started in a folder."""
        call = [*before, python, "-m", "pytest", *words, *self.words]
        without = {name: value for name, value in os.environ.items() if name not in PLACES}
        changed = without | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"} | environment
        print(f"{folder}$ {shlex.join(call)}", flush=True)
        return subprocess.run(call, cwd=folder, env=changed).returncode


def random_order(tests: Tests, scratch: Path) -> int:
    """Every test in an order of its own."""
    seed = random.randrange(10**6)
    return tests.run(copied(scratch), "--random-order", f"--random-order-seed={seed}",
                     PYTHONPATH=str(scratch))  # fmt: skip


def elsewhere(tests: Tests, scratch: Path) -> int:
    """Started from a folder that holds nothing of ours."""
    here = copied(scratch / "checkout")
    (scratch / "other").mkdir()
    places = [str(here / name) for name in ("tests", "flatten_edu", "notebooks")]
    return tests.run(scratch / "other", f"--rootdir={here}", f"-c{here / 'pyproject.toml'}",
                     *places, PYTHONPATH=str(here))  # fmt: skip


def wheel(tests: Tests, scratch: Path) -> int:
    """The package is installed and nowhere else; the path has a space and a letter beyond ASCII."""
    place = scratch / "my café folder"
    source, built = copied(scratch / "source"), scratch / "dist"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    quiet = ["--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *quiet, "-w", built, source], check=True)
    python = environment(place / "env", next(built.glob("*.whl")))
    course = copied(place / "course")
    shutil.rmtree(course / "flatten_edu")
    shutil.rmtree(source)
    found = [python, "-c", "import flatten_edu; print(flatten_edu.__file__)"]
    where = subprocess.run(found, cwd=course, capture_output=True, text=True, check=True).stdout
    if not Path(where.strip()).is_relative_to(place / "env"):
        print(f"the package comes from {where.strip()} and not from the wheel", file=sys.stderr)
        return 1
    return tests.run(course, "tests", "--pyargs", "flatten_edu", python=python)


def environment(place: Path, package: Path) -> str:
    """An environment with the wheel, and all other packages from that of this Python."""
    venv.create(place, with_pip=False, symlinks=True)
    python = str(place / "bin" / "python")
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    library = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    # A path that a .pth adds is searched last, and the .pth files in it are not read: the link to
    # the checkout is one of these.
    (library / "others.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--python", python, "install", "--no-deps", "--ignore-installed", package],
        check=True,
    )
    return python


def homeless(tests: Tests, scratch: Path) -> int:
    """HOME is a place at which no folder can be made, whoever tries."""
    here = copied(scratch)
    return tests.run(here, HOME="/dev/null", PYTHONPATH=str(here))


def readonly(tests: Tests, scratch: Path) -> int:
    """Nothing can be written to the checkout: mounted so for root, whom no permission keeps out."""
    here = copied(scratch / "checkout")
    before: tuple[str, ...] = ()
    if os.geteuid() == 0:
        place = shlex.quote(str(here))
        mount = f"mount --bind {place} {place} && mount -o remount,ro,bind {place} && cd {place}"
        before = ("unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh")
    else:
        for path in [*here.rglob("*"), here]:
            path.chmod(path.stat().st_mode & ~0o222)
    try:
        return tests.run(here, before=before, PYTHONPATH=str(here))
    finally:
        for path in [here, *here.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)


HOMES: dict[str, Callable[[Tests, Path], int]] = {
    "random": random_order,
    "elsewhere": elsewhere,
    "wheel": wheel,
    "homeless": homeless,
    "readonly": readonly,
}


def main(words: list[str] | None = None) -> int:
    """The command; 1 where the tests fail in one of the homes."""
    words = sys.argv[1:] if words is None else words
    cut = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(description="The unit tests in homes that nobody chose.")
    parser.add_argument("homes", nargs="*", metavar="HOMES", help=", ".join(HOMES))
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    chosen = parser.parse_args(words[:cut])
    if strange := set(chosen.homes) - set(HOMES):
        parser.error(f"unknown home {', '.join(strange)}; there are {', '.join(HOMES)}")
    tests, failed = Tests(chosen.workers, words[cut + 1 :]), []
    for name in chosen.homes or HOMES:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            if HOMES[name](tests, Path(scratch).resolve()):
                failed.append(name)
    print(f"red in: {', '.join(failed)}" if failed else "green in every home", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
