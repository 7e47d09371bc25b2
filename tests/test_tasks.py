"""What the tasks promise: fixed parts that share nothing, right answers, one ability each."""

import dataclasses
import hashlib
import itertools

import pytest
import torch

from flatten_edu.data import Samples
from flatten_edu.tasks import list_tasks, load_task
from flatten_edu.tasks.network import waves
from flatten_edu.tasks.textures import MATERIALS, STRIPS, crop, jitter, strip, textures
from flatten_edu.training import train

PARTS = ("train", "validation", "test")
# Tasks that are cut from photos: a few samples are made quickly.
CUT = ("textures", "colours")
COPIES = {"copy_near": (1, 2, False), "copy_far": (3, 4, False), "copy_wrapped": (4, 4, True)}


def test_a_token_of_recall_is_asked_for_the_value_of_the_key_that_it_carries():
    tokens, answers = load_task("recall").data.test.__getitems__(range(20))
    keys, values, queries = tokens.split(8, -1)
    assert torch.allclose(keys.norm(dim=-1), torch.ones(20, 64))
    found = torch.einsum("bnd,bmd->bnm", queries, keys).argmax(-1)
    assert values.argmax(-1).gather(1, found).equal(answers)
    assert not (found == torch.arange(64)).any()


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_asked_for_what_stands_at_its_offset(name):
    down, right, wrap = COPIES[name]
    tokens, answers = load_task(name).data.test.__getitems__(range(5))
    board, asked = tokens.argmax(-1).reshape(5, 8, 8), answers.reshape(5, 8, 8)
    for y in range(8):
        for x in range(8):
            inside = y + down < 8 and x + right < 8
            if wrap or inside:
                assert asked[:, y, x].equal(board[:, (y + down) % 8, (x + right) % 8])
            else:
                assert (asked[:, y, x] == -1).all()


def test_near_is_inside_a_kernel_of_5_and_far_is_outside():
    for name, (down, right, _) in COPIES.items():
        assert (max(down, right) <= 2) == (name == "copy_near")


@pytest.mark.parametrize("name", ["recall", *COPIES])
def test_a_sample_is_the_same_alone_and_in_a_batch(name):
    samples = load_task(name).data.validation
    tokens, answers = samples.__getitems__([3, 7])
    assert tokens[1].equal(samples[7][0]) and answers[1].equal(samples[7][1])


@pytest.mark.parametrize("name", [name for name in list_tasks() if name != "mnist5k"])
def test_a_task_is_the_same_each_time_and_its_parts_differ(name):
    few = {"parts": {"train": 20, "validation": 5, "test": 5}} if name in CUT else {}

    def digests():
        data = load_task(name, **few).data
        for part in PARTS:
            inputs, labels = getattr(data, part).__getitems__(range(5))
            content = inputs.numpy().tobytes() + labels.numpy().tobytes()
            yield hashlib.sha256(content).hexdigest()

    first = list(digests())
    assert first == list(digests()) and len(set(first)) == 3


@pytest.mark.parametrize("name", list_tasks())
def test_chance_is_the_share_of_the_commonest_answer(name):
    few = {"parts": {"train": 20, "validation": 5, "test": 40}} if name in CUT else {}
    task = load_task(name, **few)
    labels = task.data.test.__getitems__(range(len(task.data.test)))[1].flatten()
    share = labels[labels >= 0].bincount().max() / (labels >= 0).sum()
    assert task.chance == pytest.approx(float(share), abs=0.005)
    assert task.question.endswith("?")


@pytest.mark.parametrize(("arm", "low", "high"), [("dwc", 0.99, 1.0), ("none", 0.0, 0.25)])
def test_the_branch_alone_answers_what_is_near(arm, low, high):
    task = load_task("copy_near")
    result = train(task.build(arm), task.data, recipe=task.recipe, device="cpu")
    assert low <= result.test_accuracy <= high


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "arm", "low", "high"),
    [
        ("recall", "softmax", 0.99, 1.0),
        ("recall", "linear", 0.3, 0.85),
        ("recall", "dwc", 0.0, 0.25),
        ("copy_far", "dwc", 0.0, 0.25),
        ("copy_wrapped", "dwc", 0.0, 0.25),
        ("copy_wrapped", "softmax", 0.99, 1.0),
    ],
)
def test_tasks_tell_arms_apart(name, arm, low, high):
    task = load_task(name)
    result = train(task.build(arm), task.data, recipe=task.recipe, device="cpu")
    assert low <= result.test_accuracy <= high


