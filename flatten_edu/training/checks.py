"""What is looked at before a run starts, so that a wrong call writes nothing."""

import torch
from torch import Tensor, nn

from ..data import Data
from .recipe import Recipe, check_whole


def check_run(module: nn.Module, data: Data, recipe: Recipe, processes: int) -> None:
    """Raise a ValueError in one line unless model, data and recipe fit together."""
    check_batches(data, recipe, processes)
    check_size(data, recipe)
    check_outputs(module, data)


def check_seed(seed: int) -> None:
    """Raise in one line unless the seed is a whole number."""
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be a whole number, not {seed!r}")


def check_workers(workers: int | None) -> None:
    """Raise in one line unless the workers are a whole number, or left to be chosen."""
    if workers is not None:
        check_whole("workers", workers, least=0)


def check_batches(data: Data, recipe: Recipe, processes: int) -> None:
    """Raise in one line unless a batch can be filled and shared out evenly."""
    if recipe.batch_size > len(data.train):
        raise ValueError(
            f"batch_size must be at most the {len(data.train)} training samples of {data.name}, "
            f"but is {recipe.batch_size}"
        )
    if recipe.batch_size % processes:
        near = max(recipe.batch_size // processes, 1) * processes
        raise ValueError(
            f"batch_size must be a multiple of the {processes} processes, "
            f"but is {recipe.batch_size}; the nearest is {near}"
        )


def check_size(data: Data, recipe: Recipe) -> None:
    """Raise in one line if `Data` that was given has another size than the recipe asks for."""
    if recipe.size and data.size != (recipe.size, recipe.size):
        raise ValueError(
            f"size must be that of the images of {data.name}, {data.size[0]} x {data.size[1]}, "
            f"but is {recipe.size}; leave it out"
        )


@torch.no_grad()
def check_outputs(module: nn.Module, data: Data) -> None:
    """Run one sample through, so that what does not fit is said before anything is written."""
    images, labels = data.validation.__getitems__([0])
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    training = module.training
    outputs = module.eval()(images.to(device))
    module.train(training)
    expected = (*labels.shape, len(data.classes))
    if not isinstance(outputs, Tensor) or tuple(outputs.shape) != expected:
        found = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(
            f"model must give outputs {expected} for one sample of {data.name} "
            f"(one a class), but gives {found}"
        )
