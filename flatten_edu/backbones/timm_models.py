"""The networks for users of timm: `timm.create_model("flatten_swin_tiny", num_classes=10)`.

Nothing is imported here: when a program imports timm, before or after this package, the names are
registered there. Without timm nothing happens.
"""

import importlib.util
import sys
import warnings
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from typing import Any

from torch import nn

from .registry import create_model, list_models

# What timm's data pipeline asks of a model; none has weights to download.
_CONFIG: dict[str, Any] = {
    "url": "",
    "num_classes": 1000,
    "input_size": (3, 224, 224),
    "crop_pct": 0.9,
    "interpolation": "bicubic",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "classifier": "head",
}
default_cfgs = {f"flatten_{name}": dict(_CONFIG) for name in list_models()}


def register_in_timm() -> list[str]:
    """Make each network known to timm as "flatten_" and its name; returns these names."""
    from timm.models import register_model  # pyright: ignore[reportMissingImports]

    return [register_model(entry_point(name)).__name__ for name in list_models()]


def entry_point(name: str) -> Callable[..., nn.Module]:
    """What timm calls for a network: its names of options, then those of `create_model`."""

    def make(pretrained: bool = False, **options) -> nn.Module:
        if pretrained:
            raise ValueError(
                f"pretrained=True: no weights are offered for flatten_{name}; "
                "load a file with flatten_edu.load_checkpoint(model, path)"
            )
        for unused in ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"):
            options.pop(unused, None)
        if not options.get("drop_rate"):
            options.pop("drop_rate", None)
        if "drop_path_rate" in options:
            options["drop_path"] = options.pop("drop_path_rate")
        model: Any = create_model(name, **options)
        size = (model.in_chans, *model.img_size)
        config = _CONFIG | {"num_classes": model.num_classes, "input_size": size}
        model.default_cfg = model.pretrained_cfg = config
        return model

    make.__name__ = make.__qualname__ = f"flatten_{name}"
    return make


def register_when_imported() -> None:
    """Register now if timm is there, else as soon as it is imported."""
    if "timm" in sys.modules:
        _try_to_register()
    else:
        sys.meta_path.insert(0, _WhenImported())


def _try_to_register() -> None:
    try:
        register_in_timm()
    except ImportError as error:
        warnings.warn(
            f"timm is too different to register our networks in it: {error}", stacklevel=2
        )


class _WhenImported(MetaPathFinder):
    """Waits for the import of timm, finds it as everybody does, and registers afterwards."""

    def find_spec(self, fullname: str, path, target=None):
        """The spec of timm with one step more; None for everything else."""
        if fullname != "timm":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenRegister(spec.loader)
        return spec


class _ThenRegister(Loader):
    def __init__(self, loader: Loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module) -> None:
        self.loader.exec_module(module)
        _try_to_register()

    def __getattr__(self, name: str):
        return getattr(self.loader, name)
