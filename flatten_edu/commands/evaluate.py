"""flatten-edu evaluate: how good trained weights are, class by class."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .drawing import draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..training import Scores

PARTS = ("test", "validation", "train")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What stands after `flatten-edu evaluate`."""
    add = parser.add_argument
    add("weights", type=Path, metavar="WEIGHTS", help="best.safetensors or last.safetensors")
    add("--data", help="a name of list_data() (what the weights were trained on)")
    add("--part", choices=PARTS, default="test", help="which samples (test)")
    add("--attention", help="module:function, for weights that were trained with yours")
    add("--batch-size", type=int, default=250, help="images at once (250)")
    add("--picture", type=Path, help="where the confusion matrix goes (confusion.png beside it)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (auto)")


def run(arguments: argparse.Namespace) -> int:
    """Measure, and print a few lines."""
    from ..data import load_data
    from ..data.reading import report as skipped
    from ..files import checked
    from ..training import evaluate, load_trained
    from ..training.device import open_device

    if arguments.batch_size < 1:
        raise ValueError(f"--batch-size must be at least 1, but is {arguments.batch_size}")
    model, about = load_trained(arguments.weights, arguments.attention)
    checked(about, arguments.weights, data=str, recipe=dict, classes=list, epoch=int)
    data = load_data(arguments.data or about["data"], about["recipe"].get("size", 0))
    if list(data.classes) != about["classes"]:
        raise ValueError(
            f"{arguments.weights} knows the {len(about['classes'])} classes of {about['data']}, "
            f"but {data.name} has {len(data.classes)} others; leave out --data"
        )
    place = open_device(arguments.device)
    samples = getattr(data, arguments.part)
    started = time.perf_counter()
    scores = evaluate(model.to(place.device), samples, arguments.batch_size, place)
    rate = len(samples) / (time.perf_counter() - started)
    if place.first:
        head = f"{about['model']} of epoch {about['epoch']}, {len(samples)} {arguments.part} images"
        sys.stdout.write(f"{head} of {data.name}\n{report(scores, data.classes)}")
        sys.stdout.write(f"{rate:.0f} images/s on {place.device}, reading included\n")
        if data.broken or samples.skipped:
            names = (*data.broken, *sorted(samples.skipped))
            sys.stdout.write(f"{skipped(names, data.count)}\n")
        path = arguments.picture or arguments.weights.parent / "confusion.png"
        if draw(lambda: picture(scores, data.classes), path):
            sys.stdout.write(f"the confusion matrix is in {path}\n")
    return 0


def picture(scores: Scores, classes: Sequence[str]) -> Figure:
    """The confusion matrix."""
    from ..plots.confusion import confusion

    return confusion(scores.confusion, classes)


def report(scores: Scores, classes: Sequence[str]) -> str:
    """Accuracy, loss, the share found of each class, and what is confused most often."""
    confusion = scores.confusion
    lines = [f"accuracy {100 * scores.accuracy:.1f} %, loss {scores.loss:.4f}"]
    if len(classes) > 5:
        lines[0] += f", among the first five {100 * scores.top5:.1f} %"
    for number, name in enumerate(classes):
        count = int(confusion[number].sum())
        if count:
            lines.append(f"  {name}: {int(confusion[number, number])} of {count}")
    wrong = confusion - confusion.diag().diag()
    for place in wrong.flatten().argsort(descending=True, stable=True)[:3].tolist():
        true, taken = divmod(place, len(classes))
        if wrong[true, taken]:
            lines.append(f"  {classes[true]} taken for {classes[taken]}: {int(wrong[true, taken])}")
    return "\n".join([*lines, ""])
