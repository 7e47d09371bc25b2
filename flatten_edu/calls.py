"""What each attention of a network was given and gave, so that its maps can be taken apart.

`analysis.record` keeps the maps alone. A call keeps queries, keys and values as well: the map can
be computed again with another p, and M_eq V can be held against what really came out.
"""

import copy
from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from .analysis import block_name, mixer_map
from .attention import TokenMixer
from .attention.focused import Focused


@dataclass(frozen=True)
class Call:
    """One call of a `TokenMixer` in self-attention, in float64.

    Args:
        mixer: the part between the projections.
        q, k, v: what it was given, b n c.
        grid: (rows, columns) of the tokens.
    """

    mixer: TokenMixer
    q: Tensor
    k: Tensor
    v: Tensor
    grid: tuple[int, int]

    def map(self, p: float | None = None) -> Tensor:
        """The attention map, b h n n; with `p`, as it would be with that focusing power here."""
        return mixer_map(self.mixer if p is None else self.with_power(p), *self.inputs())

    def with_power(self, p: float) -> TokenMixer:
        """The same mixer with another p; one without any p stays as it is."""
        mixer = copy.deepcopy(self.mixer)
        if isinstance(mixer.mechanism, Focused):
            mixer.mechanism.p = p
        return mixer

    @torch.no_grad()
    def output(self) -> Tensor:
        """What the mixer makes of its inputs, before the output projection: b n c."""
        return self.mixer(*self.inputs())

    @torch.no_grad()
    def branch(self) -> Tensor:
        """M_DWC of each channel of a head, d n n, without its bias; zeros where there is none."""
        if self.mixer.depthwise is None:
            n = self.q.shape[1]
            return self.q.new_zeros(self.q.shape[2] // self.mixer.heads, n, n)
        return self.mixer.depthwise.matrix(self.grid)

    def equivalent(self, p: float | None = None) -> Tensor:
        """M_eq = attention + M_DWC, b h d n n: for each channel of each head its own."""
        return rearrange(self.map(p), "b h n m -> b h 1 n m") + self.branch()

    def values(self) -> Tensor:
        """The values by head and channel, b h d n."""
        return rearrange(self.v, "b n (h d) -> b h d n", h=self.mixer.heads)

    def inputs(self) -> tuple[Tensor, Tensor, Tensor, tuple[int, int]]:
        """Queries, keys, values and their grid."""
        return self.q, self.k, self.v, self.grid


@torch.no_grad()
def calls(model: nn.Module, images: Tensor) -> dict[str, Call]:
    """Run images through a copy of the model in float64, and keep the call of each block.

    Args:
        model: a network whose attention is global self-attention, such as a DeiT.
        images: b c y x.

    Returns:
        name of the block -> `Call`, in the order in which they came.

    >>> model = fe.create_model("deit_nano", attention="focused")
    >>> call = calls(model, torch.randn(1, 1, 28, 28))["blocks.0"]
    >>> mixed = torch.einsum("b h d n m, b h d m -> b h d n", call.equivalent(), call.values())
    >>> out = call.output() - call.mixer.depthwise.bias.repeat(3)
    >>> torch.allclose(rearrange(mixed, "b h d n -> b n (h d)"), out)
    True
    """
    model = copy.deepcopy(model).double().eval().requires_grad_(False)
    found: dict[str, Call] = {}
    handles = []
    for name, part in model.named_modules():
        if isinstance(part, TokenMixer):

            def hook(mixer, given, named, out, name=name):
                q, k, v, grid = (*given, *named.values())[:4]
                found[block_name(name)] = Call(mixer, q, k, v, grid)

            handles.append(part.register_forward_hook(hook, with_kwargs=True))
    model(images.double())
    for handle in handles:
        handle.remove()
    return found
