"""The measurement itself: groups of forms that are run in turn, the small before the large.

The order can count on a CPU: what an allocator gives back to the system depends on the largest
piece that was freed before. So memory is kept, if the settings do not say otherwise, and training
comes first, then sizes rise, then comes the compiler.
"""

import copy
import dataclasses
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from ..attention import SelfAttention
from ..backbones import create_model
from ..backbones.common import Block
from ..timing import samples, threads_set_to
from .machine import describe, peak_memory, product_rate, synchroniser
from .results import Result, Row, rows_of
from .rivals import PlainLinear, Straightforward
from .settings import Settings, side

Calls = dict[str, Callable[[], object]]

# So long a GPU is kept busy in each measurement, as a network keeps it.
_SHORTEST = 0.02


def measure(
    settings: Settings,
    command: str = "",
    progress: Callable[[str, int], object] = lambda title, rounds: None,
) -> Result:
    """Measure everything that the settings name.

    Args:
        settings: what and how.
        command: what was typed, kept in the result.
        progress: is called with the title of the running group and the rounds that are new.

    Returns:
        `Result`. Ctrl-C ends it early, with the groups that were measured until then.

    >>> few = Settings(16, 2, 1, (4, 9), (4,), (), (), (), rounds=2, seconds=0)
    >>> [round.form for round in measure(few).rows][:3]
    ['softmax', 'straightforward', 'readable']
    """
    with threads_set_to(settings.threads):
        if settings.compiled or settings.compile_models:
            check_compiler(settings)
        machine = describe(settings)
        result = Result(command, machine, dataclasses.asdict(settings), product_rate(settings))
        try:
            for work, size, calls in _groups(settings):
                result.rows += _group(settings, work, size, calls(), progress)
                if work == "forward":
                    # The machine may have become slower or faster since the start.
                    result.peaks[size] = product_rate(settings)
        except KeyboardInterrupt:
            if not result.rows:
                raise
            result.stopped = True
    return result


def check_compiler(settings: Settings) -> None:
    """Raise a ValueError in one line if torch.compile does not work here."""
    try:
        torch.compile(torch.relu, fullgraph=True)(torch.zeros(4, device=settings.device))
    except Exception as error:
        raise ValueError(
            f"torch.compile does not work here ({type(error).__name__}); leave the compiled form "
            "out with an empty --compiled"
        ) from error


def _groups(settings: Settings) -> Iterator[tuple[str, int, Callable[[], Calls]]]:
    """Work, size, and what makes the calls, for each group."""
    layers = (
        ("training", settings.training, training_calls),
        ("forward", settings.tokens, forward_calls),
        ("compiled", settings.compiled, compiled_calls),
    )
    for work, sizes, make in layers:
        for n in sizes:
            yield work, n, partial(make, settings, n)
    for name in settings.models:
        for image in settings.images:
            yield name, image, partial(network_calls, settings, name, image)


def _group(settings: Settings, work: str, size: int, calls: Calls, progress: Callable) -> list[Row]:
    title = f"{work}, {size}"
    progress(title, 0)
    found = samples(
        calls,
        # Quartiles need two rounds.
        max(settings.rounds, 2),
        settings.seconds,
        settings.timer,
        synchroniser(settings.device),
        lambda number: progress(title, int(number <= settings.rounds)),
        0 if settings.device == "cpu" else _SHORTEST,
    )
    memory = {form: peak_memory(call, settings.device) for form, call in calls.items()}
    network = work in settings.models
    numbers = 3 * size * size if network else size * settings.width
    unit = settings.batch * numbers * settings.torch_dtype.itemsize
    return rows_of(work, size, found, memory, unit, settings.batch)


def forward_calls(settings: Settings, tokens: int) -> Calls:
    """Every form of the layer without gradients."""
    focused = _focused(settings, tokens)
    layers = {
        "softmax": _place(settings, _layer(settings, tokens, "softmax").eval()),
        "plain linear": _place(settings, PlainLinear(settings.width, settings.heads)),
        "straightforward": _place(settings, _straightforward(settings, tokens)),
        # The layer computes as it is written while it is training.
        "readable": copy.deepcopy(focused).train(),
        "focused": focused.eval(),
    } | {name: layer.eval() for name, layer in _others(settings, tokens).items()}
    x = _map(settings, tokens)
    return {form: _forward(layer, x) for form, layer in layers.items()}


