"""The mechanisms, one a file, each read from top to bottom: the equation, the function, the module.

Letters mean the same everywhere: b batch, h heads, n queries, m keys, d channels of a head,
c channels of all heads, y x the grid of tokens.
"""

from .depthwise import DepthwiseBranch, depthwise_matrix
from .focused import Focused, focus, focused_attention
from .linear import kernel_attention, linear_attention, positive
from .mechanism import Mechanism
from .registry import NAMES, has_branch, is_linear, make_mechanism, register
from .self_attention import SelfAttention, TokenMixer
from .softmax import Softmax, softmax_attention

__all__ = [
    "NAMES",
    "DepthwiseBranch",
    "Focused",
    "Mechanism",
    "SelfAttention",
    "Softmax",
    "TokenMixer",
    "depthwise_matrix",
    "focus",
    "focused_attention",
    "has_branch",
    "is_linear",
    "kernel_attention",
    "linear_attention",
    "make_mechanism",
    "positive",
    "register",
    "softmax_attention",
]
