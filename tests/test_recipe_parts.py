"""What the recipe's further parts promise: each does what it says, and is off until asked for."""

import dataclasses
import json
import math
import statistics
import sys

import pytest
import torch
from small_runs import ALL, SMALL, same
from torch import nn

from flatten_edu.__main__ import main
from flatten_edu.arms import Arm
from flatten_edu.data import Samples, load_data
from flatten_edu.data.registry import resized
from flatten_edu.tasks import load_task
from flatten_edu.training import Quiet, Recipe, evaluate, load_trained, train
from flatten_edu.training.augment import Augment, shares
from flatten_edu.training.device import open_device
from flatten_edu.training.learner import Learner


def test_what_is_off_stands_in_no_run():
    assert list(Recipe().words()) == ["epochs", "batch_size", "lr", "weight_decay", "warmup",
                                      "clip", "shift", "precision"]  # fmt: skip
    assert Recipe(**(Recipe(ema=0.5, epochs=2).words())) == Recipe(ema=0.5, epochs=2)


def test_the_plain_recipe_leaves_a_batch_as_it_is(few):
    images, labels = few.train.__getitems__(range(8))
    changed, kept = Augment(Recipe(), few)(images, labels, 0)
    assert changed is images and kept is labels


@pytest.mark.parametrize("change", [{"randaugment": 2}, {"erasing": 1.0}, {"mixup": 0.8},
                                    {"cutmix": 1.0}, {"flip": 0.5}, {"crop": 0.3}])  # fmt: skip
def test_each_change_depends_on_its_seed_alone(few, change):
    images, labels = few.train.__getitems__(range(32))
    augment = Augment(Recipe(**change), few)
    one, one_labels = augment(images, labels, 5)
    torch.rand(7)
    again, again_labels = augment(images, labels, 5)
    assert one.equal(again) and one_labels.equal(again_labels)
    assert one.shape == images.shape and not one.equal(images)
    assert not one.equal(augment(images, labels, 6)[0])


def test_a_mirror_is_a_mirror(few):
    images, labels = few.train.__getitems__(range(32))
    assert Augment(Recipe(flip=1.0), few)(images, labels, 0)[0].allclose(images.flip(-1))


@pytest.mark.parametrize("change", [{"mixup": 0.8}, {"cutmix": 1.0}])
def test_labels_are_mixed_as_the_images_are(change):
    # Images of two classes, black and white: the mean brightness is the share of white.
    images = torch.cat([torch.zeros(8, 1, 8, 8), torch.ones(8, 1, 8, 8)])
    labels = torch.tensor([0] * 8 + [1] * 8)
    part = Samples(images, labels)
    data = dataclasses.replace(load_data("digits"), train=part, classes=("black", "white"))
    augment, shares_seen = Augment(Recipe(**change), data), set()
    for seed in range(10):
        mixed, soft = augment(images, labels, seed)
        assert soft.sum(1).allclose(torch.ones(16))
        assert soft[:, 1].allclose(mixed.mean((1, 2, 3)), atol=1e-5)
        shares_seen |= {round(float(share), 3) for share in soft[:, 1]}
    assert len(shares_seen) > 6


def test_a_label_that_counts_nowhere_has_no_share():
    assert shares(torch.tensor([[-1.0, 1.0, 0.25]]), 2).tolist() == [[0.0, 0.25]]


def test_label_smoothing_is_part_of_the_loss(few):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    learner = Learner(model, Recipe(label_smoothing=0.2), 10, open_device("cpu"))
    images, labels = few.train.__getitems__(range(16))
    logs = model(images).log_softmax(1)
    chosen = logs[torch.arange(16), labels]
    expected = -(0.8 * chosen + 0.2 * logs.mean(1)).mean()
    loss = learner.step(images, labels, 0)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_averaged_weights_follow_the_formula(few):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    learner = Learner(model, Recipe(ema=0.75), 10, open_device("cpu"))
    images, labels = few.train.__getitems__(range(16))
    expected = None
    for step in range(4):
        learner.step(images, labels, step)
        now = model[1].weight.detach().clone()
        expected = now if expected is None else 0.75 * expected + 0.25 * now
    assert learner.weights()["1.weight"].allclose(expected, atol=1e-7)
    assert not learner.weights()["1.weight"].equal(model[1].weight)


