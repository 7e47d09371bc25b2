"""What `flatten-edu doctor` promises: the right finding for each fault, and never an end before."""

import importlib.abc
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from flatten_edu.__main__ import main
from flatten_edu.doctor import Finding, examination, lab, machine, packages, trial

IN_THIS_PROCESS = tuple(look for look in examination.LOOKS if look is not trial.parts)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quick(monkeypatch):
    """Without the trial of the parts, which takes its time."""
    monkeypatch.setattr(examination, "LOOKS", IN_THIS_PROCESS)


class Hidden(importlib.abc.MetaPathFinder):
    """Hides packages as if they had never been installed."""

    def __init__(self, *names):
        self.names = names

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.fixture
def hide(monkeypatch):
    def hidden(*names):
        for module in list(sys.modules):
            if module.partition(".")[0] in names:
                monkeypatch.delitem(sys.modules, module)
        monkeypatch.setattr(sys, "meta_path", [Hidden(*names), *sys.meta_path])

    return hidden


def wrong(report):
    return {finding.about: finding for finding in report.wrong}


def run(folder, *, path=None, **environment):
    """The command as somebody types it; its exit code and what it said."""
    environment = os.environ | {"PYTHONPATH": str(path or ""), **environment}
    call = [sys.executable, "-m", "flatten_edu", "doctor"]
    done = subprocess.run(call, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.slow
def test_on_a_good_machine_nothing_is_wrong(own_folder):
    code, text = run(own_folder)
    assert code == 0, text
    for about in ("Python", "disk", "write access", "JupyterLab", "kernel", "widgets", "fonts"):
        assert f"\nok     {about} " in "\n" + text, text
    for part in trial.PARTS:
        assert f" {part} " in text, part
    assert "WRONG" not in text and text.endswith("Everything that the course needs is here.\n")
    assert list(own_folder.iterdir()) == []


def test_without_jupyterlab_it_says_how_to_install_it(quick, hide):
    hide("jupyterlab", "jupyterlab_server", "jupyter_core", "jupyter_client")
    report = examination.examine()
    finding = wrong(report)["JupyterLab"]
    assert "not installed" in finding.says and "pip install" in finding.do


def as_nobody(call):
    """What happens to somebody who is not root, for whom no door is closed."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return call()
    os.seteuid(65534)
    try:
        return call()
    finally:
        os.seteuid(0)


def test_without_write_access_it_says_where_and_what_to_do(quick, own_folder, monkeypatch):
    locked = own_folder / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    monkeypatch.chdir(locked)
    report = as_nobody(examination.examine)
    finding = report.wrong[0]
    assert finding.about == "write access" and str(locked) in finding.says
    assert "Permission denied" in finding.says and "a folder of your own" in finding.do


def test_a_home_that_cannot_be_written_to_is_found(quick, own_folder, monkeypatch):
    (own_folder / "home").write_text("a file where a folder should be")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(own_folder / "home"))
    found = [finding for finding in examination.examine().wrong if finding.about == "write access"]
    (finding,) = [finding for finding in found if "connections of notebooks" in finding.says]
    assert "set JUPYTER_RUNTIME_DIR" in finding.do


def test_without_a_home_it_says_where_to_write_instead_and_nothing_grumbles(
    broken_torch, own_folder
):
    broken_torch("raise OSError('no libc10')")  # the parts need not be tried
    homes = ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR", "IPYTHONDIR")
    nowhere = dict.fromkeys(homes, "/dev/null/x") | {"HOME": "/dev/null"}
    code, text = run(own_folder, path=os.environ["PYTHONPATH"], **nowhere)
    assert code == 1 and "set JUPYTER_RUNTIME_DIR to a folder" in text
    assert re.search(r"To mend: (.+, )?write access, (.+, )?torch\. ", text), text


BROKEN = {
    "raise OSError('libtorch_cpu.so: cannot open shared object file')": (
        "OSError: libtorch_cpu.so: cannot open shared object file",
        "install it again",
    ),
    "raise ModuleNotFoundError(\"No module named 'torch'\")": (
        "ModuleNotFoundError: No module named 'torch'",
        "pip install torch",
    ),
    "import os, signal; os.kill(os.getpid(), signal.SIGILL)": (
        "Python died from SIGILL",
        "a newer processor",
    ),
    "import os; os._exit(3)": ("Python ended with code 3", "install it again"),
}


@pytest.fixture
def broken_torch(own_folder, monkeypatch):
    """Puts a torch with this code before the real one."""

    def put(code):
        (own_folder / "libraries" / "torch").mkdir(parents=True)
        (own_folder / "libraries" / "torch" / "__init__.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(own_folder / "libraries"))

    return put


@pytest.mark.parametrize("code", BROKEN)
def test_a_broken_torch_is_found_and_named(code, broken_torch):
    broken_torch(code)
    torch, others = trial.parts()
    says, do = BROKEN[code]
    assert torch.about == "torch" and torch.state == "wrong"
    assert torch.says.startswith(says) and do in torch.do
    assert others.says.startswith("not tried without torch: device, einops, attention")


def test_the_command_survives_a_broken_torch(broken_torch, own_folder):
    broken_torch("raise OSError('libtorch_cpu.so: cannot open shared object file')")
    code, text = run(own_folder, path=os.environ["PYTHONPATH"])
    assert code == 1 and "\nWRONG  torch         OSError: libtorch_cpu.so: cannot open" in text
    assert "\nok     JupyterLab " in text
    assert re.search(r"To mend: (.+, )?torch\. The lines after 'do:' say how\.\n$", text)


def test_other_commands_send_to_the_doctor_where_torch_is_broken(broken_torch):
    broken_torch("raise OSError('no libc10')")
    call = [sys.executable, "-m", "flatten_edu", "models"]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (
        "flatten-edu: torch cannot be imported (no libc10); flatten-edu doctor says what to do\n"
    )


def test_a_torch_that_hangs_is_left_after_a_while(own_folder, monkeypatch):
    (own_folder / "torch.py").write_text("import time; time.sleep(600)")
    monkeypatch.setenv("PYTHONPATH", str(own_folder))
    found = list(trial.parts(("torch", "einops"), limit=2))
    assert found[0].state == "wrong" and found[0].says == "no answer within 2 s"
    assert found[1].says == "not tried without torch: einops"


def test_a_part_that_dies_leaves_the_others_their_turn(own_folder, monkeypatch):
    (own_folder / "einops.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setenv("PYTHONPATH", str(own_folder))
    found = {one.about: one for one in trial.parts(("torch", "einops", "device"))}
    assert found["einops"].says == "Python died from SIGSEGV"
    assert found["torch"].state == found["device"].state == "ok"


def test_100_megabytes_of_disk_are_too_little(quick, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=100e6))
    report = examination.examine()
    finding = wrong(report)["disk"]
    assert finding.says == "100 MB free for this folder; 500 MB are needed"
    assert "make room" in finding.do


@pytest.mark.parametrize("name", lab.EXTENSIONS)
def test_widgets_that_are_switched_off_are_found(name, quick, own_folder, monkeypatch):
    """Where `jupyter labextension disable NAME --level user` writes it."""
    (own_folder / "labconfig").mkdir()
    (own_folder / "labconfig" / "page_config.json").write_text(
        f'{{"disabledExtensions": {{"{name}": true}}}}'
    )
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(own_folder))
    report = examination.examine()
    finding = wrong(report)["widgets"]
    assert f"switched off in JupyterLab: {name}" in finding.says
    assert f"jupyter labextension enable {name}" in finding.do


def test_widgets_without_jupyterlabs_side_are_found(quick, monkeypatch):
    monkeypatch.setattr(lab, "extensions", lambda: ({"anywidget"}, set()))
    assert "@jupyter-widgets/jupyterlab-manager" in wrong(examination.examine())["widgets"].says


def test_widgets_that_are_not_installed_are_found(quick, hide):
    hide("anywidget")
    finding = wrong(examination.examine())["widgets"]
    assert finding.says == "anywidget missing, so sliders stay still pictures"


def test_missing_packages_are_named_with_the_command_that_brings_them(quick, hide):
    hide("skimage", "mlxtend")
    finding = wrong(examination.examine())["packages"]
    assert finding.says == "missing: scikit-image, mlxtend" and "pip install" in finding.do


def test_what_only_developers_need_is_not_asked_for():
    asked = packages.requirements()
    assert {"torch", "einops", "jupyterlab", "accelerate"} <= set(asked)
    assert not {"pytest", "ruff", "mkdocs"} & set(asked)


def test_versions_that_were_not_tested_are_told(quick, monkeypatch):
    monkeypatch.setattr(packages, "requirements", lambda: {"numpy": ">=1,<1.1", "einops": ">=0.1"})
    (found,) = packages.packages()
    assert found.state == "note" and "numpy" in found.says and "einops" not in found.says


@pytest.mark.parametrize(("free", "state"), [(5e8, "wrong"), (1.5e9, "note"), (8e9, "ok")])
def test_memory_is_judged(free, state, monkeypatch):
    monkeypatch.setattr(machine, "free_memory", lambda: int(free))
    assert machine.memory().state == state


def test_free_memory_is_a_number_of_bytes():
    assert 10 * machine.MB < (machine.free_memory() or 0) < 10**14


def test_a_file_that_hides_a_package_is_found(quick, own_folder):
    (own_folder / "random.py").write_text("")
    assert "hides the package random" in wrong(examination.examine())["this folder"].says


def test_notebooks_in_another_python_are_found(quick, own_folder, monkeypatch):
    kernel = own_folder / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        '{"argv": ["/elsewhere/bin/python"], "display_name": "P", "language": "python"}'
    )
    monkeypatch.setenv("JUPYTER_PATH", str(own_folder))
    finding = wrong(examination.examine()).get("kernel")
    assert finding and "another Python, /elsewhere/bin/python" in finding.says


def test_a_look_at_the_kernel_loads_no_debugger_into_this_python():
    look = "import sys; from flatten_edu.doctor import lab; assert lab.kernel().state == 'ok'; "
    seen = [sys.executable, "-c", f"{look}sys.exit('ipykernel.kernelspec' in sys.modules)"]
    assert subprocess.run(seen).returncode == 0


def test_a_look_that_fails_is_told_and_the_others_follow(monkeypatch):
    def strange():
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(examination, "LOOKS", (strange, machine.python))
    first, second = examination.examine().findings
    assert first == Finding("strange", "note", "could not be looked at: RuntimeError: two lines",
                            "please report this line")  # fmt: skip
    assert second.about == "Python"


def test_the_command_says_each_finding_and_its_exit_code(monkeypatch, capsys):
    found = [Finding("disk", "wrong", "full", "make room"), Finding("fonts", "ok", "fine")]
    monkeypatch.setattr(examination, "LOOKS", (lambda: iter(found),))
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out == (
        "WRONG  disk          full\n                     do: make room\n"
        "ok     fonts         fine\n\nTo mend: disk. The lines after 'do:' say how.\n"
    )
    found.pop(0)
    assert main(["doctor"]) == 0
