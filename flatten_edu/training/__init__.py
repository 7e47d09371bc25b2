"""One recipe for every arm: `train` a model, `evaluate` it, load it again."""

from .build import load_trained
from .evaluation import Scores, evaluate
from .progress import Quiet, make_progress
from .recipe import Recipe
from .train import Result, train

__all__ = [
    "Quiet",
    "Recipe",
    "Result",
    "Scores",
    "evaluate",
    "load_trained",
    "make_progress",
    "train",
]
