"""Learn focused linear attention by seeing it.

A small library on the FLatten Transformer (Han et al., ICCV 2023): the attention mechanisms, the
backbones with one switch between them, and what the course's notebooks look at them with.
"""

from . import analysis, attention, backbones, coursework, gallery
from .backbones import create_model, list_models
from .checkpoints import load_checkpoint
from .explore import explore

__version__ = "0.1.0"

__all__ = [
    "analysis",
    "attention",
    "backbones",
    "coursework",
    "create_model",
    "explore",
    "gallery",
    "list_models",
    "load_checkpoint",
]
