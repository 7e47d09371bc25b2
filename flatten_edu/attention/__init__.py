"""The mechanisms, one a file, each read from top to bottom: the equation, the function, the module.

Letters mean the same everywhere: b batch, h heads, n queries, m keys, d channels of a head,
c channels of all heads, y x the grid of tokens.
"""

from .depthwise import DepthwiseBranch, depthwise_matrix
from .focused import Focused, focus, focused_attention
from .linear import kernel_attention, linear_attention, positive
from .mechanism import Mechanism
from .registry import NAMES, make_mechanism
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
    "kernel_attention",
    "linear_attention",
    "make_mechanism",
    "positive",
    "softmax_attention",
]
