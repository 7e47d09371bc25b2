"""The families of the paper, one file each, all on the one `SelfAttention`."""

from .deit import DeiT
from .registry import create_model, list_models

__all__ = ["DeiT", "create_model", "list_models"]
