"""Execute the course's notebooks for committing, or tell which of them are stale.

    python tools/notebooks.py [PATHS]            execute, write what changed
    python tools/notebooks.py --check [PATHS]    name the stale ones and exit with 1

Without PATHS it takes notebooks/*.ipynb. A notebook is stale when its code cells are not the ones
that its outputs came from. The sliders are written as frames, which move without a kernel. What
differs from run to run or from machine to machine stays out of the file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
CELL_SECONDS = 600
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def read(path: Path) -> NotebookNode:
    """A notebook whose cells all have ids, the same ones at each reading."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content["nbformat_minor"] = max(5, content["nbformat_minor"])
    for number, cell in enumerate(content["cells"], 1):
        cell.setdefault("id", f"cell-{number}")
    return nbformat.reads(json.dumps(content), as_version=4)


def code_hash(notebook: NotebookNode) -> str:
    """What identifies the code cells, in their order."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()[:16]


def is_stale(notebook: NotebookNode) -> bool:
    """Whether the outputs come from other code cells than the notebook has."""
    return notebook.metadata.get("flatten_edu", {}).get("code_hash") != code_hash(notebook)


def execute(path: Path, **environment: str) -> NotebookNode:
    """The notebook with new outputs; the file stays as it is. An error in a cell is raised."""
    notebook = read(path)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    frames = {"FLATTEN_EDU_FRAMES": "1", "PYTHONHASHSEED": "0"}
    client.execute(env={**os.environ, **frames, **environment})
    return tidy(notebook)


def tidy(notebook: NotebookNode) -> NotebookNode:
    """The same notebook without what changes from run to run, and with the hash of its code."""
    notebook.metadata = NotebookNode(
        kernelspec=NotebookNode(KERNEL),
        language_info=NotebookNode(name="python"),
        flatten_edu=NotebookNode(code_hash=code_hash(notebook)),
    )
    for cell in notebook.cells:
        kept = {key: value for key, value in cell.metadata.items() if key in ("tags", "slideshow")}
        cell.metadata = NotebookNode(kept)
    return notebook


def traces(notebook: NotebookNode) -> Iterator[str]:
    """One line for each output that shows a path of this machine or an object's address."""
    paths = [str(ROOT), sys.prefix, str(Path.home()) + os.sep, tempfile.gettempdir() + os.sep]
    machine = re.compile("|".join([*map(re.escape, paths), r"\bat 0x[0-9a-f]{6,}", "/ipykernel_"]))
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            text = output.get("text", "") + "".join(
                value for kind, value in output.get("data", {}).items() if kind.startswith("text/")
            )
            text = re.sub(r"data:[^\"']*", "", text)
            if found := machine.search(text):
                line = " ".join(text[max(0, found.start() - 30) : found.end() + 30].split())
                yield f"cell {number} ({cell.id}) shows {found[0]!r} in: {line}"


def write(path: Path, notebook: NotebookNode) -> bool:
    """Put the notebook in place in one step; False where the file has this content already."""
    content = nbformat.writes(notebook) + "\n"
    if path.read_text(encoding="utf-8") == content:
        return False
    unfinished = path.with_suffix(".ipynb.new")
    unfinished.write_text(content, encoding="utf-8")
    os.replace(unfinished, path)
    return True


def renew(path: Path) -> str | None:
    """Execute one notebook and write it; the complaint where that does not do."""
    start = time.perf_counter()
    try:
        notebook = execute(path)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return f"{path.name}: not written\n{error}"
    if found := list(traces(notebook)):
        return f"{path.name}: not written, " + "; ".join(found)
    changed = "written" if write(path, notebook) else "unchanged"
    seconds, size = time.perf_counter() - start, path.stat().st_size / 1000
    print(f"{path.name:40} {seconds:6.1f} s {size:7.0f} kB  {changed}", flush=True)
    return None


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 where a notebook fails or is stale."""
    parser = argparse.ArgumentParser(description="Execute the notebooks for committing.")
    parser.add_argument("--check", action="store_true", help="execute nothing, name the stale ones")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATHS")
    options = parser.parse_args(arguments)
    paths = options.paths or sorted((ROOT / "notebooks").glob("*.ipynb"))
    if not paths:
        parser.error(f"no notebook in {ROOT / 'notebooks'}")
    if options.check:
        complaints = [
            f"{path}: stale, its outputs are not of this code; run {Path(__file__).name}"
            for path in paths
            if is_stale(read(path))
        ]
    else:
        complaints = list(filter(None, map(renew, paths)))
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