def test_averaged_weights_are_those_that_are_measured_and_kept(few, tmp_path):
    result = train("deit_nano", few, epochs=2, ema=0.9, output=tmp_path / "run", **SMALL)
    kept, about = load_trained(tmp_path / "run" / "last.safetensors")
    assert same(kept, result.model)
    assert evaluate(kept, few.test).loss == pytest.approx(about["metrics"]["test_loss"])
    plain = train("deit_nano", few, epochs=2, **SMALL)
    assert plain.rows[0]["train_loss"] == result.rows[0]["train_loss"]
    assert not same(plain.model, result.model)


@pytest.mark.parametrize("parts", [2, 3, 16])
def test_a_batch_in_parts_gives_the_gradients_of_the_whole(few, parts):
    call = SMALL | {"epochs": 1}
    whole, pieces = (train("deit_nano", few, accumulate=n, **call) for n in (1, parts))
    assert whole.rows[0]["train_loss"] == pytest.approx(pieces.rows[0]["train_loss"], abs=1e-5)
    left, right = whole.model.state_dict(), pieces.model.state_dict()
    assert max((left[name] - right[name]).abs().max() for name in left) < 1e-3


def test_a_part_weighs_as_much_as_its_labels_and_may_have_none(few):
    images, labels = few.train.__getitems__(range(16))
    labels[:5] = -1  # all of the first part, and one of the second
    found = []
    for parts in (1, 4):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        learner = Learner(model, Recipe(accumulate=parts, clip=0), 10, open_device("cpu"))
        found.append((learner.gradients(images, labels), model[1].weight.grad))
    (loss, gradient), (loss_in_parts, gradient_in_parts) = found
    expected = nn.functional.cross_entropy(model(images[5:]), labels[5:])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert loss_in_parts.item() == pytest.approx(expected.item(), rel=1e-6)
    assert gradient.allclose(gradient_in_parts, atol=1e-7)


def test_blocks_that_are_computed_twice_give_the_same_bits(few):
    call = SMALL | {"epochs": 1, "depth": 2, "drop_path": 0.3}
    plain, saving = (train("deit_nano", few, checkpointing=on, **call) for on in (False, True))
    assert same(plain.model, saving.model)
    assert not saving.model.blocks[0].checkpointing


@pytest.mark.long
def test_translated_models_learn_the_same_on_images_of_any_size(few):
    # Two sizes in one Python: a compiler that makes them one variable fails at the second.
    for size in (8, 16):
        call, data = SMALL | {"epochs": 1}, resized(few, size)
        plain, fast = (train("deit_nano", data, compile=on, **call) for on in (False, True))
        assert fast.rows[0]["train_loss"] == pytest.approx(plain.rows[0]["train_loss"], abs=1e-3)
        assert fast.model.state_dict().keys() == plain.model.state_dict().keys()


def test_a_run_with_everything_goes_on_to_the_same_bits(few, tmp_path):
    call = SMALL | ALL | {"epochs": 3, "drop_path": 0.2}
    whole = train("deit_nano", few, output=tmp_path / "whole", **call)
    for after in (4, 13):
        steps = iter(range(1, 100))
        train("deit_nano", few, output=tmp_path / "run", resume=after > 4,
              stop=lambda steps=steps, after=after: next(steps) == after, **call)  # fmt: skip
    resumed = train("deit_nano", few, output=tmp_path / "run", resume=True, **call)
    assert same(whole.model, resumed.model) and resumed.finished
    for one, other in zip(whole.rows, resumed.rows, strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}


def test_a_run_of_an_older_file_goes_on(few, tmp_path):
    call = SMALL | {"epochs": 2, "output": tmp_path / "run"}
    train("deit_nano", few, stop=lambda: True, **call)
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert "mixup" not in about["recipe"]
    with pytest.raises(ValueError, match=r"with mixup=0.0, but mixup=0.8 was asked for"):
        train("deit_nano", few, resume=True, mixup=0.8, **call)
    assert train("deit_nano", few, resume=True, **call).finished


