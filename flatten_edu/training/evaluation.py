"""How good a model is on samples that it did not learn from."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..data import Samples
from .device import Device


@dataclass(frozen=True)
class Scores:
    """What `evaluate` measures.

    Args:
        loss: mean cross-entropy, in nats.
        accuracy: share of labels whose class has the highest output, between 0 and 1.
        top5: share of labels whose class is among the five highest.
        confusion: how often each true class (row) was taken for each class (column).
    """

    loss: float
    accuracy: float
    top5: float
    confusion: Tensor

    @property
    def mean_iou(self) -> float:
        """Mean over classes of right / (right + missed + wrongly taken for it), between 0 and 1.

        A class that neither occurs nor is answered is left out.

        >>> Scores(0.0, 0.75, 1.0, torch.tensor([[2, 1, 0], [0, 1, 0], [0, 0, 0]])).mean_iou
        0.5833333333333333
        """
        right = self.confusion.diagonal().double()
        either = self.confusion.sum(0) + self.confusion.sum(1) - right
        return float((right / either)[either > 0].mean())


@torch.no_grad()
def evaluate(
    model: nn.Module, samples: Samples, batch_size: int = 250, device: Device | None = None
) -> Scores:
    """Loss, accuracy and confusions of a model on samples; the model stays in its mode.

    Args:
        model: images b c y x -> outputs b k (or b ... k for a label at each place).
        samples: images and labels; labels below 0 are not counted.
        batch_size: images at once; the result does not depend on it.
        device: where to compute, and together with which other processes; None is where the
            model is.

    Raises:
        ValueError: if no label counts, or the outputs do not fit the labels.

    >>> model = fe.create_model("deit_nano")
    >>> black = Samples(torch.zeros(10, 1, 28, 28), torch.arange(10))
    >>> evaluate(model, black).accuracy  # one answer for all, right for one of ten
    0.1
    """
    device = device or Device.of(model)
    training = model.training
    model.eval()
    loss = torch.zeros((), dtype=torch.float64, device=device.device)
    top5 = torch.zeros((), dtype=torch.int64, device=device.device)
    confusion = torch.zeros(0, device=device.device)
    mine = range(device.process, len(samples), device.processes)
    for start in range(0, len(mine), batch_size):
        batch = samples.__getitems__(mine[start : start + batch_size])
        images, labels = (part.to(device.device) for part in batch)
        outputs, labels = counted(model(images), labels)
        if not len(confusion):
            confusion = confusion.new_zeros(outputs.shape[1], outputs.shape[1], dtype=torch.int64)
        loss += F.cross_entropy(outputs, labels, reduction="sum").double()
        best = outputs.topk(min(5, outputs.shape[1])).indices
        top5 += (best == rearrange(labels, "b -> b 1")).sum()
        confusion.index_put_((labels, best[:, 0]), torch.ones_like(labels), accumulate=True)
    model.train(training)
    loss, top5, confusion = (device.sum(part) for part in (loss, top5, confusion))
    count = int(confusion.sum())
    if not count:
        raise ValueError("samples must hold a label that counts, but all are below 0")
    right = int(confusion.diagonal().sum())
    return Scores(loss.item() / count, right / count, int(top5) / count, confusion.cpu())


def counted(outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs n k in float32 at least and labels n, of the labels from 0 on alone.

    >>> counted(torch.zeros(2, 3, 8), torch.tensor([[0, 1, -1], [2, -1, -1]]))[1]
    tensor([0, 1, 2])
    """
    if outputs.shape[:-1] != labels.shape:
        raise ValueError(
            f"the model must give one row of outputs for each label, but gives "
            f"{tuple(outputs.shape)} for labels {tuple(labels.shape)}"
        )
    outputs = rearrange(outputs, "... k -> (...) k")
    labels = rearrange(labels, "... -> (...)")
    kept = labels >= 0
    wide = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    return (wide, labels) if bool(kept.all()) else (wide[kept], labels[kept])
