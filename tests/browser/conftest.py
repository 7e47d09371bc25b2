"""A real JupyterLab in a real browser, for any notebook.

    def test_chapter(lab):
        page = lab.open(path_of_a_notebook)
        lab.run_all(page)
        slider = page.get_by_role("slider", name="p").first
        times = lab.step(page, slider, "ArrowRight", presses=5)
        assert page.complaints == []

The notebook is copied into an empty folder, so that nothing is written beside the original; the
settings, the trust database and the kernels' files are in folders of the test's own.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4, write

TOKEN = "a-token-for-tests"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# Put beside a picture before a key is pressed: the milliseconds from that key to the new picture.
WATCH = """picture => {
    window.changed = new Promise((done) => {
        let pressed;
        const press = () => (pressed = performance.now());
        const change = () => requestAnimationFrame(() => done(performance.now() - pressed));
        addEventListener("keydown", press, { capture: true, once: true });
        picture.addEventListener("load", change, { once: true });
        setTimeout(() => done(null), 8000);
    });
}"""
IDLE = "jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
ERRORS = """() => jupyterapp.shell.currentWidget.content.model.toJSON().cells
    .flatMap((cell) => cell.outputs ?? [])
    .filter((output) => output.output_type === "error")
    .map((output) => `${output.ename}: ${output.evalue}`)
"""
# A command of JupyterLab, as its menus call it; an error where it takes too long.
COMMAND = """async ([name, milliseconds]) => {
    const late = new Promise((_, fail) =>
        setTimeout(() => fail(new Error(`${name} takes too long`)), milliseconds)
    );
    await Promise.race([jupyterapp.commands.execute(name), late]);
}"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium, or a skip that says why there is none."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the PATH; set CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser) -> Iterator[Callable[..., Any]]:
    """Opens pages; `page.complaints` lists the errors that come up in the console."""
    contexts = []

    def make(**options: Any) -> Any:
        context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        context.set_default_timeout(90_000)  # what a busy machine may take
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(f"uncaught: {error}"))
        page.on("console", lambda m: m.type == "error" and page.complaints.append(m.text))
        return page

    yield make
    for context in contexts:
        context.close()


class Server:
    """A JupyterLab server with an empty folder and settings of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "notebooks"
        self.root.mkdir()
        # Chapters show what is in the folder beside theirs.
        shutil.copytree(Path(__file__).parents[2] / "results", folder / "results")
        self.settings = folder / "CONFIG" / "lab" / "user-settings" / "@jupyterlab"
        self.set("apputils-extension/notification", fetchNews="false", checkForUpdates=False)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        own = {f"JUPYTER_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
        self.environment = {**os.environ, **own, "IPYTHONDIR": str(folder), "HOME": str(folder)}
        self.environment.pop("FLATTEN_EDU_FRAMES", None)
        self.environment["FLATTEN_EDU_FAST"] = "1"
        self.log = (folder / "jupyter.log").open("w+")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *(f"--port={self.port}", "--ServerApp.port_retries=0"),
                *(f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={self.root}"),
                "--LabApp.expose_app_in_browser=True",
                # Should the tests be killed, the server ends by itself.
                "--MappingKernelManager.cull_idle_timeout=600",
                "--MappingKernelManager.cull_connected=True",
                "--ServerApp.shutdown_no_activity_timeout=600",
            ],
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def _wait(self, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                urllib.request.urlopen(self.url("api"), timeout=2).close()
                return
            except OSError:
                time.sleep(0.2)
        self.stop()
        raise RuntimeError(f"JupyterLab did not start:\n{Path(self.log.name).read_text()}")

    def set(self, plugin: str, **values: Any) -> None:
        """Write a user's setting of JupyterLab."""
        file = self.settings / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))

    def url(self, path: str) -> str:
        """An address on this server."""
        return f"http://127.0.0.1:{self.port}/{path}?token={TOKEN}"

    def stop(self) -> None:
        """End the server, and with it its kernels."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:  # on a busy machine; its kernels look after themselves
            self.process.kill()
            self.process.wait()
        self.log.close()


class Lab:
    """What a reader does in JupyterLab: open a notebook, run it, move its sliders."""

    def __init__(self, server: Server, new_page: Callable[..., Any]) -> None:
        self.server = server
        self.new_page = new_page

    def open(self, notebook: Path, trust: bool = False, theme: str = "Light") -> Any:
        """A page with a copy of the notebook, before any cell runs."""
        copy = self.server.root / f"{time.monotonic_ns()}_{notebook.name}"
        shutil.copy(notebook, copy)
        if trust:
            command = [sys.executable, "-m", "jupyter", "trust", str(copy)]
            subprocess.run(command, env=self.server.environment, check=True, capture_output=True)
        self.server.set("apputils-extension/themes", theme=f"JupyterLab {theme}")
        page = self.new_page()
        page.goto(self.server.url(f"lab/tree/{copy.name}") + "&reset")
        page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell", timeout=180_000)
        return page

    def command(self, page: Any, name: str, seconds: float = 300) -> None:
        """Do what this command of JupyterLab's menus does, and wait for its end."""
        page.evaluate(COMMAND, [name, 1000 * seconds])

    def run_all(self, page: Any) -> None:
        """Run all cells of the notebook; an error in one of them fails the test."""
        page.wait_for_function(IDLE, timeout=120_000)  # sooner, it would ask which kernel to take
        self.command(page, "notebook:run-all-cells")
        errors = page.evaluate(ERRORS)
        assert errors == [], f"cells failed in JupyterLab: {errors}"

    def step(self, page: Any, slider: Any, key: str, presses: int, pause: float = 0) -> list[float]:
        """Press the key on the slider again and again; milliseconds from each to its picture."""
        picture = slider.locator("xpath=ancestor::figure").locator("img")
        slider.focus()
        times = []
        for _ in range(presses):
            time.sleep(pause)
            picture.evaluate(WATCH)
            page.keyboard.press(key)
            times.append(page.evaluate("window.changed"))
        assert None not in times, f"{times.count(None)} of {presses} presses changed no picture"
        return times


@pytest.fixture
def notebook(tmp_path) -> Callable[..., Path]:
    """Writes a notebook with these code cells (text, or text and an output)."""

    def make(*cells: str | tuple[str, Any]) -> Path:
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = v4.new_notebook(metadata={"kernelspec": kernel})
        for cell in cells:
            source, *outputs = (cell,) if isinstance(cell, str) else cell
            notebook.cells.append(v4.new_code_cell(source, outputs=outputs))
        path = tmp_path / "figures.ipynb"
        write(notebook, path)
        return path

    return make


@pytest.fixture(scope="session")
def server(browser, tmp_path_factory) -> Iterator[Server]:
    """One JupyterLab for all tests of a run."""
    server = Server(tmp_path_factory.mktemp("jupyterlab"))
    yield server
    server.stop()


@pytest.fixture
def lab(server, new_page) -> Lab:
    """A reader in front of JupyterLab."""
    return Lab(server, new_page)