@dataclasses.dataclass(frozen=True)
class Focused(Arm):
    """The focused arm with another power."""

    p: float = 3

    def options(self):
        return super().options() | {"p": self.p}


@pytest.mark.long
@pytest.mark.parametrize("p", [3, 8])
def test_bf16_is_finite_and_within_a_point_of_float32(p):
    # 300 steps; 500 samples of 64 answers each to judge by, so that chance is a small part of a
    # point, and a task that focused attention half solves, so that precision could show.
    task, arm, points = load_task("recall"), Focused("focused", "focused", None, p), []
    for seed in range(3):
        exact, half = (
            train(task.build(arm, seed), task.data, seed=seed, device="cpu",
                  recipe=dataclasses.replace(task.recipe, precision=kind))
            for kind in ("no", "bf16")
        )  # fmt: skip
        assert math.isfinite(half.rows[-1]["train_loss"])
        points.append(100 * (half.test_accuracy - exact.test_accuracy))
    assert abs(statistics.mean(points)) < 1, points


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ema": 1}, "ema must be below 1"),
        ({"ema": -0.1}, "ema must be a number between 0 and 1, but is -0.1"),
        ({"label_smoothing": 2}, "label_smoothing must be a number between 0 and 1"),
        ({"accumulate": 0}, "accumulate must be a whole number of at least 1, but is 0"),
        ({"randaugment": 1.5}, "randaugment must be a whole number of at least 0, but is 1.5"),
        ({"compile": 1}, "compile must be True or False, but is 1"),
        ({"crop": 0}, "crop must be a number between 0.01 and 1, but is 0"),
        ({"mixup": math.nan}, "mixup must be a number at least 0, but is nan"),
    ],
)
def test_a_wrong_number_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**change)


def test_labels_of_places_are_not_moved():
    parts = {"train": 8, "validation": 8, "test": 8}
    task = load_task("textures", size=64, parts=parts)
    with pytest.raises(ValueError, match=r"flip needs one label an image, but textures has"):
        Augment(Recipe(flip=0.5), task.data)


def test_a_size_that_the_data_does_not_have_is_refused(few):
    with pytest.raises(ValueError, match="size must be that of the images of digits, 8 x 8"):
        train("deit_nano", few, size=16, **SMALL)
    assert train("deit_nano", "digits", size=16, epochs=1, **SMALL | {"batch_size": 600}).finished


def test_weights_from_elsewhere_are_where_a_run_starts(few, tmp_path):
    first = train("deit_nano", few, epochs=1, output=tmp_path / "one", **SMALL)
    path = tmp_path / "one" / "last.safetensors"
    call = {"lr": 1e-12, "weight_decay": 0.0, "epochs": 1, **SMALL}
    second = train("deit_nano", few, weights=path, output=tmp_path / "two", **call)
    assert second.test_accuracy == first.test_accuracy
    assert json.loads((tmp_path / "two" / "run.json").read_text())["weights"] == str(path)


def test_tensorboard_that_is_missing_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    words = f"train --model deit_nano --data digits --logger tensorboard --output {tmp_path / 'r'}"
    assert main(words.split()) == 2
    assert "needs the package tensorboard: pip install tensorboard" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_tensorboard_gets_the_metrics_of_each_epoch(few, monkeypatch, tmp_path):
    written = []

    class Writer:
        def __init__(self, path, purge_step):
            written.append(("open", path, purge_step))

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def flush(self):
            pass

        def close(self):
            written.append(("close",))

    fake = type(sys)("torch.utils.tensorboard")
    fake.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    from flatten_edu.training.logger import Tensorboard

    log = Tensorboard(tmp_path / "run", Quiet())
    result = train("deit_nano", few, epochs=2, progress=log, output=tmp_path / "run", **SMALL)
    assert written[0] == ("open", str(tmp_path / "run" / "tensorboard"), 1)
    assert ("epoch/test_accuracy", result.rows[1]["test_accuracy"], 20) in written
    assert written[-1] == ("close",) and any(name == "loss" for name, *_ in written)
