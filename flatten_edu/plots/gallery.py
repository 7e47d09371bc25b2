"""The pictures of the gallery's chapter, each with every mechanism that has a name."""

from .abilities import abilities
from .answers import answers, photo_row
from .gallery_cost import gallery_cost
from .map_numbers import map_facts, map_numbers
from .query_norm import entropies, moved, query_norm, reacts
from .reported import reported

__all__ = [
    "abilities",
    "answers",
    "entropies",
    "gallery_cost",
    "map_facts",
    "map_numbers",
    "moved",
    "photo_row",
    "query_norm",
    "reacts",
    "reported",
]
