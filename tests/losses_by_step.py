"""A program for tests: trains on digits and writes the loss of each step, over all processes.

python losses_by_step.py DTYPE FILE, alone or under torchrun.
"""

import dataclasses
import json
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from flatten_edu import create_model
from flatten_edu.__main__ import end
from flatten_edu.data import Data, Samples, load_data
from flatten_edu.training import train
from flatten_edu.training.learner import Learner


class Cast(nn.Module):
    """A model that computes in the dtype of its weights, whatever images come as."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images.to(next(self.model.parameters()).dtype))


def gaps(data: Data) -> Data:
    """The same data, of which a fifth of the training labels counts nowhere."""
    labels = data.train.labels.clone()
    labels[::5] = -1
    return dataclasses.replace(data, train=Samples(data.train.images, labels))


def main(dtype: str, file: str) -> None:
    losses, learn = [], Learner.step

    def step(self: Learner, *batch) -> Tensor:
        loss = learn(self, *batch)
        losses.append(float(self.device.sum(loss.double())) / self.device.processes)
        return loss

    Learner.step = step
    torch.manual_seed(0)
    shape = {"num_classes": 10, "img_size": 8, "patch_size": 2, "depth": 1, "width": 24}
    model = Cast(create_model("deit_nano", **shape).to(getattr(torch, dtype)))
    result = train(
        model,
        gaps(load_data("digits")),
        epochs=1,
        batch_size=24,
        ema=0.9,
        accumulate=2,
        device="cpu",
    )
    if result.first:
        Path(file).write_text(json.dumps({"losses": losses, "row": result.rows[0]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
    end(0)
