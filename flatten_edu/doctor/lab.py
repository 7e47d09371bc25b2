"""The lab: JupyterLab, the Python behind its notebooks, widgets, the browser, fonts."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from .finding import Finding
from .packages import in_range, installed, is_there, remedy, requirements

# What JupyterLab must have switched on for sliders to be alive.
EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "anywidget")


def jupyterlab() -> Finding:
    """Whether JupyterLab is here."""
    if not is_there("jupyterlab"):
        return Finding("JupyterLab", "wrong", "it is not installed, so no notebook opens", remedy())
    tested = requirements().get("jupyterlab", "")
    if not in_range("jupyterlab", tested):
        says = f"{installed('jupyterlab')}; the course was tested with {tested}"
        return Finding("JupyterLab", "note", says, remedy())
    return Finding("JupyterLab", "ok", installed("jupyterlab"))


def kernel() -> Finding | None:
    """Whether notebooks run in the Python that runs this, and not in another one."""
    try:
        from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    except ImportError:
        return None
    do = f'"{sys.executable}" -m ipykernel install --sys-prefix'
    # Only what is written down: to ask for the kernel itself would load a debugger into this.
    written = KernelSpecManager(ensure_native_kernel=False).find_kernel_specs()
    if "python3" in written:
        command = KernelSpec.from_resource_dir(written["python3"]).argv[0]
    elif is_there("ipykernel"):
        command = sys.executable
    else:
        return Finding("kernel", "wrong", "notebooks find no Python to run in", do)
    there = Path(command)
    if there.is_absolute() and not (there.exists() and there.samefile(sys.executable)):
        return Finding("kernel", "wrong", f"notebooks run in another Python, {command}", do)
    return Finding("kernel", "ok", "notebooks run in this Python")


def widgets() -> Finding:
    """Whether sliders come alive: the packages, and JupyterLab's side of them switched on."""
    missing = [name for name in ("ipywidgets", "anywidget") if not is_there(name)]
    if missing:
        says = f"{' and '.join(missing)} missing, so sliders stay still pictures"
        return Finding("widgets", "wrong", says, remedy())
    try:
        there, disabled = extensions()
    except ImportError:
        return Finding("widgets", "note", "not looked at, because JupyterLab is not here")
    off = [name for name in EXTENSIONS if name in disabled]
    if off:
        do = "; ".join(f'"{sys.executable}" -m jupyter labextension enable {name}' for name in off)
        says = f"switched off in JupyterLab: {', '.join(off)}; sliders stay still pictures"
        return Finding("widgets", "wrong", says, do)
    gone = [name for name in EXTENSIONS if name not in there]
    if gone:
        says = f"JupyterLab's side of them is missing: {', '.join(gone)}"
        do = f'"{sys.executable}" -m pip install --force-reinstall --no-deps anywidget '
        return Finding("widgets", "wrong", says, do + "jupyterlab_widgets")
    versions = f"ipywidgets {installed('ipywidgets')}, anywidget {installed('anywidget')}"
    return Finding("widgets", "ok", f"{versions}, switched on in JupyterLab")


def extensions() -> tuple[set[str], set[str]]:
    """The names of JupyterLab's extensions that it will load, and of those switched off."""
    from jupyter_core.paths import jupyter_path
    from jupyterlab_server.config import get_federated_extensions, get_page_config

    folders = jupyter_path("labextensions")
    settings = Path(sys.prefix, "share", "jupyter", "lab", "settings")
    if "JUPYTERLAB_DIR" in os.environ:
        settings = Path(os.environ["JUPYTERLAB_DIR"], "settings")
    page = get_page_config(folders, app_settings_dir=str(settings))
    disabled = {str(name).partition(":")[0] for name in page.get("disabledExtensions", [])}
    there = set(get_federated_extensions(folders))
    return there, disabled


def browser() -> Finding:
    """Whether a browser opens by itself; a remote machine needs none."""
    try:
        name = getattr(webbrowser.get(), "name", "") or "the system's own"
    except webbrowser.Error:
        do = "open the address that JupyterLab prints in any browser"
        return Finding("browser", "note", "none opens by itself on this machine", do)
    return Finding("browser", "ok", Path(str(name)).name)


def fonts() -> Iterator[Finding]:
    """Whether the pictures' font is here and has every letter that they use."""
    if not is_there("matplotlib"):
        return
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties())
    known = font_manager.get_font(path).get_charmap()
    name = font_manager.get_font(path).family_name
    missing = sorted(letter for letter in letters() if ord(letter) not in known)
    if missing:
        says = f"{name} lacks {' '.join(missing)}; pictures show boxes there"
        do = "take font.family out of your matplotlibrc, so that DejaVu Sans is used"
        yield Finding("fonts", "note", says, do)
    else:
        yield Finding("fonts", "ok", f"{name}, with every letter of the pictures")


def letters() -> set[str]:
    """All letters beyond ASCII in the code of the pictures."""
    folder = Path(__file__).parents[1] / "plots"
    texts = (path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    return {letter for text in texts for letter in text if ord(letter) > 127}
