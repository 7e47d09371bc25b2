"""What `train` and `evaluate` promise: learn, repeat bit for bit, write at once, lose nothing."""

import json
import math

import pytest
import torch
from small_runs import SMALL, same, without_time
from torch import nn

import flatten_edu as fe
from flatten_edu.attention import linear_attention
from flatten_edu.data import Samples
from flatten_edu.training import Quiet, Recipe, evaluate, load_trained, train
from flatten_edu.training.order import draw_epoch, move
from flatten_edu.training.recipe import learning_rate, parameter_groups


def test_digits_are_learned_in_seconds():
    result = train("deit_nano", "digits", attention="focused", epochs=8, patch_size=2, shift=0)
    losses = [row["train_loss"] for row in result.rows]
    assert losses[-1] < 0.4 * losses[0]
    assert result.test_accuracy > 0.9
    assert result.best["validation_accuracy"] == max(r["validation_accuracy"] for r in result.rows)


@pytest.mark.parametrize("attention", ["softmax", "linear", "focused", linear_attention])
def test_every_arm_trains(few, attention):
    result = train("deit_nano", few, attention=attention, epochs=3, **SMALL)
    assert result.finished and len(result.rows) == 3
    assert result.rows[-1]["train_loss"] < result.rows[0]["train_loss"] < 2.5


def test_the_same_seed_gives_the_same_bits(few):
    runs = [train("deit_nano", few, seed=s, epochs=2, drop_path=0.2, **SMALL) for s in (3, 3, 4)]
    assert without_time(runs[0].rows) == without_time(runs[1].rows)
    assert same(runs[0].model, runs[1].model)
    assert runs[0].rows[-1]["train_loss"] != runs[2].rows[-1]["train_loss"]


def test_random_numbers_outside_are_left_alone(few):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    train("deit_nano", few, epochs=1, **SMALL)
    assert torch.rand(3).equal(expected)


def test_what_was_drawn_before_changes_nothing(few):
    torch.manual_seed(1)
    one = train("deit_nano", few, epochs=1, drop_path=0.5, **SMALL)
    torch.manual_seed(2)
    other = train("deit_nano", few, epochs=1, drop_path=0.5, **SMALL)
    assert same(one.model, other.model)


def test_threads_are_as_before(few):
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        train("deit_nano", few, epochs=1, **SMALL)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_metrics_are_written_as_they_come(few, tmp_path):
    seen = []

    class Watch(Quiet):
        def epoch(self, row):
            lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
            seen.append([json.loads(line)["epoch"] for line in lines])

    train("deit_nano", few, epochs=3, output=tmp_path / "run", progress=Watch(), **SMALL)
    assert seen == [[1], [1, 2], [1, 2, 3]]


def test_a_run_leaves_its_metrics_and_weights(few, tmp_path):
    folder = tmp_path / "deep" / "run"
    result = train("deit_nano", few, attention="linear", epochs=3, output=folder, **SMALL)
    names = {"run.json", "metrics.jsonl", "best.safetensors", "last.safetensors", "state.pt"}
    assert {path.name for path in folder.iterdir()} == names
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert rows == result.rows
    promised = {"epoch", "train_loss", "test_loss", "test_accuracy", "seconds"}
    assert all(promised < set(row) for row in rows)
    model, about = load_trained(folder / "last.safetensors")
    assert same(model, result.model) and about["epoch"] == 3
    assert evaluate(model, few.test).accuracy == result.test_accuracy


def test_the_best_weights_are_those_of_the_best_epoch(few, tmp_path):
    result = train("deit_nano", few, epochs=4, lr=0.03, output=tmp_path / "run", **SMALL)
    model, about = load_trained(tmp_path / "run" / "best.safetensors")
    assert about["epoch"] == result.best["epoch"]
    scores = evaluate(model, few.validation)
    assert scores.accuracy == max(row["validation_accuracy"] for row in result.rows)
    assert scores.loss == pytest.approx(result.best["validation_loss"], rel=1e-6)


def test_the_same_run_leaves_the_same_bytes(few, tmp_path):
    for name in ("one", "two"):
        train("deit_nano", few, epochs=1, output=tmp_path / name, **SMALL)
    tensors = [load_trained(tmp_path / name / "last.safetensors")[0] for name in ("one", "two")]
    assert same(*tensors)


def test_a_folder_that_holds_a_run_is_left_as_it_is(few, tmp_path):
    folder = tmp_path / "run"
    train("deit_nano", few, epochs=1, output=folder, **SMALL)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FileExistsError, match="already holds a run: go on with it by --resume"):
        train("deit_nano", few, epochs=2, output=folder, **SMALL)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("below", ["note.txt", "note.txt/run"])
