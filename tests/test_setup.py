"""What a newcomer's first command stands on: versions, extras, files, imports."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import flatten_edu.extras

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pins(name="constraints.txt"):
    lines = (ROOT / name).read_text().splitlines()
    parsed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {pin.name.lower(): str(pin.specifier).removeprefix("==") for pin in parsed}


def ranges():
    lists = [PROJECT["dependencies"], *EXTRAS.values()]
    return [Requirement(line) for requirements in lists for line in requirements]


@pytest.mark.parametrize("wanted", ranges(), ids=str)
def test_every_range_contains_its_pin(wanted):
    assert wanted.specifier, f"{wanted.name} has no range"
    assert wanted.specifier.contains(pins()[wanted.name.lower()])


def test_every_pin_is_wanted_by_somebody():
    assert set(pins()) == {wanted.name.lower() for wanted in ranges()}


def test_the_oldest_versions_are_the_lower_ends_of_the_ranges():
    """Tools for developers may be new; pyarrow stands there for what datasets leaves open."""
    oldest = pins("constraints-oldest.txt")
    assert oldest.pop("pyarrow")
    extras = [*EXTRAS["lab"], *EXTRAS["train"]]
    wanted = {Requirement(line) for line in [*PROJECT["dependencies"], *extras]}
    assert {need.name for need in wanted} == set(oldest)
    for need in wanted:
        (least,) = (s.version for s in need.specifier if s.operator == ">=")
        assert Version(least) == Version(oldest[need.name]), need


def test_a_package_that_is_there_and_does_not_fit_is_told_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "unfit.py").write_text("raise ImportError('needs numpy 2\\nor newer')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ImportError) as caught:
        flatten_edu.extras.need("unfit")
    told = str(caught.value)
    assert told.startswith("unfit is installed and cannot be imported (needs numpy 2 or newer)")
    assert told.endswith('pip install --upgrade "flatten-edu[train]"')


def test_the_core_needs_torch_and_einops_alone():
    assert {Requirement(line).name for line in PROJECT["dependencies"]} == {"torch", "einops"}


def test_the_conda_environment_has_no_list_of_its_own():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, through_pip = environment["dependencies"]
    assert python.startswith("python=3.") and pip == "pip"
    assert through_pip == {"pip": ["-c constraints.txt", "-e .[lab,train,dev]"]}
    assert set(EXTRAS) == {"lab", "train", "site", "dev"}


def test_importing_the_package_needs_no_extra_and_says_nothing():
    blocked = [
        "matplotlib",
        "numpy",
        "ipywidgets",
        "IPython",
        "rich",
        "accelerate",
        "safetensors",
        "PIL",
        "sklearn",
    ]
    code = (
        "import sys\n"
        f"for name in {blocked}: sys.modules[name] = None\n"
        "import flatten_edu as fe, torch\n"
        "model = fe.create_model('deit_nano')\n"
        "with fe.analysis.record(model) as maps: model(torch.zeros(1, 1, 28, 28))\n"
        "assert len(maps) == 3\n"
    )
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_files_of_a_project_are_there():
    for name in (
        "LICENSE",
        "CITATION.cff",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
    ):
        assert (ROOT / name).is_file(), name
    assert Path(flatten_edu.__file__).with_name("py.typed").is_file()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert "FLatten Transformer" in citation["preferred-citation"]["title"]


def test_the_plain_commands_of_the_readme_are_those_of_make():
    """Who has no make types the same three installs by hand."""
    readme = (ROOT / "README.md").read_text()
    for line in (
        "-m pip install -c constraints.txt torch",
        '-m pip install -c constraints.txt -e ".[lab,train,dev]"',
        "jupyter lab --ServerApp.root_dir=. notebooks/00_first_ten_minutes.ipynb",
        "-m pytest",
    ):
        assert line in readme, line
    recipe = (ROOT / "Makefile").read_text().replace(" --quiet --disable-pip-version-check", "")
    assert "-m pip install -c constraints.txt torch" in recipe
    assert '-m pip install -c constraints.txt -e ".[lab,train,dev]"' in recipe
    # Chapters link to the glossary, which lies beside their folder and not in it.
    assert "jupyter lab --ServerApp.root_dir=. $(LAB_OPTIONS) $(FIRST)" in recipe


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_nothing_of_a_machine_is_committed():
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    for name in listing.stdout.splitlines():
        path = ROOT / name
        if not path.is_file():
            continue
        assert path.stat().st_size < 1_000_000, f"{name} is over 1 MB"
        if path.suffix in {".py", ".md", ".ipynb", ".toml", ".yml", ".txt", ".json", ""}:
            found = re.search(
                r"(?<![\w.])/(work|tmp|home|root)/\w+", path.read_text(errors="ignore")
            )
            assert not found, f"{name} holds a path of a machine: {found and found.group()}"
