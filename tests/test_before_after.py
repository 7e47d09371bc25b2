"""Maps before and after training, and the mosaics: what is drawn is what was found."""

import pytest
import torch

from flatten_edu.analysis import numerical_rank
from flatten_edu.comparison.maps import before_and_after
from flatten_edu.data import Data, Samples
from flatten_edu.plots.before_after import before_after
from flatten_edu.plots.mosaics import mosaics
from flatten_edu.tasks import load_task, tokens


@pytest.fixture(scope="module")
def task():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "PARTS", {"train": 64, "validation": 8, "test": 8})
        return load_task("recall", tokens=16)


def test_maps_are_those_of_one_network_before_and_after(task):
    before, after = before_and_after(task, "linear", device="cpu")
    again, _ = before_and_after(task, "linear", device="cpu")
    assert before.equal(again) and before.shape == after.shape == (4, 16, 16)
    assert (after - before).abs().max() > 1e-6
    torch.testing.assert_close(after.sum(-1), torch.ones(4, 16).double(), rtol=0, atol=1e-5)


def test_an_arm_without_a_map_is_refused(task):
    with pytest.raises(ValueError, match="holds no attention between tokens to record"):
        before_and_after(task, "xca", device="cpu")


def test_the_picture_has_both_maps_of_every_arm():
    one, even = torch.eye(16).double()[None], torch.full((1, 16, 16), 1 / 16).double()
    card = before_after({"softmax": (even, one), "focused+dwc": (one, even)}, one[0])
    drawn = [axes.images[0].get_array() for axes in card.axes[:5]]
    for found, map in zip(drawn, (even, one, one, even, one), strict=True):
        shares = (16 * map[0]).clamp_min(1e-9).log2()
        torch.testing.assert_close(torch.as_tensor(found.data), shares)
    assert "softmax: rank 1 before and 16 after" in card.alt
    assert card.texts[0].get_text() == "After training, ranks of 16: softmax 16, focused+dwc 1"
    assert int(numerical_rank(one[0])) == 16
    with pytest.raises(ValueError, match=r"^maps must be of 1 to 3 arms"):
        before_after({})


def test_mosaics_stand_above_their_labels():
    images = torch.rand(4, 1, 16, 16)
    labels = torch.randint(3, (4, 16))
    part = Samples(images, labels)
    card = mosaics(Data("textures", part, part, part, classes=("brick", "grass", "gravel")), 2)
    assert len(card.axes) == 4
    board = torch.as_tensor(card.axes[1].images[0].get_array().data)
    assert board.flatten().equal(labels[0])
    assert f"brick {100 * (labels[:2] == 0).double().mean():.0f} %" in card.alt
