"""One step of learning, and everything that it changes: the weights and AdamW's averages."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .device import Device
from .evaluation import counted
from .recipe import Recipe, learning_rate, make_optimizer


class Learner:
    """A model with its optimiser on a device.

    Args:
        model: what learns; it is moved to the device.
        recipe: how.
        steps: steps of the whole run, which the learning rate follows.
        device: where.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, steps: int, device: Device):
        self.recipe, self.steps, self.device = recipe, steps, device
        self.plain = model.to(device.device)
        self.average = averaged(self.plain, recipe.ema)
        if recipe.checkpointing:
            checkpoint_blocks(model, True)
        optimizer = make_optimizer(model, recipe)
        self.shared, self.optimizer = device.accelerator.prepare(model, optimizer)
        self.model: nn.Module = translated(self.shared) if recipe.compile else self.shared

    @property
    def judged(self) -> nn.Module:
        """What is measured: the averaged weights, where weights are averaged.

        Never the translated model, nor what shares gradients: the last batch of a part has any
        size, and not every process has one.
        """
        return self.plain if self.average is None else self.average.module

    def step(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        """Learn from one batch: its mean loss, detached; of several processes each has its share.

        The mean over the processes is the loss of the whole batch.

        Args:
            images: b c y x.
            labels: b ... in whole numbers, or b k with the share of each class.
            step: its number in the whole run.
        """
        accelerator = self.device.accelerator
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, self.steps, self.recipe)
        loss = self.gradients(images, labels)
        if self.recipe.clip:
            accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update_parameters(self.plain)
        return loss

    def gradients(self, images: Tensor, labels: Tensor) -> Tensor:
        """Go back from the loss of a batch, in one piece or in parts that add up to the same."""
        pieces = images.chunk(self.recipe.accumulate), labels.chunk(self.recipe.accumulate)
        parts, whole, losses = list(zip(*pieces, strict=True)), self.share_of(labels), []
        for number, part in enumerate(parts, start=1):
            with self.held_back(number < len(parts)):
                loss = self.loss(*part) / whole
                self.device.accelerator.backward(loss)
            losses.append(loss.detach())
        return losses[0] if len(parts) == 1 else torch.stack(losses).sum()

    def share_of(self, labels: Tensor) -> float:
        """How many labels count, over all processes, divided by their number."""
        count = torch.tensor(weight_of(labels), device=self.device.device)
        return max(int(self.device.sum(count)), 1) / self.device.processes

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """The sum of the cross-entropies of the labels that count."""
        outputs = self.model(images)
        if labels.is_floating_point():
            pair = outputs.to(torch.promote_types(outputs.dtype, torch.float32)), labels
        else:
            pair = counted(outputs, labels)
        return F.cross_entropy(*pair, label_smoothing=self.recipe.label_smoothing, reduction="sum")

    def held_back(self, held: bool) -> AbstractContextManager:
        """In the block, processes keep their gradients to themselves if `held`."""
        return self.device.accelerator.no_sync(self.shared) if held else nullcontext()

    def state(self) -> dict[str, Any]:
        """All that a run needs to go on from here."""
        scaler = self.device.accelerator.scaler
        average = {} if self.average is None else {"average": self.average.state_dict()}
        return average | {
            "model": self.plain.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state of `state()`."""
        self.plain.load_state_dict(state["model"])
        # The numbers of its groups are the recipe's: a file has no say in them.
        groups = self.optimizer.state_dict()["param_groups"]
        kept = {"state": state["optimizer"]["state"], "param_groups": groups}
        self.optimizer.load_state_dict(kept)
        check_moments(self.optimizer)
        if state["scaler"]:
            self.device.accelerator.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])

    def weights(self) -> dict[str, Tensor]:
        """The weights that are measured, by name, as the model has them without what wraps it."""
        return (self.plain if self.average is None else self.average.module).state_dict()

    def release(self) -> nn.Module:
        """The model itself again, in evaluation mode, without what Accelerate put around it."""
        self.device.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        if self.recipe.checkpointing:
            checkpoint_blocks(self.plain, False)
        if self.average is not None:
            self.plain.load_state_dict(self.average.module.state_dict())
        return self.plain.eval()


def translated(model: nn.Module) -> nn.Module:
    """The model through `torch.compile`, anew for each size of images and batches.

    A recipe has one size, or two with `accumulate`. Left to itself the compiler would take the size
    of a second run in the same Python for a variable, and fails at a convolution over it on a CPU.
    """
    compiled: Any = torch.compile(model, dynamic=False)
    return compiled


def averaged(model: nn.Module, decay: float) -> AveragedModel | None:
    """A copy of the model that follows it: w <- decay w + (1 - decay) w_model; None for decay 0."""
    if not decay:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))


def checkpoint_blocks(model: nn.Module, on: bool) -> None:
    """Say to a network of `create_model` whether its blocks are computed again on the way back."""
    switch = getattr(model, "set_grad_checkpointing", None)
    if switch is None:
        raise ValueError(
            f"checkpointing needs a model with set_grad_checkpointing(), which "
            f"{type(model).__name__} lacks; leave it out"
        )
    switch(on)


def weight_of(labels: Tensor) -> int:
    """How many labels count: all shares of classes, and whole numbers from 0 on.

    >>> weight_of(torch.tensor([0, -1, 2])), weight_of(torch.rand(4, 10))
    (2, 4)
    """
    return len(labels) if labels.is_floating_point() else int((labels >= 0).sum())


def parameters_of(model: nn.Module) -> int:
    """How many numbers the model learns.

    >>> parameters_of(nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def shapes_of(model: nn.Module) -> dict[str, list[int]]:
    """The shape of each entry of the state, by name: two models with the same can swap weights."""
    return {name: list(tensor.shape) for name, tensor in model.state_dict().items()}


def check_finite(loss: Tensor, epoch: int, step: int) -> None:
    """Raise a FloatingPointError in one line if the loss is no number any more."""
    if not bool(torch.isfinite(loss).all()):
        raise FloatingPointError(
            f"the loss is not finite any more in epoch {epoch}, step {step + 1}; "
            "try a smaller lr, or precision 'no'"
        )


def check_moments(optimizer: torch.optim.Optimizer) -> None:
    """Raise a ValueError unless what an optimizer remembers has the shapes of the weights."""
    for parameter, kept in optimizer.state.items():
        tensors = [value for value in kept.values() if isinstance(value, Tensor)]
        fits = all(not value.ndim or value.shape == parameter.shape for value in tensors)
        if not fits or len(tensors) < len(kept):
            raise ValueError("what the optimizer remembers belongs to other weights")
