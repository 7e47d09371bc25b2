"""The numbers that the paper reports (Han et al., ICCV 2023), and nothing that is measured here.

ImageNet rows stand in `complexity.PAPER`, other linear attentions (table 3) on the gallery's cards;
both are handed on from here. A pair is always (softmax baseline, focused).
"""

from typing import NamedTuple

from .complexity import PAPER
from .gallery.cards import CARDS

# network, mechanism, pixels -> parameters in millions, multiply-adds in billions, top-1 in percent.
IMAGENET = PAPER

NETWORKS = {
    "deit_tiny": "DeiT-T",
    "pvt_tiny": "PVT-T",
    "pvt_small": "PVT-S",
    "pvt_v2_b0": "PVTv2-B0",
    "pvt_v2_b1": "PVTv2-B1",
    "pvt_v2_b2": "PVTv2-B2",
    "swin_tiny": "Swin-T",
    "swin_small": "Swin-S",
    "swin_base": "Swin-B",
    "cswin_tiny": "CSwin-T",
    "cswin_small": "CSwin-S",
    "cswin_base": "CSwin-B",
}


class Dense(NamedTuple):
    """One row on detection or segmentation: what is measured, and the paper's pair."""

    task: str
    head: str
    network: str
    measure: str
    softmax: float
    focused: float

    @property
    def gain(self) -> float:
        """Points that focused attention adds.

        >>> COCO[0].gain
        1.5
        """
        return round(self.focused - self.softmax, 2)


def _coco(head: str, network: str, boxes: tuple, masks: tuple) -> tuple[Dense, Dense]:
    return (
        Dense("COCO", head, network, "box AP", *boxes),
        Dense("COCO", head, network, "mask AP", *masks),
    )


COCO: tuple[Dense, ...] = (
    *_coco("Mask R-CNN 1x", "PVT-T", (36.7, 38.2), (35.1, 37.0)),
    *_coco("Mask R-CNN 1x", "Swin-T", (43.7, 44.2), (39.8, 40.2)),
    *_coco("Mask R-CNN 3x", "Swin-T", (46.0, 46.5), (41.6, 42.1)),
    *_coco("Cascade 3x", "Swin-T", (50.4, 50.8), (43.7, 44.1)),
    *_coco("Cascade 3x", "Swin-S", (51.9, 52.2), (45.0, 45.4)),
)
ADE20K: tuple[Dense, ...] = (
    Dense("ADE20K", "S-FPN", "PVT-T", "mIoU", 36.57, 37.21),
    Dense("ADE20K", "UperNet", "Swin-T", "mIoU", 44.51, 44.82),
    Dense("ADE20K", "UperNet", "Swin-S", "mIoU", 47.64, 48.14),
)

# Table 3: top-1 of linear attentions in the same network.
_TABLE_3 = ("hydra", "efficient", "linear_angular", "litemla", "focused", "softmax")
LINEAR_ATTENTIONS: dict[str, dict[str, float]] = {
    network: {name: CARDS[name].reported[network] for name in _TABLE_3}
    for network in ("DeiT-T", "Swin-T")
}

# Table 4: top-1 of DeiT-T as the parts are added.
ABLATION: dict[str, float] = {"vanilla linear": 70.5, "+ f_p": 71.8, "+ DWC": 74.1}
# Tables 5 to 7: top-1 of Swin-T, one setting changed.
POWERS: dict[int, float] = {2: 82.03, 3: 82.11, 4: 81.94, 8: 81.99, 32: 81.88}
WINDOWS: dict[int, float] = {7: 81.6, 14: 81.8, 28: 81.9, 56: 82.1}
STAGES: dict[str, float] = {"1": 81.7, "1-2": 82.1, "1-3": 82.0, "1-4": 81.9}

# Figure 7: the claimed gain in speed at equal accuracy, for this pair.
SPEED_UP = 2.1
SPEED_PAIR = ("swin_base", "softmax"), ("swin_small", "focused")


def imagenet_pairs() -> dict[tuple[str, int], tuple[tuple, tuple]]:
    """(network, pixels) -> the softmax row and the focused row of the ImageNet table.

    >>> imagenet_pairs()["pvt_tiny", 224]
    ((13.2, 1.9, 75.1), (12.2, 2.0, 77.8))
    """
    return {
        (name, size): (row, IMAGENET[name, "focused", size])
        for (name, attention, size), row in IMAGENET.items()
        if attention == "softmax"
    }


def gains() -> dict[tuple[str, int], float]:
    """(network, pixels) -> points of top-1 that focused attention adds.

    >>> gains()["pvt_tiny", 224]
    2.7
    """
    return {key: round(new[2] - old[2], 1) for key, (old, new) in imagenet_pairs().items()}
