"""The pictures of the chapter on results: the paper's tables, and times of this machine."""

from .choices import choices, reported_choices
from .latency import latency
from .trade import trade
from .transfer import reported_dense, transfer

__all__ = ["choices", "latency", "reported_choices", "reported_dense", "trade", "transfer"]
