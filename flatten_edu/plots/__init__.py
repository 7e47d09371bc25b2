"""The course's pictures: one function a picture, each returns a matplotlib Figure.

A picture looks up or computes what it shows, draws it at fixed places on a white card, and says it
in words in its attribute `alt`. `fe.explore(plots.figure4, p=[1, 2, 3])` gives it sliders.
"""

from ..extras import need

need("matplotlib", extra="lab")

from .ablation import TABLE4, ablation, ablation_facts  # noqa: E402
from .banded import depthwise  # noqa: E402
from .brackets import brackets, multiply_adds  # noqa: E402
from .branch import branch_kernel  # noqa: E402
from .cliff import cliff, random_spectrum  # noqa: E402
from .controls import CONTROLS, control_mean, control_rows, controls  # noqa: E402
from .cost import cost  # noqa: E402
from .entropy import entropy, random_entropy, random_queries  # noqa: E402
from .families import families, network  # noqa: E402
from .figure4 import figure4, shares, softmax_shares  # noqa: E402
from .figure5 import figure5, trained_angle, trained_ranks  # noqa: E402
from .kernels import kernels  # noqa: E402
from .memory import bytes_in_words, map_bytes, map_memory  # noqa: E402
from .pair import pair  # noqa: E402
from .peaks import peaks  # noqa: E402
from .photo import PATCHES, fitted_kernel, photo_maps, photo_tokens  # noqa: E402
from .photo_layers import lost_colours, photo_calls, photo_layers, trained_map  # noqa: E402
from .photo_rows import nearness, photo_rows  # noqa: E402
from .precision import focus_error, precision, textbook_focus  # noqa: E402
from .proposition1 import closeness, proposition1, shares_that_hold  # noqa: E402
from .query_scale import moved_weight, query_scale  # noqa: E402
from .rank_bound import rank_bound, ranks  # noqa: E402
from .reach import reach, reached  # noqa: E402
from .recoloured import found_colours, found_share, recoloured  # noqa: E402
from .restored import control_ranks, restored, restored_maps  # noqa: E402
from .row import softmax_row  # noqa: E402
from .rows import digit_map, rows, two_maps  # noqa: E402
from .same_features import output_angles, pair_angles, same_features  # noqa: E402
from .spectrum import digit_spectrum, spectrum  # noqa: E402
from .stage_costs import mixing_cost, stage_costs  # noqa: E402
from .style import COLOURS, Card  # noqa: E402
from .tokens import Tokens, digit_tokens, half_weight  # noqa: E402

__all__ = [
    "COLOURS",
    "CONTROLS",
    "PATCHES",
    "TABLE4",
    "Card",
    "Tokens",
    "ablation",
    "ablation_facts",
    "brackets",
    "branch_kernel",
    "bytes_in_words",
    "cliff",
    "closeness",
    "control_mean",
    "control_ranks",
    "control_rows",
    "controls",
    "cost",
    "depthwise",
    "digit_map",
    "digit_spectrum",
    "digit_tokens",
    "entropy",
    "families",
    "figure4",
    "figure5",
    "fitted_kernel",
    "focus_error",
    "found_colours",
    "found_share",
    "half_weight",
    "kernels",
    "lost_colours",
    "map_bytes",
    "map_memory",
    "mixing_cost",
    "moved_weight",
    "multiply_adds",
    "nearness",
    "network",
    "output_angles",
    "pair",
    "pair_angles",
    "peaks",
    "photo_calls",
    "photo_layers",
    "photo_maps",
    "photo_rows",
    "photo_tokens",
    "precision",
    "proposition1",
    "query_scale",
    "random_entropy",
    "random_queries",
    "random_spectrum",
    "rank_bound",
    "ranks",
    "reach",
    "reached",
    "recoloured",
    "restored",
    "restored_maps",
    "rows",
    "same_features",
    "shares",
    "shares_that_hold",
    "softmax_row",
    "softmax_shares",
    "spectrum",
    "stage_costs",
    "textbook_focus",
    "trained_angle",
    "trained_map",
    "trained_ranks",
    "two_maps",
]
