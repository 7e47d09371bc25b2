"""Arms beside each other: the same task, recipe, seeds and order of data for each."""

from .measure import measure
from .run import compare
from .table import markdown, plain, summarise

__all__ = ["compare", "markdown", "measure", "plain", "summarise"]
