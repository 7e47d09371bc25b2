"""The families of the paper, one file each, all on the one `SelfAttention`."""

# In this order `list_models` names them.
from .backbone import Backbone

from .deit import DeiT  # isort: skip
from .pvt import PVT  # isort: skip
from .pvt_v2 import PVTv2  # isort: skip
from .swin import Swin  # isort: skip
from .cswin import CSwin  # isort: skip
from .registry import create_model, list_models

__all__ = ["PVT", "Backbone", "CSwin", "DeiT", "PVTv2", "Swin", "create_model", "list_models"]
