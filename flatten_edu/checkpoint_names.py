"""How others name what this package has, as data: (pattern, our name) in the order of use."""

# Where a saved run keeps the weights, in the order of preference.
WRAPPERS = ("model", "state_dict", "model_ema", "state_dict_ema")

# Buffers that follow from the sizes; they are made anew.
DERIVED = ("relative_position_index", "attn_mask")

# Tables with a row for each place of a grid, which their module keeps as `grid`.
TABLES = ("pos_embed", "positional_encoding", "relative_position_bias_table")


def _staged(pattern: str, ours: str) -> list[tuple[str, str]]:
    """A rule for each of four stages: {n} counts them from 1, {i} from 0."""
    return [(pattern.format(n=n, i=n - 1), ours.format(i=n - 1)) for n in range(1, 5)]


_ATTENTION = [
    (r"(^|\.)(scale|positional_encoding)$", r"\1mixer.mechanism.\2"),
    (r"(^|\.)dwc\.", r"\1mixer.depthwise."),
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
    "timm's DeiT": [(r"^patch_embed\.proj\.", "patch_embed."), *_ATTENTION],
}
