"""What attention costs on this machine: one layer and whole networks, forms of them in turn.

`flatten-edu bench` measures, and writes numbers, tables and a picture. The library's own forms are
compared with softmax on torch's fused attention and with two rivals (`rivals`): plain linear
attention as lean as it can be written, and the paper's steps written down straight away.
"""

from .measure import measure
from .report import tables, to_markdown
from .results import Result, Row
from .settings import Settings

__all__ = ["Result", "Row", "Settings", "measure", "tables", "to_markdown"]