def test_an_output_where_a_file_is_gets_one_line(few, tmp_path, below):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"must be a folder, but .*note\.txt is a file"):
        train("deit_nano", few, epochs=1, output=tmp_path / below, **SMALL)
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_a_folder_with_other_files_is_left_as_it_is(few, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="already holds other files"):
        train("deit_nano", few, epochs=1, output=tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "deit_nan"}, "unknown model 'deit_nan'; did you mean 'deit_nano'"),
        ({"data": "mnist"}, "unknown data 'mnist'; did you mean 'mnist5k'"),
        ({"attention": "focussed"}, "unknown attention 'focussed'; did you mean 'focused'"),
        ({"attention": "no_such:f"}, "there is no module 'no_such'"),
        ({"attention": "math:f"}, "math has no 'f'"),
        ({"attention": "math:pi"}, "is no function but float"),
        ({"epoch": 3}, "unknown setting 'epoch'; did you mean 'epochs'"),
        ({"patchsize": 3}, "unknown setting 'patchsize'; did you mean 'patch_size'"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, but is 0"),
        ({"lr": math.nan}, "lr must be a number at least 0, but is nan"),
        ({"warmup": 2}, "warmup must be a number between 0 and 1, but is 2"),
        ({"precision": "fp8"}, "precision must be 'no', 'bf16', 'fp16', but is 'fp8'"),
        ({"precision": "fp16"}, "precision 'fp16' needs a GPU"),
        ({"device": "tpu"}, "device must be 'auto', 'cpu' or 'cuda', but is 'tpu'"),
        ({"seed": 1.5}, "seed must be a whole number, not 1.5"),
        ({"batch_size": 2000}, "batch_size must be at most the 1259 training samples of digits"),
        ({"heads": 5}, "width=24 and heads=5"),
        ({"num_classes": 4}, "num_classes must be the 10 classes of digits, but is 4"),
        ({"resume": True}, "holds no run to go on with"),
    ],
)
def test_a_wrong_call_is_one_line_and_writes_nothing(change, message, tmp_path):
    call = {"model": "deit_nano", "data": "digits", "device": "cpu", "epochs": 1} | SMALL | change
    with pytest.raises((ValueError, TypeError, OSError), match=message) as caught:
        train(output=tmp_path / "run", **call)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_function_with_a_wrong_result_is_refused_before_anything_is_written(few, tmp_path):
    def shorter(q, k, v):
        return v[:, :, 1:]

    with pytest.raises(ValueError, match="attention function shorter must return b h n d"):
        train("deit_nano", few, attention=shorter, output=tmp_path / "run", **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_does_not_fit_is_refused(few, tmp_path):
    wrong = nn.Sequential(nn.Flatten(), nn.Linear(64, 7))
    with pytest.raises(ValueError, match=r"must give outputs \(1, 10\) .* but gives \(1, 7\)"):
        train(wrong, few, output=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_module_of_ones_own_trains_and_takes_no_options(few):
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    result = train(module, few, epochs=4, lr=0.02, shift=0)
    assert result.model is module and result.test_accuracy > 0.7
    with pytest.raises(TypeError, match="model is a module already"):
        train(module, few, attention="softmax")


def test_weights_of_a_module_say_what_is_missing(few, tmp_path):
    train(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), few, epochs=1, output=tmp_path / "run")
    with pytest.raises(ValueError, match="does not say which model it belongs to"):
        load_trained(tmp_path / "run" / "last.safetensors")


def test_a_function_is_not_imported_on_the_word_of_a_file(few, tmp_path):
    name = "flatten_edu.attention:linear_attention"
    train("deit_nano", few, attention=name, epochs=1, output=tmp_path / "run", **SMALL)
    with pytest.raises(ValueError, match=f"name it again, .* --attention {name}"):
        load_trained(tmp_path / "run" / "last.safetensors")
    model, about = load_trained(tmp_path / "run" / "last.safetensors", attention=name)
    assert evaluate(model, few.test).accuracy == about["metrics"]["test_accuracy"]


def test_a_loss_that_is_no_number_stops_the_run(few):
    with pytest.raises(FloatingPointError, match="not finite any more in epoch 1, step"):
        train("deit_nano", few, epochs=2, lr=1e30, clip=0, warmup=0, **SMALL)


def test_a_second_run_may_have_another_precision(few):
    exact = train("deit_nano", few, epochs=1, **SMALL)
    half = train("deit_nano", few, epochs=1, precision="bf16", **SMALL)
    again = train("deit_nano", few, epochs=1, **SMALL)
    assert same(exact.model, again.model) and not same(exact.model, half.model)
    assert half.rows[0]["train_loss"] == pytest.approx(exact.rows[0]["train_loss"], rel=0.02)
    assert half.model(few.test.images).dtype == torch.float32


def test_the_learning_rate_rises_evenly_and_falls_as_a_cosine():
    recipe = Recipe(lr=2.0, warmup=0.1)
    rates = [learning_rate(step, 100, recipe) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    for step in range(10, 100):
        assert rates[step] == pytest.approx(1 + math.cos(math.pi * (step - 10) / 90))
    assert rates[-1] < 0.001 * recipe.lr


def test_vectors_and_positions_have_no_weight_decay():
    model = fe.create_model("deit_nano")
    decayed, spared = (group["params"] for group in parameter_groups(model, 0.1))
    assert len(decayed) + len(spared) == len(list(model.parameters()))
    assert all(parameter.ndim >= 2 for parameter in decayed)
    assert any(parameter is model.pos_embed for parameter in spared)
    assert all(parameter.ndim < 2 for parameter in spared if parameter is not model.pos_embed)


def test_an_epoch_sees_every_sample_once_in_another_order_each_time():
    epochs = [draw_epoch(64, 8, shift=1, seed=0, epoch=number) for number in (0, 0, 1)]
    for epoch in epochs:
        assert epoch.order.sort().values.equal(torch.arange(64)) and epoch.steps == 8
    assert epochs[0].order.equal(epochs[1].order) and not epochs[0].order.equal(epochs[2].order)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_each_batch(processes):
    epoch = draw_epoch(64, 8, shift=1, seed=0, epoch=0)
    for step in range(epoch.steps):
        shares = [epoch.order[epoch.part(step, n, processes)] for n in range(processes)]
        assert torch.cat(shares).equal(epoch.order[epoch.part(step)])


def test_images_are_moved_pixel_by_pixel():
    images, offsets = torch.rand(6, 2, 5, 7), torch.randint(-2, 3, (6, 2))
    moved = move(images, offsets)
    for image, result, (down, right) in zip(images, moved, offsets.tolist(), strict=True):
        expected = torch.zeros_like(image)
        for y in range(5):
            for x in range(7):
                if 0 <= y - down < 5 and 0 <= x - right < 7:
                    expected[:, y, x] = image[:, y - down, x - right]
        assert result.equal(expected)


def test_shift_is_used(few):
    still, moved = (train("deit_nano", few, epochs=1, shift=s, **SMALL) for s in (0, 1))
    assert still.rows[0]["train_loss"] != moved.rows[0]["train_loss"]


class Answers(nn.Module):
    """Gives the outputs that its images hold."""

    def forward(self, images):
        return images.flatten(1)


def test_evaluation_counts_as_plain_loops_do():
    outputs, labels = torch.randn(37, 7), torch.randint(0, 7, (37,))
    scores = evaluate(Answers(), Samples(outputs.reshape(37, 7, 1, 1), labels), batch_size=10)
    confusion = torch.zeros(7, 7, dtype=torch.int64)
    in_five = 0
    for row, label in zip(outputs, labels, strict=True):
        confusion[label, row.argmax()] += 1
        in_five += int(label in row.argsort(descending=True)[:5])
    assert scores.confusion.equal(confusion)
    assert scores.accuracy == confusion.diagonal().sum() / 37
    assert scores.top5 == in_five / 37
    assert scores.loss == pytest.approx(float(nn.functional.cross_entropy(outputs, labels)))


def test_labels_below_zero_are_not_counted():
    outputs = torch.eye(3).reshape(3, 3, 1, 1)
    scores = evaluate(Answers(), Samples(outputs, torch.tensor([0, -1, 0])))
    assert scores.accuracy == 0.5 and scores.confusion.sum() == 2


def test_evaluation_leaves_the_mode_of_the_model(few):
    model = fe.create_model("deit_nano", img_size=8, patch_size=2)
    for mode in (True, False):
        evaluate(model.train(mode), few.test)
        assert model.training is mode


def test_an_arm_trains_and_its_weights_say_which_it_is(few, tmp_path):
    call = SMALL | {"epochs": 1, "output": tmp_path / "run"}
    result = train("deit_nano", few, arm="linear+permuted", **call)
    model, about = load_trained(tmp_path / "run" / "last.safetensors")
    assert about["arm"] == "linear+permuted"
    assert evaluate(model, few.test).accuracy == result.test_accuracy
    with pytest.raises(ValueError, match="arm 'dwc' says what attention is"):
        train("deit_nano", few, arm="dwc", attention="softmax", epochs=1)
