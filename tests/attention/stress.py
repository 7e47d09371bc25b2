"""What a layer must bear in every dtype, and the layer that bears it."""

import torch

from flatten_edu.attention import SelfAttention

# The largest difference to float64, over the largest value.
BOUNDS = {torch.float32: 5e-6, torch.bfloat16: 3e-2, torch.float16: 5e-3}
SIZES = (0.01, 0.1, 1, 10, 100)


def layer(attention="focused", p=3, grid=14):
    """64 channels in 4 heads, whose projections keep the size of what comes."""
    torch.manual_seed(0)
    module = SelfAttention(64, 4, attention, grid=grid, p=p)
    for parameter in module.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=1 / 8)
    return module


def error(output, reference):
    """The largest difference to a reference in float64, over its largest value."""
    assert output.isfinite().all()
    return ((output.double() - reference).abs().max() / reference.abs().max()).item()
