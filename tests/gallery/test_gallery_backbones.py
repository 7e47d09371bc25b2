"""Every mechanism of the gallery in every family: a training step, another image size."""

import pytest
import torch
import torch.nn.functional as F

import flatten_edu as fe
from flatten_edu.attention import TokenMixer, is_linear
from flatten_edu.gallery import CARDS

GALLERY = [name for name in CARDS if name not in ("softmax", "linear", "focused")]
PYRAMID = {"widths": (16, 16, 32, 32), "depths": (1, 2, 1, 1), "heads": (2, 2, 4, 4)}
FAMILIES = {
    "deit_tiny": {"width": 16, "depth": 2, "heads": 2, "patch_size": 8},
    "pvt_tiny": PYRAMID,
    "pvt_v2_b0": PYRAMID,
    "swin_tiny": PYRAMID,
    "cswin_tiny": PYRAMID,
}


def small(family, attention, **options):
    torch.manual_seed(0)
    settings = FAMILIES[family] | {"num_classes": 5, "img_size": 32} | options
    return fe.create_model(family, attention=attention, **settings)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", GALLERY)
def test_a_training_step_and_another_image_size(name, family):
    model = small(family, name)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 2, 3])
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(2):
        loss = F.cross_entropy(model(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), key
    model.eval()
    with torch.no_grad():
        other = model(torch.randn(2, 3, 40, 72))
    assert other.shape == (2, 5) and other.isfinite().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_name_stands_in_the_stages_of_the_paper_and_nowhere_else(family):
    model, focused = small(family, "xca"), small(family, "focused")
    places = [
        [
            type(part.mechanism).__name__
            for part in network.modules()
            if isinstance(part, TokenMixer)
        ]
        for network in (model, focused)
    ]
    assert places[0] == ["XCA" if kind == "Focused" else kind for kind in places[1]]
    assert "XCA" in places[0]


@pytest.mark.parametrize("name", ["rala", "mala", "nalaformer"])
@pytest.mark.parametrize("family", FAMILIES)
def test_channels_that_cannot_be_turned_are_refused_by_every_family(family, name):
    heads = 8 if family == "deit_tiny" else (8, 8, 16, 16)
    with pytest.raises(ValueError, match="width / heads must be a multiple of 4") as error:
        small(family, name, heads=heads)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", GALLERY)
def test_a_class_token_and_half_precision(name):
    model = small("deit_tiny", name, class_token=True).eval()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        exact = model(images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = model(images)
    assert (half.float() - exact).abs().max() < 0.1


def test_digits_by_agents():
    model = fe.create_model("deit_nano", attention="agent")
    assert model(torch.randn(2, 1, 28, 28)).shape == (2, 10)
    assert all(is_linear(name) for name in GALLERY)


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", GALLERY)
def test_published_sizes(name, family):
    model = fe.create_model(family, attention=name, img_size=224, num_classes=10)
    loss = F.cross_entropy(model(torch.randn(2, 3, 224, 224)), torch.tensor([1, 2]))
    loss.backward()
    assert loss.isfinite()
    with torch.no_grad():
        assert model(torch.randn(1, 3, 256, 192)).isfinite().all()