def compiled_calls(settings: Settings, tokens: int) -> Calls:
    """The compiled form, beside those that it is compared with, which are compiled as well."""
    torch._dynamo.reset()
    calls = forward_calls(dataclasses.replace(settings, attention=()), tokens)
    del calls["plain linear"]
    layers = {
        "compiled softmax": _layer(settings, tokens, "softmax"),
        "compiled linear": _layer(settings, tokens, "linear"),
        "compiled straightforward": _straightforward(settings, tokens),
        "compiled": _layer(settings, tokens, "focused"),
    }
    x = _map(settings, tokens)
    for form, layer in layers.items():
        placed = _place(settings, layer.eval())
        calls[form] = _forward(torch.compile(placed, fullgraph=True, dynamic=True), x)
    return calls


def training_calls(settings: Settings, tokens: int) -> Calls:
    """The layer's forward and backward pass, simply written and as the library trains it."""
    layers = {
        "softmax": _place(settings, _layer(settings, tokens, "softmax").train()),
        "straightforward": _place(settings, _straightforward(settings, tokens)),
        "readable": _focused(settings, tokens).train(),
    } | {name: layer.train() for name, layer in _others(settings, tokens).items()}
    x = _map(settings, tokens)
    return {form: _training(layer, x) for form, layer in layers.items()}


def network_calls(settings: Settings, name: str, image: int) -> Calls:
    """A network with softmax and with focused attention, without gradients; compiled, if asked."""
    networks = {
        form: _place(settings, create_model(name, attention=form, img_size=image).eval())
        for form in ("softmax", "focused")
    }
    x = torch.randn(settings.batch, networks["softmax"].in_chans, image, image)  # pyright: ignore
    x = x.to(settings.device, settings.torch_dtype)
    calls = {form: _forward(network, x) for form, network in networks.items()}
    if name in settings.compile_models:
        torch._dynamo.reset()
        for form, network in networks.items():
            calls[f"compiled {form}"] = _forward(_compiled(network), x)
    return calls


def _compiled(network: nn.Module) -> nn.Module:
    """A copy of a network whose blocks are compiled: once for all blocks that are alike."""
    network = copy.deepcopy(network)
    for part in network.modules():
        if isinstance(part, Block):
            part.compile(fullgraph=True)
    return network


def _layer(settings: Settings, tokens: int, attention: str) -> SelfAttention:
    return SelfAttention(settings.width, settings.heads, attention, grid=side(tokens))


def _others(settings: Settings, tokens: int) -> dict[str, nn.Module]:
    """The layers that were asked for by name."""
    return {
        name: _place(settings, _layer(settings, tokens, name))
        for name in settings.attention
        if name not in ("softmax", "focused")
    }


def _focused(settings: Settings, tokens: int) -> nn.Module:
    return _place(settings, _layer(settings, tokens, "focused"))


def _straightforward(settings: Settings, tokens: int) -> Straightforward:
    return Straightforward(settings.width, settings.heads, side(tokens))


def _place(settings: Settings, module: nn.Module) -> nn.Module:
    return module.to(settings.device, settings.torch_dtype)


def _map(settings: Settings, tokens: int) -> Tensor:
    x = torch.randn(settings.batch, side(tokens), side(tokens), settings.width)
    return x.to(settings.device, settings.torch_dtype)


def _forward(module: Callable[[Tensor], Tensor], x: Tensor) -> Callable[[], object]:
    def call() -> None:
        with torch.no_grad():
            module(x)

    return call


def _training(module: nn.Module, x: Tensor) -> Callable[[], object]:
    x = x.clone().requires_grad_()
    gradient = torch.randn_like(x)

    def call() -> None:
        module(x).backward(gradient)
        module.zero_grad(set_to_none=True)
        x.grad = None

    return call
