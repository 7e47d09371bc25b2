"""One step of learning, and everything that it changes: the weights and AdamW's averages."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
        optimizer = make_optimizer(model, recipe)
        self.model, self.optimizer = device.accelerator.prepare(model, optimizer)

    def step(self, images: Tensor, labels: Tensor, step: int) -> Tensor:
        """Learn from one batch: its mean loss (on this process), detached."""
        accelerator = self.device.accelerator
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, self.steps, self.recipe)
        loss = F.cross_entropy(*counted(self.model(images), labels))
        accelerator.backward(loss)
        if self.recipe.clip:
            accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """All that a run needs to go on from here."""
        scaler = self.device.accelerator.scaler
        return {
            "model": self.plain.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state of `state()`."""
        self.plain.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:
            self.device.accelerator.scaler.load_state_dict(state["scaler"])

    def weights(self) -> dict[str, Tensor]:
        """The weights by name, as the model has them without what wraps it."""
        return self.plain.state_dict()

    def release(self) -> nn.Module:
        """The model itself again, in evaluation mode, without what Accelerate put around it."""
        self.device.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        return self.plain.eval()


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
