"""Arms of a comparison by name: a mechanism, and a branch beside it or none.

    softmax, linear, focused    a mechanism alone; so is every other name of attention.NAMES
    focused+dwc                 with the 5 x 5 depthwise branch: the paper's module
    focused+1x1                 with a branch that sees its own token: full rank, no neighbours
    focused+permuted            with a 5 x 5 branch over shuffled places: full rank likewise
    dwc, none                   the branch alone, and nothing that mixes tokens
    module:function+dwc         a function of yours, (q, k, v) -> b h n d

The two controls ask what the branch is good for: that it restores the rank (section 4.2 of the
paper), or that it looks at neighbours. The paper does not run them.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .attention import NAMES, DepthwiseBranch, SelfAttention, TokenMixer
from .attention.checks import shown
from .backbones.registry import nearest

BRANCHES = ("dwc", "1x1", "permuted")
# What `compare` runs when no arms are named: nothing, each mechanism with and without the branch.
ARMS = (
    "softmax",
    "softmax+dwc",
    "linear",
    "linear+dwc",
    "focused",
    "focused+dwc",
    "focused+permuted",
    "focused+1x1",
    "dwc",
    "none",
)


def no_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Zeros b h n d: what is left is the branch, if there is one."""
    return v.new_zeros(*q.shape[:3], v.shape[3])


@dataclass(frozen=True)
class Arm:
    """One mechanism with one kind of branch; `find_arm` makes it from its name.

    Args:
        name: as it stands in results.
        attention: what `attention=` of the models is.
        branch: None, "dwc", "1x1" or "permuted".
    """

    name: str
    attention: str | Callable
    branch: str | None

    def options(self) -> dict[str, Any]:
        """What `create_model` and `SelfAttention` are called with."""
        size = 1 if self.branch == "1x1" else 5
        return {
            "attention": self.attention,
            "depthwise": self.branch is not None,
            "kernel_size": size,
        }

    def finish(self, model: nn.Module) -> nn.Module:
        """What no option says: shuffled branches, and projections that nothing reads stay fixed."""
        for module in list(model.modules()):
            if self.branch == "permuted" and isinstance(module, TokenMixer):
                assert module.depthwise is not None
                module.depthwise = PermutedBranch.like(module.depthwise)
            if self.attention is no_attention and isinstance(module, SelfAttention):
                module.q.requires_grad_(False)
                module.kv.requires_grad_(self.branch is not None)
        return model


class PermutedBranch(DepthwiseBranch):
    """The depthwise branch over places in a shuffled order: full rank, and no neighbours.

    M = P^T M_DWC P, with a permutation P of the tokens that depends on their number alone.

    >>> branch = PermutedBranch(8, kernel_size=5)
    >>> branch(torch.randn(2, 49, 8), grid=(7, 7)).shape
    torch.Size([2, 49, 8])
    """

    @classmethod
    def like(cls, branch: DepthwiseBranch) -> PermutedBranch:
        """The same kernels over shuffled places."""
        shuffled = cls(branch.in_channels, branch.kernel_size[0]).to(branch.weight)
        shuffled.load_state_dict(branch.state_dict())
        return shuffled

    def forward(self, v: Tensor, grid: tuple[int, int]) -> Tensor:
        """Shuffle the tokens, convolve, put them back: b (y x) c -> b (y x) c."""
        order = shuffled(v.shape[1]).to(v.device)
        return super().forward(v[:, order], grid)[:, order.argsort()]

    def matrix(self, grid: tuple[int, int]) -> Tensor:
        """P^T M_DWC P of each channel, d (y x) (y x)."""
        back = shuffled(grid[0] * grid[1]).argsort()
        return super().matrix(grid)[:, back][:, :, back]


def shuffled(tokens: int) -> Tensor:
    """One fixed order of so many tokens."""
    return torch.randperm(tokens, generator=torch.Generator().manual_seed(tokens))


def find_arm(name: str) -> Arm:
    """The arm of that name; see the top of this file for the names.

    Raises:
        ValueError: for an unknown mechanism, branch, module or function; the line has the nearest.

    >>> find_arm("focused+dwc").options()
    {'attention': 'focused', 'depthwise': True, 'kernel_size': 5}
    >>> find_arm("linear").branch is None
    True
    """
    if not isinstance(name, str):
        raise TypeError(f"name of an arm must be a word, such as 'focused+dwc', not {shown(name)}")
    if name in ("dwc", "none"):
        return Arm(name, no_attention, "dwc" if name == "dwc" else None)
    attention, plus, branch = name.partition("+")
    if plus and branch not in BRANCHES:
        raise ValueError(
            f"arm {name!r}: unknown branch {branch!r}; did you mean "
            f"{attention}+{nearest(branch, list(BRANCHES))}? Known are {', '.join(BRANCHES)}"
        )
    if attention not in NAMES and ":" not in attention:
        near = nearest(name, list(ARMS))
        raise ValueError(
            f"unknown arm {name!r}; did you mean {near!r}? Known are {', '.join(ARMS)}, other "
            "names of attention.NAMES, and functions of yours as module:function"
        )
    return Arm(name, resolve(attention), branch if plus else None)


def resolve(attention):
    """The function that "module:function" names; names of mechanisms stay as they are.

    Raises:
        ValueError: for an unknown mechanism, module or function; the line names it.

    >>> resolve("flatten_edu.attention:linear_attention").__name__, resolve("focused")
    ('linear_attention', 'focused')
    """
    if isinstance(attention, (list, tuple)):
        return [resolve(entry) for entry in attention]
    if not isinstance(attention, str) or attention in NAMES:
        return attention
    if ":" not in attention:
        raise ValueError(
            f"unknown attention {attention!r}; did you mean {nearest(attention, list(NAMES))!r}? "
            f"Known are {', '.join(NAMES)}, and a function of yours as module:function"
        )
    module, _, name = attention.partition(":")
    if not all(part.isidentifier() for part in module.split(".")):
        raise ValueError(
            f"attention {attention!r} names no function: it must be module:function, such as "
            "mine:squared"
        )
    found: Any = _module(module, attention)
    for part in name.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), n=1, cutoff=0.5)
            hint = f"; did you mean {module}:{near[0]}?" if near else ""
            raise ValueError(f"attention {attention!r}: {module} has no {part!r}{hint}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"attention {attention!r} is no function but {type(found).__name__}")
    return found


def _module(name: str, attention: str):
    """The module of "module:function"; one that itself fails to import shows its own error."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not error.name or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ValueError(
            f"attention {attention!r}: there is no module {error.name!r} on Python's path; "
            "for a file my_attention.py in this folder say my_attention:function"
        ) from error


def written(attention):
    """The reverse of `resolve`, for files: a function becomes "module:function".

    >>> written([no_attention, "softmax"])
    ['flatten_edu.arms:no_attention', 'softmax']
    """
    if isinstance(attention, (list, tuple)):
        return [written(entry) for entry in attention]
    if callable(attention):
        name = getattr(attention, "__qualname__", type(attention).__name__)
        return f"{attention.__module__}:{name}"
    return attention
