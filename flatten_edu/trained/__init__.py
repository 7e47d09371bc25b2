"""Small networks that are trained already, so that the course can look at them at once.

No published weights come with this package. These were trained in minutes on a CPU, on the task
`flatten_edu.tasks.colours`, by the command that README.md in this folder names: enough to look
into, no rivals of anything.
"""

import re
from pathlib import Path

from torch import nn

from ..arms import find_arm
from ..backbones.registry import nearest
from ..checkpoints import load_checkpoint
from ..files import read_about
from ..tasks import colours

FOLDER = Path(__file__).parent
ARMS = ("softmax", "linear", "focused+dwc")


def path(arm: str) -> Path:
    """The file of a network's weights.

    >>> path("focused+dwc").name
    'colours_focused_dwc.safetensors'
    """
    if arm not in ARMS:
        near = nearest(str(arm), list(ARMS))
        raise ValueError(
            f"no network was trained with arm {arm!r}; did you mean {near!r}? "
            f"There are {', '.join(ARMS)}"
        )
    return FOLDER / f"colours_{re.sub(r'[^a-z0-9]+', '_', arm)}.safetensors"


def load(arm: str) -> nn.Module:
    """A trained network, ready to be used: b 4 112 112 -> b 196 7.

    Args:
        arm: its attention, one of `ARMS`.

    Raises:
        ValueError: for another arm; the line has the nearest.

    >>> load("linear")(torch.zeros(1, 4, 112, 112)).shape
    torch.Size([1, 196, 7])
    """
    file = path(arm)
    model = colours.network(find_arm(arm))
    load_checkpoint(model, file)
    return model.eval()


def metrics(arm: str) -> dict[str, float]:
    """What the training measured in its last epoch, accuracies between 0 and 1.

    >>> 0.5 < metrics("linear")["test_accuracy"] < 1
    True
    """
    return read_about(path(arm))["metrics"]
