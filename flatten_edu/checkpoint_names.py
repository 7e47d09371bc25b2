"""How others name what this package has, as data: (pattern, our name) in the order of use."""

# Buffers that follow from the sizes; they are made anew.
DERIVED = ("relative_position_index", "attn_mask")

# Tables with a row for each place of a grid, which their module keeps as `grid`.
TABLES = ("pos_embed", "positional_encoding", "relative_position_bias_table")

# Tables (DeiT's, PVT's) that have the class token's place in front.
CLASS_PLACES = ("pos_embed", "stages.3.embed.pos_embed")


def _staged(pattern: str, ours: str) -> list[tuple[str, str]]:
    """A rule for each of four stages: {n} counts them from 1, {i} from 0."""
    return [(pattern.format(n=n, i=n - 1), ours.format(i=n - 1)) for n in range(1, 5)]


_TABLES = r"(scale|positional_encoding|relative_position_bias_table)$"

_ATTENTION = [
    (rf"(^|\.){_TABLES}", r"\1mixer.mechanism.\2"),
    (r"(^|\.)dwc\.", r"\1mixer.depthwise."),
    (r"(^|\.)get_v\.", r"\1places."),
]

# In windows a mixer stands inside another.
_WINDOWS = [
    (rf"(^|\.)attn\.{_TABLES}", r"\1attn.mixer.mixer.mechanism.\2"),
    (r"(^|\.)attn\.dwc\.", r"\1attn.mixer.mixer.depthwise."),
]

_BRANCHES = [
    (r"(^|\.)(q|kv|proj)\.", r"\1attn.\2."),
    (r"(^|\.)attns\.(\d)\.get_v\.", r"\1attn.mixer.branches.\2.places."),
    (r"(^|\.)attns\.(\d)\.dwc\.", r"\1attn.mixer.branches.\2.mixer.depthwise."),
    (rf"(^|\.)attns\.(\d)\.{_TABLES}", r"\1attn.mixer.branches.\2.mixer.mechanism.\3"),
]

NAMES: dict[str, list[tuple[str, str]]] = {
    "our own": [],
    "published PVT": [
        *_staged(r"^block{n}\.", "stages.{i}.blocks."),
        *_staged(r"^patch_embed{n}\.", "stages.{i}.embed."),
        *_staged(r"^pos_embed{n}$", "stages.{i}.embed.pos_embed"),
        *_staged(r"^norm{n}\.", "stages.{i}.norm."),
        (r"\.dwconv\.dwconv\.", ".dwconv."),
        *_ATTENTION,
    ],
    "timm's PVTv2": [
        (r"^patch_embed\.", "stages.0.embed."),
        (r"^(stages\.\d)\.downsample\.", r"\1.embed."),
    ],
    "published Swin": [
        (r"^layers\.(\d)\.blocks\.", r"stages.\1.blocks."),
        *[(rf"^layers\.{i}\.downsample\.", f"stages.{i + 1}.embed.") for i in range(3)],
        (r"^patch_embed\.", "stages.0.embed."),
        *_WINDOWS,
    ],
    "timm's Swin": [
        (r"^layers\.(\d)\.blocks\.", r"stages.\1.blocks."),
        (r"^layers\.(\d)\.downsample\.", r"stages.\1.embed."),
        (r"^patch_embed\.", "stages.0.embed."),
        (r"^head\.fc\.", "head."),
        *_WINDOWS,
    ],
    "published CSwin": [
        *_BRANCHES,
        (r"^stage1_conv_embed\.0\.", "stages.0.embed.proj."),
        (r"^stage1_conv_embed\.2\.", "stages.0.embed.norm."),
        *[(rf"^merge{i}\.conv\.", f"stages.{i}.embed.proj.") for i in range(1, 4)],
        *[(rf"^merge{i}\.norm\.", f"stages.{i}.embed.norm.") for i in range(1, 4)],
        *_staged(r"^stage{n}\.", "stages.{i}.blocks."),
    ],
    "timm's DeiT": [(r"^patch_embed\.proj\.", "patch_embed."), *_ATTENTION],
}