def test_the_same_seed_builds_the_same_network():
    task = load_task("recall", tokens=16)
    one, two, other = (task.build("focused+dwc", seed).state_dict() for seed in (1, 1, 2))
    assert all(one[name].equal(two[name]) for name in one)
    assert not all(one[name].equal(other[name]) for name in one)


def test_every_place_has_a_vector_of_its_own():
    places = waves(64, (7, 5))[0]
    distances = torch.cdist(places, places) + 100 * torch.eye(35)
    assert distances.min() > 1 and places.abs().max() <= 2


def test_the_strips_of_a_photo_share_no_pixel():
    edges = sorted(STRIPS.values())
    assert edges[0][0] == 0 and edges[-1][1] == 1
    assert all(left[1] == right[0] for left, right in itertools.pairwise(edges))
    widths = {part: strip("brick", part).shape[1] for part in PARTS}
    assert sum(widths.values()) == 256 and min(widths.values()) >= 48


def test_brightness_and_contrast_are_taken_out():
    for name in MATERIALS:
        pattern = strip(name, "train")
        assert abs(pattern.mean()) < 0.05 and 0.7 < pattern.std() < 1.1


def test_a_crop_is_found_in_its_texture_and_goes_on_as_a_mirror():
    texture = torch.arange(12.0 * 10).reshape(12, 10)
    source = torch.Generator().manual_seed(0)
    piece = crop(texture, 6, source)
    y, x = divmod(int(piece[0, 0]), 10)
    assert piece.equal(texture[y : y + 6, x : x + 6])
    wide = crop(texture[:, :4], 8, source)
    assert wide.shape == (8, 8) and set(wide.flatten().tolist()) <= set(
        texture[:, :4].flatten().tolist()
    )


def test_labels_of_a_mosaic_say_what_its_pixels_come_from():
    few = {"train": 6, "validation": 2, "test": 2}
    images, labels = textures(48, parts=few).data.train.__getitems__(range(6))
    known = [set(strip(name, "train").flatten().tolist()) for name in MATERIALS]
    boards = labels.reshape(6, 12, 12)
    hits = []
    for image, board in zip(images, boards, strict=True):
        for y in range(12):
            for x in range(12):
                patch = image[0, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].flatten().tolist()
                hits.append(sum(pixel in known[board[y, x]] for pixel in patch) >= 5)
    assert all(hits) and set(labels.flatten().tolist()) == {0, 1, 2}


def test_jitter_flips_labels_with_their_pixels():
    board = torch.randint(3, (40, 4, 4))
    images = board.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, None].float() * 100
    moved, labels = jitter(images, board.flatten(1), torch.Generator().manual_seed(0))
    seen = (moved[:, 0, 2::4, 2::4] / 100).round().flatten(1)
    assert ((seen - labels).abs() <= 1).all()  # a gain of at most 1.2 moves 2 by less than one
    assert ((seen > 0) == (labels > 0)).all()
    assert not labels.equal(board.flatten(1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"name": "recal"}, "unknown task 'recal'; did you mean 'recall'"),
        ({"name": "recall", "token": 16}, "has no option 'token'; did you mean 'tokens'"),
        ({"name": "mnist5k", "size": 16}, "task mnist5k has no option 'size'; it takes none"),
        (
            {"name": "recall", "tokens": 60},
            "must be a square number .* but is 60; the nearest is 64",
        ),
        ({"name": "textures", "size": 50}, "size must be a multiple of 4, .* the nearest is 48"),
    ],
)
def test_a_wrong_call_is_one_line(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        load_task(**call)
    assert "\n" not in str(caught.value)


def test_every_task_trains_an_arm_for_a_step():
    for name in list_tasks():
        few = {"parts": {"train": 16, "validation": 4, "test": 4}} if name in CUT else {}
        task = load_task(name, **few)
        cut = dataclasses.replace(task.data, train=Few(task.data.train))
        result = train(task.build("focused+dwc"), cut, recipe=task.recipe, epochs=1, batch_size=16)
        assert result.finished and result.rows[0]["train_loss"] > 0.5


class Few(Samples):
    """The first sixteen samples."""

    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return 16

    def __getitem__(self, index):
        return self.samples[index]

    def __getitems__(self, indices):
        return self.samples.__getitems__(indices)
