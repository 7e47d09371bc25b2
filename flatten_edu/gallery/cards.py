"""One card a mechanism: where it comes from, what it changes, what it costs, what was reported."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Card:
    """What to know about a mechanism.

    Attributes:
        name: what `attention=` is called with.
        title, venue, arxiv: the paper.
        idea: the one change.
        repairs: which of "focus", "rank", "norm", "signs", "cost", "locality", "normalisation" it
            aims at.
        cost: multiply-adds a head, for n queries, m keys, d channels (a, r: agents, landmarks or
            features).
        map: what its map is, where it is not simply one between tokens.
        reported: top-1 on ImageNet-1K at 224 pixels, by network, as reported.
        other: what was reported on other networks.
    """

    name: str
    title: str
    venue: str
    arxiv: str
    idea: str
    repairs: tuple[str, ...]
    cost: str = "2 n d²"
    map: str = ""
    reported: dict[str, float] = field(default_factory=dict)
    other: str = ""

    @property
    def year(self) -> int:
        """The year in which it was first public."""
        return 2000 + int(self.arxiv[:2])


def _top1(deit: float | None, pvt: float | None, swin: float | None) -> dict[str, float]:
    numbers = {"DeiT-T": deit, "PVT-T": pvt, "Swin-T": swin}
    return {network: top1 for network, top1 in numbers.items() if top1 is not None}


# Numbers of efficient, hydra, linear_angular and litemla on DeiT-T and Swin-T, and those of the
# first three cards: tables 2 to 4 of the focused paper. All others: each paper's own.
_CARDS = (
    Card(
        "softmax",
        "Attention Is All You Need",
        "NeurIPS 2017",
        "1706.03762",
        "every query is compared with every key",
        (),
        "2 n m d",
        reported=_top1(72.2, 75.1, 81.3),
    ),
    Card(
        "linear",
        "Transformers are RNNs: Fast Autoregressive Transformers with Linear Attention",
        "ICML 2020",
        "2006.16236",
        "a kernel instead of the exponential, so that the brackets may move",
        ("cost",),
        reported=_top1(70.5, None, None),
    ),
    Card(
        "focused",
        "FLatten Transformer: Vision Transformer using Focused Linear Attention",
        "ICCV 2023",
        "2308.00442",
        "features turn towards their nearest axis; a depthwise convolution restores the rank",
        ("focus", "rank"),
        reported=_top1(74.1, 77.8, 82.1),
    ),
    Card(
        "efficient",
        "Efficient Attention: Attention with Linear Complexities",
        "WACV 2021",
        "1812.01243",
        "two softmaxes: over the channels of a query, over the tokens of the keys",
        ("cost", "normalisation"),
        reported=_top1(70.2, None, 81.0),
    ),
    Card(
        "hydra",
        "Hydra Attention: Efficient Attention with Many Heads",
        "ECCV 2022 workshops",
        "2209.07484",
        "as many heads as channels, with a cosine kernel",
        ("cost",),
        "2 n d",
        map="one of rank 1 a channel; shown is their mean over a head",
        reported=_top1(68.3, None, 80.7),
    ),
    Card(
        "cosformer",
        "cosFormer: Rethinking Softmax in Attention",
        "ICLR 2022",
        "2202.08791",
        "a cosine that fades with the distance in the token order",
        ("focus", "locality"),
        "4 n d²",
    ),
    Card(
        "performer",
        "Rethinking Attention with Performers",
        "ICLR 2021",
        "2009.14794",
        "random features whose product is softmax on average",
        ("cost", "focus"),
        "4 n r d",
    ),
    Card(
        "nystrom",
        "Nyströmformer: A Nyström-based Algorithm for Approximating Self-Attention",
        "AAAI 2021",
        "2102.03902",
        "softmax seen through means of consecutive tokens",
        ("cost", "focus"),
        "4 n r d + r³",
        other="T2T-ViT-Nys-14 78.0, put in without training again",
    ),
    Card(
        "xca",
        "XCiT: Cross-Covariance Image Transformers",
        "NeurIPS 2021",
        "2106.09681",
        "channels attend to channels",
        ("cost",),
        map="none between tokens: it is one between channels",
        other="XCiT-T12/16 77.1",
    ),
    Card(
        "linear_angular",
        "Castling-ViT: Compressing Self-Attention via Switching Towards Linear-Angular Attention",
        "CVPR 2023",
        "2211.10526",
        "the first terms of the angle between query and key, one of them the token itself",
        ("cost", "rank"),
        map="that of the sum before it is divided by its length",
        reported=_top1(70.8, None, 79.4),
    ),
    Card(
        "litemla",
        "EfficientViT: Multi-Scale Linear Attention for High-Resolution Dense Prediction",
        "ICCV 2023",
        "2205.14756",
        "more heads, on queries, keys and values after a convolution",
        ("locality",),
        "4 n d²",
        map="that of the first scale",
        reported=_top1(72.9, None, 81.8),
        other="EfficientViT-B1 79.4, B2 82.1, B3 83.5",
    ),
    Card(
        "slab",
        "SLAB: Efficient Transformers with Simplified Linear Attention and Progressive "
        "Re-parameterized Batch Normalization",
        "ICML 2024",
        "2405.11582",
        "ReLU and the depthwise convolution, without the focusing",
        ("rank",),
        reported=_top1(74.3, 76.5, 81.8),
    ),
    Card(
        "agent",
        "Agent Attention: On the Integration of Softmax and Linear Attention",
        "ECCV 2024",
        "2312.08874",
        "pooled queries gather the values, and queries gather from them",
        ("focus",),
        "4 n a d",
        reported=_top1(74.9, 78.4, 82.6),
    ),
    Card(
        "inline",
        "Bridging the Divide: Reconsidering Softmax and Linear Attention",
        "NeurIPS 2024",
        "2412.06590",
        "rows are made to sum to one by subtraction, not by division",
        ("norm", "locality"),
        reported=_top1(74.5, 78.2, 82.4),
    ),
    Card(
        "polaformer",
        "PolaFormer: Polarity-aware Linear Attention for Vision Transformers",
        "ICLR 2025",
        "2501.15061",
        "one map for pairs of like sign, one for pairs of unlike sign, with learned powers",
        ("signs", "focus", "rank"),
        "4 n d²",
        map="the mean of the two, of which each mixes half of the channels",
        reported=_top1(None, 78.8, 82.6),
    ),
    Card(
        "rala",
        "Breaking the Low-Rank Dilemma of Linear Attention",
        "CVPR 2025",
        "2411.07635",
        "keys weighed by how well they answer the mean query",
        ("rank",),
        other="RAVLT-S 84.4",
    ),
    Card(
        "mala",
        "Rectifying Magnitude Neglect in Linear Attention",
        "ICCV 2025",
        "2507.00698",
        "the row sum is taken off instead of divided by",
        ("norm",),
        reported=_top1(75.1, None, 83.7),
    ),
    Card(
        "nalaformer",
        "Norm x Direction: Restoring the Missing Query Norm in Vision Linear Attention",
        "ICML 2026",
        "2506.21137",
        "the query's length sets the power of its direction",
        ("norm", "signs", "rank"),
        "4 n d²",
        other="NaLaFormer-XT 79.1, NaLaFormer-T 82.6",
    ),
)

CARDS = {card.name: card for card in _CARDS}
