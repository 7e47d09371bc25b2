"""flatten-edu train: a model on data by the one recipe, results written as they come."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import itertools
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..training.recipe import PRECISIONS, Recipe

if TYPE_CHECKING:
    from ..training import Quiet, Result

EXAMPLE = "flatten-edu train --model deit_nano --data mnist5k --attention focused"

LOGGERS = ("files", "tensorboard")
# Options of create_model that are common enough to have a flag of their own.
MODEL_FLAGS = ("attention", "p", "kernel_size", "depthwise", "drop_path")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What stands after `flatten-edu train`."""
    defaults = Recipe()
    # What is not said stays away: a resumed run then takes it from its folder.
    parser.argument_default = argparse.SUPPRESS
    add = parser.add_argument
    add("--model", help="a name of list_models()")
    add("--data", help="a name of list_data(), cifar10, imagenet, a folder of class folders")
    add("--preset", help="imagenet or imagenet384: the paper's recipe for this model")
    add("--weights", type=Path, help="a file of weights to start from")
    add("--attention", help="softmax, linear, focused, module:function, or a list by stage: a,b,c")
    add("--arm", help="in their place: softmax, linear+dwc, focused+1x1, dwc, module:function+dwc")
    add("--p", type=number, help="focusing power (3)")
    add("--kernel-size", type=int, help="side of the depthwise kernels (5)")
    add("--depthwise", action=argparse.BooleanOptionalAction, help="with or without the branch")
    add("--drop-path", type=float, help="stochastic depth (0)")
    add("--option", action="append", metavar="NAME=VALUE", help="any other option of the model")
    for field in dataclasses.fields(Recipe):
        flag, default = "--" + field.name.replace("_", "-"), getattr(defaults, field.name)
        if field.name == "precision":
            add(flag, choices=PRECISIONS, help="no is float32 (no)")
        elif isinstance(default, bool):
            add(flag, action=argparse.BooleanOptionalAction, help="see Recipe (no)")
        else:
            add(flag, type=type(default), help=f"see Recipe ({default})")
    add("--seed", type=int, help="of everything that is drawn (0)")
    add("--output", type=Path, help="folder for the results (runs/MODEL-DATA-ATTENTION-SEED)")
    add("--resume", action="store_true", help="go on with the run in --output")
    add("--device", choices=("auto", "cpu", "cuda"), help="where to compute (auto)")
    add("--workers", type=int, help="processes that read images (0; beside a GPU up to 8)")
    add("--logger", choices=LOGGERS, help="where metrics go besides metrics.jsonl (files)")


def run(arguments: argparse.Namespace) -> int:
    """Train, and say where the results are."""
    from ..training import train
    from ..training.stopping import stop_on_signals

    call = call_of({key: value for key, value in vars(arguments).items() if key != "command"})
    progress = progress_of(call)
    with stop_on_signals() as signals:
        result = train(**call, progress=progress, stop=signals.came)
    if not result.finished:
        sys.stderr.write(
            f"flatten-edu: stopped; go on with: "
            f"flatten-edu train --resume --output {result.output}\n"
        )
        return signals.exit_code
    if result.first:
        sys.stdout.write(summary(result))
    return 0


def progress_of(call: dict[str, Any]) -> bool | Quiet:
    """What is told while the run goes, and to whom; takes the logger out of the call."""
    if call.pop("logger", "files") == "files":
        return True
    from ..training.logger import Tensorboard

    return Tensorboard(call["output"])


def summary(result: Result) -> str:
    """What came of the run, in a few lines."""
    assert result.best is not None
    last = result.rows[-1]
    named = ("last", last), ("best", result.best)
    lines = [f"{result.parameters:,} parameters, trained in {last['seconds']:.0f} s"]
    for name, row in named:
        chosen = " (highest validation accuracy)" if name == "best" else ""
        lines.append(
            f"test accuracy {100 * row['test_accuracy']:.1f} % with {name}.safetensors, "
            f"epoch {row['epoch']}{chosen}"
        )
    return "\n".join([*lines, f"everything is in {result.output}", ""])


def call_of(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `train` that these words mean."""
    from ..training.folder import read_run

    given = dict(given)
    options = {name: given.pop(name) for name in MODEL_FLAGS if name in given}
    options |= dict(pair(text) for text in given.pop("option", []))
    if "," in str(options.get("attention")):
        options["attention"] = options["attention"].split(",")
    if given.get("resume"):
        if "output" not in given:
            raise ValueError("--resume needs --output, the folder of the run to go on with")
        there = read_run(given["output"])
        given.pop("preset", None)  # the run's recipe says it all
        kept = {name: there[name] for name in ("model", "data", "seed", "arm")}
        return kept | there["recipe"] | there["options"] | given | options
    for name in ("model", "data"):
        if name not in given:
            raise ValueError(f"train needs --{name}, such as {EXAMPLE}")
    if "output" not in given:
        given["output"] = free_folder(given, options)
    return with_preset(given) | options


def with_preset(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments with all that their preset says, where they do not say otherwise."""
    from ..training.presets import IMAGES, preset

    given = dict(given)
    name = given.pop("preset", None)
    if name is None:
        return given
    recipe, options = preset(name, given["model"], given.get("batch_size", IMAGES))
    return recipe.words() | options | given


def free_folder(given: dict[str, Any], options: dict[str, Any]) -> Path:
    """A folder under runs/ that is named after the run and not taken."""
    attention = str(given.get("arm", options.get("attention", "focused")))
    words = [given["model"], given["data"], attention, f"seed{given.get('seed', 0)}"]
    first = Path("runs", re.sub(r"[^\w-]+", "-", "-".join(words)).strip("-"))
    # Several processes must agree on one name without a word between them.
    if "WORLD_SIZE" in os.environ:
        return first
    names = (first if number == 1 else Path(f"{first}-{number}") for number in itertools.count(1))
    return next(name for name in names if not name.exists())


def pair(text: str) -> tuple[str, Any]:
    """NAME=VALUE as a name and a Python value; what is no number or list stays a word.

    >>> pair("class_token=True"), pair("positions=sincos")
    (('class_token', True), ('positions', 'sincos'))
    """
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"--option must be NAME=VALUE, such as patch_size=2, but is {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def number(text: str) -> float:
    """A whole number as int, any other as float.

    >>> number("3"), number("1.5")
    (3, 1.5)
    """
    return int(text) if text.lstrip("+-").isdigit() else float(text)
