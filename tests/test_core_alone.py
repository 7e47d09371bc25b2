"""Where only torch and einops are installed the library works, and the rest says what it needs."""

import os
import re
import subprocess
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import flatten_edu

pytestmark = pytest.mark.slow

NETWORKS = """
import sys
import torch
import flatten_edu as fe

for name in fe.list_models():
    size = {} if name.startswith("deit") else {"depths": (1, 1, 1, 1)}
    with torch.device("meta"):
        model = fe.create_model(name, img_size=64, in_chans=3, num_classes=7, **size)
        assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 7), name
for name in ("deit_nano", "pvt_tiny", "pvt_v2_b0", "swin_tiny", "cswin_tiny"):
    size = {} if name.startswith("deit") else {"depths": (1, 1, 1, 1)}
    for attention in ("softmax", "linear", "focused", "agent"):
        model = fe.create_model(name, img_size=64, in_chans=3, attention=attention, **size).eval()
        with fe.analysis.record(model) as maps, torch.no_grad():
            assert model(torch.rand(1, 3, 64, 64)).isfinite().all(), name
        found = [fe.analysis.row_entropy(map) for map in maps.values()]
        assert found and all(rows.isfinite().all() for rows in found), (name, attention)
q, k, v = torch.rand(3, 1, 2, 9, 4)
map = fe.analysis.attention_map(q, k, "focused")
assert fe.analysis.numerical_rank(map).max() <= 4
fe.load_checkpoint(model, model.state_dict())
torch.save(model.state_dict(), "weights.pt")
fe.load_checkpoint(model, "weights.pt")
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"numpy", "matplotlib", "PIL", "sklearn", "skimage", "safetensors", "rich"}))
"""
# What a command says where its packages are missing: the extra that brings them.
COMMANDS = {
    "train --model deit_nano --data digits": "train",
    "evaluate weights.safetensors": "train",
    "compare --task recall --arms focused --jobs 1": "train",
    "payoff": "lab",
    "probe focused": "lab",
    "bench --quick": "train",
}


def needed(name: str) -> set[str]:
    """A package and all that it needs, as far as it is installed."""
    found, waiting = set(), [name]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        found.add(name)
        wanted = map(Requirement, lines)
        waiting += [w.name for w in wanted if w.marker is None or w.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python that has torch, einops, what they need, and this package."""
    place = tmp_path_factory.mktemp("core") / "env"
    venv.create(place, with_pip=False, symlinks=os.name != "nt")
    program = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    call = [program, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    library = Path(subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip())
    for name in needed("torch") | needed("einops"):
        found = distribution(name)
        for first in {file.parts[0] for file in found.files or [] if file.parts[0] != ".."}:
            link, there = library / first, Path(str(found.locate_file(first))).resolve()
            if there.exists() and not link.exists() and first != "__pycache__":
                link.symlink_to(there)
    (library / "flatten_edu").symlink_to(Path(flatten_edu.__file__).parent)
    return program


def run(python, folder, *words):
    without = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    call = [python, "-W", "ignore", *words]
    return subprocess.run(call, cwd=folder, env=without, capture_output=True, text=True)


def test_no_optional_package_is_there(python, tmp_path):
    code = "import importlib.util as u; print([n for n in {!r} if u.find_spec(n)])"
    names = ["matplotlib", "PIL", "sklearn", "skimage", "safetensors", "rich", "accelerate"]
    done = run(python, tmp_path, "-c", code.format(names))
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_network_and_its_analysis_need_the_core_alone(python, tmp_path):
    done = run(python, tmp_path, "-c", NETWORKS)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_in_one_line_which_extra_it_needs(command, python, tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"x")
    done = run(python, tmp_path, "-m", "flatten_edu", *command.split())
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    assert re.search(
        rf'not installed.*pip install "flatten-edu\[{COMMANDS[command]}\]"', done.stderr
    )
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


def test_models_needs_nothing_more(python, tmp_path):
    done = run(python, tmp_path, "-m", "flatten_edu", "models", "deit")
    assert (done.returncode, done.stderr) == (0, "") and "deit_tiny" in done.stdout


@pytest.mark.parametrize("name", ["plots", "explore", "training", "data", "coursework"])
def test_a_room_that_needs_more_says_so_or_opens(name, python, tmp_path):
    done = run(python, tmp_path, "-c", f"import flatten_edu as fe\nfe.{name}")
    said = done.stderr.splitlines()[-1:] or [""]
    assert done.returncode == 0 or re.match(r"ImportError: .*flatten-edu\[\w+\]", said[0]), said
