"""How others name what this package has, as data: (pattern, our name) in the order of use."""

# Where a saved run keeps the weights, in the order of preference.
WRAPPERS = ("model", "state_dict", "model_ema", "state_dict_ema")

# Buffers that follow from the sizes; they are made anew.
DERIVED = ("relative_position_index", "attn_mask")

# Tables with a row for each place of a grid, which their module keeps as `grid`.
TABLES = ("pos_embed", "positional_encoding", "relative_position_bias_table")

_ATTENTION = [
    (r"(^|\.)(scale|positional_encoding)$", r"\1mixer.mechanism.\2"),
    (r"(^|\.)dwc\.", r"\1mixer.depthwise."),
]

NAMES: dict[str, list[tuple[str, str]]] = {
    "our own": [],
    "published": _ATTENTION,
    "timm's DeiT": [(r"^patch_embed\.proj\.", "patch_embed."), *_ATTENTION],
}
