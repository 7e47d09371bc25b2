"""The families of the paper, one file each, all on the one `SelfAttention`."""

from .backbone import Backbone
from .deit import DeiT
from .pvt import PVT
from .pvt_v2 import PVTv2
from .registry import create_model, list_models

__all__ = ["PVT", "Backbone", "DeiT", "PVTv2", "create_model", "list_models"]
