"""How long whole networks take for one image on this machine, measured in turn (see `timing`)."""

import os
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from .backbones import create_model
from .timing import own_time, samples, threads_set_to

Network = tuple[str, str]


@dataclass(frozen=True)
class Latencies:
    """Median seconds of one image through each network.

    Args:
        seconds: (model, attention) -> seconds.
        pixels: side of the image.
        rounds: how many times each was measured, at the least.
    """

    seconds: dict[Network, float]
    pixels: int
    rounds: int

    def ratio(self, slow: Network, fast: Network) -> float:
        """How many times as long the first network takes.

        >>> Latencies({("a", "softmax"): 0.3, ("b", "focused"): 0.2}, 224, 1).ratio(
        ...     ("a", "softmax"), ("b", "focused"))
        1.5
        """
        return round(self.seconds[slow] / self.seconds[fast], 9)


def measure(
    networks: Iterable[Network],
    pixels: int = 224,
    rounds: int | None = None,
    progress: Callable[[str], object] | None = None,
) -> Latencies:
    """Time one image, forward, in float32 on one CPU thread (its own time), all networks in turn.

    Args:
        networks: pairs (model, attention).
        pixels: side of the image.
        rounds: at least so many; None means 5, or 3 where the environment has FLATTEN_EDU_FAST=1.
        progress: is called with a line for each network in the end, such as `print`.

    >>> sorted(measure([("deit_nano", "focused")], pixels=28, rounds=2).seconds)
    [('deit_nano', 'focused')]
    """
    rounds = rounds or (3 if os.environ.get("FLATTEN_EDU_FAST") == "1" else 5)
    pairs = list(networks)
    calls = {" ".join(pair): _call(*pair, pixels) for pair in pairs}
    with threads_set_to(1), torch.inference_mode():
        found = samples(calls, rounds, clock=own_time)
    seconds = {pair: statistics.median(found[" ".join(pair)]) for pair in pairs}
    for (name, attention), median in seconds.items():
        if progress:
            progress(f"{name:12} {attention:8} {1000 * median:6.0f} ms")
    return Latencies(seconds, pixels, rounds)


def _call(name: str, attention: str, pixels: int) -> Callable[[], object]:
    model = create_model(name, attention=attention, img_size=pixels).eval()
    image = torch.zeros(1, getattr(model, "in_chans", 3), pixels, pixels)
    return lambda: model(image)
