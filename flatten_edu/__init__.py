"""Learn focused linear attention by seeing it.

A small library on the FLatten Transformer (Han et al., ICCV 2023): the attention mechanisms, the
backbones with one switch between them, and what the course's notebooks look at them with.

Each name is imported when it is first asked for. So the command line works, and `flatten-edu
doctor` can say what is wrong, on a machine where torch does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .timm_hook import register_when_imported

if TYPE_CHECKING:
    from . import analysis, attention, backbones, coursework, gallery
    from .backbones import create_model, list_models
    from .checkpoints import load_checkpoint
    from .explorer import explore

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

# The rooms, and the functions that have no need to name theirs.
_ROOMS = ("analysis", "attention", "backbones", "coursework", "data", "gallery", "plots", "tasks",
          "training")  # fmt: skip
_FUNCTIONS = {
    "create_model": "backbones",
    "list_models": "backbones",
    "load_checkpoint": "checkpoints",
    "explore": "explorer",
}


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(import_module(f".{_FUNCTIONS[name]}", __name__), name)
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS, *_FUNCTIONS})


register_when_imported()
