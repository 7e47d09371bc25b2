"""What the rank is worth: trained arms of which all have full rank, and only some see neighbours.

The runs were made by `flatten-edu compare`; their results stand in the folder results.
"""

from pathlib import Path
from statistics import mean
from typing import Any

from ..comparison.results import rows_of
from .arguments import asks, folder, one_of
from .arms import arms
from .style import Card

CONTROLS = ("softmax", "focused", "focused+permuted", "focused+1x1", "focused+dwc", "dwc", "none")
MEASURED = ("test_accuracy", "validation_accuracy", "train_loss", "entropy", "rank",
            "effective_rank", "equivalent_rank")  # fmt: skip
TASKS = {
    "textures": "Which material am I?",
    "copy_near": "What stands 1 down, 2 right?",
    "copy_wrapped": "What stands 4 down, 4 right, around the edges?",
}


@asks(folder=folder)
def control_rows(folder: Path | None = None) -> list[dict[str, Any]]:
    """The finished runs of these arms on textures and two copies: a dict a run.

    Args:
        folder: where they are; None looks beside the package, then beside the notebooks.

    Raises:
        FileNotFoundError: if the folder holds none, as where the package alone was installed.
    """
    folder = results_folder() if folder is None else Path(folder)
    found = [
        row for name in ("textures", "probes") for row in rows_of(folder / name / "results.jsonl")
    ]
    rows = [
        row for task in TASKS for row in found if row["task"] == task and row["arm"] in CONTROLS
    ]
    if {row["task"] for row in rows} != set(TASKS):
        raise FileNotFoundError(
            f"folder {str(folder)!r} lacks results of {', '.join(TASKS)}; they come with a "
            "copy of the project, or run flatten-edu compare"
        )
    return rows


def results_folder() -> Path:
    """The folder of the kept runs: in a checkout beside the package, else beside the notebooks."""
    here = Path.cwd()
    places = [Path(__file__).parents[2] / "results", here / "results", here.parent / "results"]
    return next((place for place in places if (place / "probes").is_dir()), places[0])


@asks(task=one_of(*TASKS), arm=one_of(*CONTROLS), name=one_of(*MEASURED))
def control_mean(task: str, arm: str, name: str = "test_accuracy") -> float:
    """The mean over seeds of what was measured: accuracies from 0 to 1, or a rank.

    >>> control_mean("copy_near", "dwc") > 0.99
    True
    """
    return mean(r[name] for r in control_rows() if (r["task"], r["arm"]) == (task, arm))


def controls() -> Card:
    """Every seed of the arms with neighbours, without neighbours, and without a branch."""
    return arms(control_rows(), TASKS)
