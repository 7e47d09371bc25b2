"""The gallery: what came before focused attention and after it, one mechanism a file.

Importing it makes every name known to `attention=`, in `SelfAttention` and in every backbone.
"""

from .agent import Agent, agent_attention
from .cards import CARDS, Card
from .cosformer import cosformer_attention
from .efficient import efficient_attention
from .hydra import Hydra, hydra_attention
from .inline import inline_attention
from .linear_angular import LinearAngular, angular_mixing, linear_angular_attention
from .litemla import LiteMLA, litemla_attention
from .mala import mala_attention
from .maps import mixing
from .nalaformer import nalaformer_attention
from .nystrom import nystrom_attention
from .own import add, remove, shown
from .performer import Performer, performer_attention, random_directions
from .polaformer import PolaFormer, polaformer_attention, sign_mixing
from .rala import rala_attention
from .rotary import rotary_angles
from .slab import SLAB, relu_linear_attention
from .xca import XCA, channel_map, xca_attention

__all__ = [
    "CARDS",
    "SLAB",
    "XCA",
    "Agent",
    "Card",
    "Hydra",
    "LinearAngular",
    "LiteMLA",
    "Performer",
    "PolaFormer",
    "add",
    "agent_attention",
    "angular_mixing",
    "channel_map",
    "cosformer_attention",
    "efficient_attention",
    "hydra_attention",
    "inline_attention",
    "linear_angular_attention",
    "litemla_attention",
    "mala_attention",
    "mixing",
    "nalaformer_attention",
    "nystrom_attention",
    "performer_attention",
    "polaformer_attention",
    "rala_attention",
    "random_directions",
    "relu_linear_attention",
    "remove",
    "rotary_angles",
    "shown",
    "sign_mixing",
    "xca_attention",
]
