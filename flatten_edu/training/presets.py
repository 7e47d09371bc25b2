"""The paper's recipes by name: what was trained on ImageNet, for how long and how (section 5.1).

AdamW, a cosine after an even rise, a learning rate of 1e-3 for each 1,024 images of a batch, weight
decay 0.05, RandAugment, mixup, CutMix and random erasing. What differs from network to network
stands in the table. The strengths of the augmentations, label smoothing and clipping, which the
paper leaves out, are those of DeiT's and Swin's recipes, on which it builds; so is the decay of
CSwin's averaged weights, from CSwin's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..backbones.registry import check_name
from .recipe import Recipe

PRESETS = ("imagenet", "imagenet384")
# Images for which the learning rate below is meant.
IMAGES = 1024


@dataclass(frozen=True)
class Row:
    """A network's line of the table.

    Args:
        drop_path: at the last block.
        warmup: epochs in which the learning rate rises.
        weight_decay: of AdamW.
        ema: share of the old average that is kept at each step; 0 is no average.
        fine: epochs of fine-tuning at 384 pixels; 0 where the paper has none.
    """

    drop_path: float
    warmup: int = 20
    weight_decay: float = 0.05
    ema: float = 0.0
    fine: int = 0


# The paper says nothing of DeiT's drop path, DeiT-S and -B, and PVTv2-B5: DeiT's own, and B4's.
TABLE = {
    "deit_tiny": Row(0.1),
    "deit_small": Row(0.1),
    "deit_base": Row(0.1),
    "pvt_tiny": Row(0.1, warmup=5),
    "pvt_small": Row(0.1, warmup=5),
    "pvt_medium": Row(0.3, warmup=5),
    "pvt_large": Row(0.3, warmup=5),
    "pvt_v2_b0": Row(0.1, warmup=5),
    "pvt_v2_b1": Row(0.1, warmup=5),
    "pvt_v2_b2": Row(0.1, warmup=5),
    "pvt_v2_b3": Row(0.3, warmup=5),
    "pvt_v2_b4": Row(0.3, warmup=5),
    "pvt_v2_b5": Row(0.3, warmup=5),
    "swin_tiny": Row(0.2),
    "swin_small": Row(0.3),
    "swin_base": Row(0.5, fine=30),
    "cswin_tiny": Row(0.2, ema=0.99984),
    "cswin_small": Row(0.4, ema=0.99984),
    "cswin_base": Row(0.5, weight_decay=0.1, ema=0.99992, fine=20),
}
EPOCHS, RATE = 300, 1e-3
# DeiT's and Swin's recipes for ImageNet.
COMMON: dict[str, Any] = {
    "batch_size": IMAGES,
    "clip": 5.0,
    "shift": 0,
    "size": 224,
    "crop": 0.08,
    "flip": 0.5,
    "randaugment": 2,
    "magnitude": 9.0,
    "erasing": 0.25,
    "mixup": 0.8,
    "cutmix": 1.0,
    "label_smoothing": 0.1,
}
# Swin's fine-tuning, which the paper follows: a small learning rate, and almost no decay.
FINE: dict[str, Any] = {"size": 384, "weight_decay": 1e-8, "warmup": 5 / 30}
FINE_RATE = 4e-5
# Larger windows and stripes at 384 pixels, so that they divide the grids.
FINE_OPTIONS: dict[str, dict[str, Any]] = {
    "swin_base": {"window": 12},
    "cswin_base": {"stripes": (1, 2, 12, 12)},
}


def preset(name: str, model: str, batch_size: int = IMAGES) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of a network, and the options of `create_model` that go with it.

    Args:
        name: "imagenet", or "imagenet384", which fine-tunes weights of the first.
        model: a name of `list_models()` that the paper's table has.
        batch_size: images a step; the learning rate grows with it.

    Raises:
        ValueError: for an unknown name, or a network without such a recipe.

    >>> recipe, options = preset("imagenet", "swin_tiny", batch_size=512)
    >>> recipe.epochs, recipe.lr, round(recipe.warmup * recipe.epochs), options
    (300, 0.0005, 20, {'drop_path': 0.2})
    """
    check_name("preset", name, PRESETS)
    known = [key for key, row in TABLE.items() if name == "imagenet" or row.fine]
    if model not in known:
        raise ValueError(
            f"preset {name!r} has no recipe for model {model!r}; it has {', '.join(known)}"
        )
    row, scale = TABLE[model], batch_size / IMAGES
    numbers = COMMON | {"batch_size": batch_size, "ema": row.ema}
    if name == "imagenet":
        rise = row.warmup / EPOCHS
        numbers |= {"epochs": EPOCHS, "lr": RATE * scale, "warmup": rise}
        numbers |= {"weight_decay": row.weight_decay}
    else:
        numbers |= FINE | {"epochs": row.fine, "lr": FINE_RATE * scale}
    options = FINE_OPTIONS[model] if name == "imagenet384" else {}
    return Recipe(**numbers), {"drop_path": row.drop_path} | options
