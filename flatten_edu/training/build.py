"""The model of a run: from names that can be written to a file, and back from the file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..arms import find_arm, resolve, written
from ..backbones.registry import _MODELS, create_model, nearest, options_of
from ..checkpoints import load_checkpoint
from ..data import Data
from ..files import checked, read_about
from .order import derive, own_randomness
from .recipe import Recipe


@dataclass(frozen=True)
class Plan:
    """What a model is made of.

    Args:
        model: a name of `list_models()`, or None for a module that somebody made by hand.
        options: options of `create_model`; a function may stand as "module:function".
        arm: the name of an arm, which then says what attention and branch are.
    """

    model: str | None
    options: dict[str, Any] = field(default_factory=dict)
    arm: str | None = None

    def build(self, seed: int = 0) -> nn.Module:
        """The model with fresh weights that depend on the seed alone."""
        assert self.model is not None
        options, arm = dict(self.options), None if self.arm is None else find_arm(self.arm)
        if arm is not None:
            options |= arm.options()
        if "attention" in options:
            options["attention"] = resolve(options["attention"])
        with own_randomness():
            torch.manual_seed(derive(seed, "weights"))
            model = create_model(self.model, **options)
            return model if arm is None else arm.finish(model)

    def words(self) -> dict[str, Any]:
        """The plan in words that fit into a file."""
        options = dict(self.options)
        if "attention" in options:
            options["attention"] = written(options["attention"])
        return {"model": self.model, "options": options, "arm": self.arm}


def plan_for(model: str, data: Data, options: dict[str, Any], arm: str | None = None) -> Plan:
    """The plan of a model that fits the images and classes of the data.

    Raises:
        ValueError: if `options` ask for another number of classes than the data has, or say
            again what the arm says.
    """
    for name in ("attention", "depthwise", "kernel_size"):
        if arm is not None and name in options:
            raise ValueError(f"arm {arm!r} says what {name} is; leave out one of the two")
    classes = options.get("num_classes", len(data.classes))
    if classes != len(data.classes):
        raise ValueError(
            f"num_classes must be the {len(data.classes)} classes of {data.name}, "
            f"but is {classes!r}; leave it out"
        )
    facts = {"num_classes": classes, "in_chans": data.channels, "img_size": list(data.size)}
    return Plan(model, facts | options, arm)


def sort_settings(model: str | nn.Module, settings: dict) -> tuple[dict, dict]:
    """Settings given by name, divided into those of the recipe and those of the model."""
    recipe = {name: value for name, value in settings.items() if name in Recipe.names()}
    options = {name: value for name, value in settings.items() if name not in recipe}
    if options and isinstance(model, nn.Module):
        raise TypeError(
            f"model is a module already, so it takes no options, but {', '.join(options)} came; "
            f"give its name instead, or settings of the recipe: {', '.join(Recipe.names())}"
        )
    if isinstance(model, str) and model in _MODELS:
        known = [*Recipe.names(), *options_of(_MODELS[model][0])]
        for name in options:
            if name not in known:
                raise TypeError(
                    f"unknown setting {name!r}; did you mean {nearest(name, known)!r}? The recipe "
                    f"and {model} take {', '.join(known)}"
                )
    return recipe, options


def plan_of(about: dict, path: Path, attention: str | Callable | None = None) -> Plan:
    """The plan of a file of weights, from what the file says about itself.

    Args:
        about: what `read_about` gives.
        path: the file, for messages.
        attention: the function that the model was trained with, if it was somebody's own. Code
            is never imported on the word of a file.
    """
    if "model" not in about or about["model"] is None:
        raise ValueError(
            f"{path} does not say which model it belongs to; make the model with create_model and "
            "fill it with load_checkpoint"
        )
    checked(about, path, model=str, options=dict, arm=(str, type(None)))
    options, arm = dict(about["options"]), about.get("arm")
    used = flat(options.get("attention")) + ([] if arm is None else [arm.partition("+")[0]])
    strange = [name for name in used if ":" in str(name)]
    if strange and attention is None:
        raise ValueError(
            f"{path} was trained with the function {strange[0]}; name it again, so that it may be "
            f"imported: --attention {strange[0]}"
        )
    if strange and arm is not None and attention != strange[0]:
        raise ValueError(f"{path} was trained with the arm {arm}, not with {attention!r}")
    if attention is not None and arm is None:
        options["attention"] = attention
    return Plan(about["model"], options, arm)


def flat(attention) -> list:
    """All entries of an `attention=` option in one list; an empty one for None."""
    if attention is None:
        return []
    if isinstance(attention, (list, tuple)):
        return [name for entry in attention for name in flat(entry)]
    return [attention]


def load_trained(path: str | Path, attention=None) -> tuple[nn.Module, dict]:
    """A trained model from a file of weights that `train` wrote, and what the file says.

    Args:
        path: best.safetensors or last.safetensors of a run.
        attention: the function that it was trained with, if that was somebody's own.

    Raises:
        FileNotFoundError, ValueError: if the file is missing or not one of `train`'s.
    """
    about = read_about(path)
    plan = plan_of(about, Path(path), attention)
    try:
        model = plan.build()
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} names a model that cannot be made: {error}") from error
    load_checkpoint(model, path)
    return model.eval(), about
