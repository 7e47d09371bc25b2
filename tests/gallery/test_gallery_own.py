"""A function of one's own is a name like every other, in networks and as a map."""

import pytest
import torch

import flatten_edu as fe
from flatten_edu.analysis import attention_map
from flatten_edu.attention import NAMES


def twice_the_mean(q, k, v):
    return 2 * v.mean(dim=2, keepdim=True).expand(-1, -1, q.shape[2], -1)


@pytest.fixture
def added():
    yield fe.gallery.add(twice_the_mean)
    fe.gallery.remove("twice_the_mean")


def test_an_added_function_is_a_name_everywhere(added):
    assert added == "twice_the_mean" == NAMES[-1] == fe.gallery.shown()[-1]
    q = torch.randn(1, 2, 6, 4)
    assert attention_map(q, q, added).equal(torch.full((1, 2, 6, 6), 1 / 3, dtype=torch.float64))
    model = fe.create_model("deit_nano", attention=added)
    assert model(torch.randn(2, 1, 28, 28)).shape == (2, 10)


def test_under_the_same_name_the_last_function_counts(added):
    fe.gallery.add(lambda q, k, v: v[:, :, :1].expand(-1, -1, q.shape[2], -1), added)
    q = torch.randn(1, 1, 3, 4)
    assert attention_map(q, q, added)[0, 0].equal(torch.eye(3)[[0, 0, 0]].double())
    assert fe.gallery.shown().count(added) == 1


def test_a_removed_function_is_gone():
    fe.gallery.remove(fe.gallery.add(twice_the_mean, "brief"))
    assert "brief" not in NAMES and "brief" not in fe.gallery.shown()
    with pytest.raises(ValueError, match=r"^name must be that of an added function \(nothing\)"):
        fe.gallery.remove("brief")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda q, k, v: v.relu(), "mine must be linear in v, .* without that it has no map$"),
        (lambda q, k, v: v + 1, "mine must be linear in v"),
        (lambda q, k, v: v.mean(2), "must return b h n d = .*, but returned"),
        (lambda q, k, v: v / 0, "mine must give finite numbers"),
    ],
)
def test_what_has_no_map_is_refused_in_one_line(function, message):
    with pytest.raises(ValueError, match=message) as error:
        fe.gallery.add(function, "mine")
    assert "\n" not in str(error.value) and "mine" not in NAMES


def test_published_names_keep_their_meaning():
    for name in ("agent", "softmax", "xca"):
        with pytest.raises(ValueError, match=f"^name must be another than '{name}'"):
            fe.gallery.add(twice_the_mean, name)
