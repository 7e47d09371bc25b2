"""The networks for users of timm: `timm.create_model("flatten_swin_tiny", num_classes=10)`.

When a program imports timm, before or after this package, the names are registered there (see
`flatten_edu.timm_hook`).
"""

from collections.abc import Callable
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
