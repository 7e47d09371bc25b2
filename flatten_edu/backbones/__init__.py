"""The families of the paper, one file each, all on the one `SelfAttention`."""

from .backbone import Backbone
from .cswin import CSwin
from .deit import DeiT
from .pvt import PVT
from .pvt_v2 import PVTv2
from .registry import create_model, list_models
from .swin import Swin

__all__ = ["PVT", "Backbone", "CSwin", "DeiT", "PVTv2", "Swin", "create_model", "list_models"]
