"""What `load_data` and `photo` promise: fixed, stratified splits, no network, one-line errors."""

import hashlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flatten_edu.data import list_data, list_photos, load_data, photo
from flatten_edu.data.split import split_indices
from flatten_edu.extras import need

PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module", params=list_data())
def data(request):
    return load_data(request.param)


def test_images_are_float32_between_0_and_1_and_labels_int64(data):
    for part in (getattr(data, name) for name in PARTS):
        assert part.images.dtype == torch.float32 and part.labels.dtype == torch.int64
        assert part.images.min() == 0 and part.images.max() == 1
        assert part.images.shape[1:] == (data.channels, *data.size)
        assert len(part) == len(part.images) == len(part.labels)


def test_mnist5k_has_350_50_and_100_of_each_digit():
    data = load_data("mnist5k")
    assert data.size == (28, 28) and data.channels == 1 and data.classes == tuple("0123456789")
    for name, count in zip(PARTS, (350, 50, 100), strict=True):
        assert getattr(data, name).labels.bincount().tolist() == [count] * 10


def test_digits_are_divided_class_by_class():
    data = load_data("digits")
    counts = torch.stack([getattr(data, name).labels.bincount() for name in PARTS])
    assert counts.sum() == 1797 and data.size == (8, 8)
    shares = counts / counts.sum(0)
    assert (shares - torch.tensor([[0.7], [0.1], [0.2]])).abs().max() < 0.01


def test_no_image_stands_in_two_parts():
    data = load_data("mnist5k")
    images = torch.cat([getattr(data, name).images for name in PARTS]).flatten(1)
    assert len(images) == 5000 == len(images.unique(dim=0))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mnist5k", "39a2cbf5970ea4f9"), ("digits", "74c461aeb2066212")],
)
def test_the_split_is_the_same_for_ever(name, expected):
    data = load_data(name)
    digest = hashlib.sha256()
    for part in PARTS:
        samples = getattr(data, part)
        digest.update((samples.images * 255).round().to(torch.uint8).numpy().tobytes())
        digest.update(samples.labels.numpy().tobytes())
    assert digest.hexdigest()[:16] == expected


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.floats(0, 0.4), st.floats(0, 0.4))
@settings(deadline=None)
def test_a_split_holds_every_index_once_and_every_class_in_its_share(labels, validation, test):
    labels = torch.tensor(labels)
    parts = split_indices("any", labels, validation, test)
    assert torch.cat(parts).sort().values.equal(torch.arange(len(labels)))
    for label in labels.unique():
        count = int((labels == label).sum())
        found = [int((labels[part] == label).sum()) for part in parts]
        assert found[1:] == [round(validation * count), round(test * count)]


def test_another_name_gives_another_split():
    labels = torch.zeros(100, dtype=torch.int64)
    one, other = (split_indices(name, labels, 0.1, 0.2)[2] for name in ("one", "other"))
    assert not one.equal(other)


def test_a_batch_is_what_its_samples_are():
    samples = load_data("digits").test
    images, labels = samples.__getitems__([5, 0])
    assert images[1].equal(samples[0][0]) and labels[0] == samples[5][1]


def test_an_unknown_data_set_is_named_with_the_nearest():
    with pytest.raises(ValueError, match="unknown data 'mnist5'; did you mean 'mnist5k'"):
        load_data("mnist5")


@pytest.mark.parametrize("name", list_photos())
def test_photos_come_without_a_network_and_stay_between_0_and_1(name, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a photo wanted the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    image = photo(name)
    channels = 1 if name in ("camera", "brick", "grass", "gravel") else 3
    assert image.dtype == torch.float32 and image.shape[0] == channels
    assert image.min() >= 0 and 0.5 < image.max() <= 1
    assert min(image.shape[1:]) >= 300


def test_a_photo_is_cut_from_the_middle_and_scaled():
    whole, small = photo("coffee"), photo("coffee", size=100)
    assert whole.shape == (3, 400, 600) and small.shape == (3, 100, 100)
    middle = whole[:, :, 100:500]
    blocks = middle.unfold(1, 4, 4).unfold(2, 4, 4).mean((3, 4))
    # The scaled photo is a smooth average: close to that of 4 x 4 blocks, and far from a shift.
    assert (small - blocks).abs().mean() < 0.02 < (small - blocks.roll(5, 1)).abs().mean()


@pytest.mark.parametrize("size", [0, -3, 2.5, "big", True])
def test_a_wrong_size_is_refused(size):
    with pytest.raises(ValueError, match="size must be a whole number of at least 1"):
        photo("camera", size=size)


def test_an_unknown_photo_is_named_with_the_nearest():
    with pytest.raises(ValueError, match="unknown photo 'astronut'; did you mean 'astronaut'"):
        photo("astronut")


def test_a_missing_package_is_named_with_its_extra():
    with pytest.raises(ImportError, match=r'nothing_here .* pip install "flatten-edu\[lab\]"'):
        need("nothing_here.at_all", extra="lab")
