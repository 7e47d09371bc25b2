"""timm knows the networks when it is imported, whichever of the two comes first."""

import subprocess
import sys

import pytest
import torch

from flatten_edu.backbones.timm_models import entry_point

# What this package uses of timm, so that the hook is tested where timm is not installed.
STAND_IN = {
    "__init__.py": "from .models import create_model, list_models\n",
    "models/__init__.py": (
        "known = {}\n"
        "def register_model(make):\n"
        "    known[make.__name__] = make\n"
        "    return make\n"
        "def list_models():\n"
        "    return list(known)\n"
        "def create_model(name, pretrained=False, **options):\n"
        "    return known[name](pretrained=pretrained, pretrained_cfg=None, **options)\n"
    ),
}
PROGRAM = """
import torch
{first}
{second}
model = timm.create_model("flatten_deit_nano", num_classes=3, drop_path_rate=0.2, drop_rate=0.0)
print(len(timm.list_models()), tuple(model(torch.zeros(2, 1, 28, 28)).shape), model.rates[0][-1])
"""


def run(program, *folders):
    path = f"import sys; sys.path[:0] = {list(map(str, folders))!r}\n"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", path + program], capture_output=True, text=True
    )


@pytest.mark.parametrize("first", ["flatten_edu", "timm"])
def test_names_are_registered_in_either_order(tmp_path, first):
    for name, text in STAND_IN.items():
        (tmp_path / "timm" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "timm" / name).write_text(text)
    second = "timm" if first == "flatten_edu" else "flatten_edu"
    done = run(PROGRAM.format(first=f"import {first}", second=f"import {second}"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[0] == "20 (2, 3) 0.2"


def test_without_timm_nothing_happens(tmp_path):
    program = (
        "import flatten_edu\ntry:\n    import timm\nexcept ImportError as e:\n    print(e.name)"
    )
    if "timm" in sys.modules or run("import timm").returncode == 0:
        pytest.skip("timm is installed")
    done = run(program, tmp_path)
    assert done.stdout.strip() == "timm" and done.returncode == 0, done.stderr


def test_a_timm_without_what_is_needed_is_named(tmp_path):
    (tmp_path / "timm").mkdir()
    (tmp_path / "timm" / "__init__.py").write_text("")
    done = run(
        "import flatten_edu, warnings\nwarnings.simplefilter('always')\nimport timm", tmp_path
    )
    assert done.returncode == 0 and "timm is too different" in done.stderr


def test_what_timm_reads_of_a_model():
    model = entry_point("swin_tiny")(img_size=64, in_chans=1, num_classes=5, depths=(1, 1, 1, 1))
    assert model.default_cfg["input_size"] == (1, 64, 64)
    assert model.pretrained_cfg["num_classes"] == 5
    assert model(torch.zeros(1, 1, 64, 64)).shape == (1, 5)
    with pytest.raises(ValueError, match=r"no weights are offered for flatten_swin_tiny"):
        entry_point("swin_tiny")(pretrained=True)
    with pytest.raises(TypeError, match="no option 'drop_rate'"):
        entry_point("swin_tiny")(drop_rate=0.1)


def test_the_real_timm():
    timm = pytest.importorskip("timm", exc_type=ImportError)
    model = timm.create_model("flatten_pvt_v2_b0", num_classes=7, drop_path_rate=0.1)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
