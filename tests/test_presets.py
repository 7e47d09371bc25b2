"""The paper's recipes, number by number; the numbers are copied from section 5 of the paper."""

import json

import pytest

from flatten_edu.__main__ import main
from flatten_edu.backbones.registry import create_model, list_models
from flatten_edu.commands.train import call_of
from flatten_edu.training.presets import preset

# model: warm-up epochs, drop path, weight decay, averaged weights, epochs of fine-tuning at 384.
# None: the paper does not say.
PAPER = {
    "deit_tiny": (20, None, 0.05, False, None),
    "pvt_tiny": (5, 0.1, 0.05, False, None),
    "pvt_small": (5, 0.1, 0.05, False, None),
    "pvt_medium": (5, 0.3, 0.05, False, None),
    "pvt_large": (5, 0.3, 0.05, False, None),
    "pvt_v2_b0": (5, 0.1, 0.05, False, None),
    "pvt_v2_b1": (5, 0.1, 0.05, False, None),
    "pvt_v2_b2": (5, 0.1, 0.05, False, None),
    "pvt_v2_b3": (5, 0.3, 0.05, False, None),
    "pvt_v2_b4": (5, 0.3, 0.05, False, None),
    "swin_tiny": (20, 0.2, 0.05, False, None),
    "swin_small": (20, 0.3, 0.05, False, None),
    "swin_base": (20, 0.5, 0.05, False, 30),
    "cswin_tiny": (20, 0.2, 0.05, True, None),
    "cswin_small": (20, 0.4, 0.05, True, None),
    "cswin_base": (20, 0.5, 0.1, True, 20),
}


@pytest.mark.parametrize("model", PAPER)
def test_a_preset_has_the_papers_numbers(model):
    warmup, drop_path, weight_decay, averaged, fine = PAPER[model]
    recipe, options = preset("imagenet", model)
    assert recipe.epochs == 300 and recipe.warmup * 300 == pytest.approx(warmup)
    assert recipe.lr == 1e-3 and recipe.batch_size == 1024
    assert recipe.weight_decay == weight_decay and bool(recipe.ema) is averaged
    assert drop_path is None or options["drop_path"] == drop_path
    for name in ("randaugment", "mixup", "cutmix", "erasing"):
        assert getattr(recipe, name) > 0, name
    assert recipe.size == 224
    if fine is None:
        with pytest.raises(ValueError, match=f"has no recipe for model '{model}'; it has swin_b"):
            preset("imagenet384", model)
    else:
        tuned, _ = preset("imagenet384", model)
        assert (tuned.epochs, tuned.size) == (fine, 384)


def test_every_network_of_the_paper_has_a_preset():
    for model in list_models():
        if model != "deit_nano":
            assert preset("imagenet", model)[0].epochs == 300


@pytest.mark.parametrize("model", ["swin_base", "cswin_base"])
def test_networks_at_384_pixels_can_be_made_with_the_presets_options(model):
    import torch

    recipe, options = preset("imagenet384", model)
    with torch.device("meta"):
        made = create_model(model, img_size=recipe.size, **options)
    assert sum(p.numel() for p in made.parameters()) > 70e6


def test_the_learning_rate_grows_with_the_batch():
    assert preset("imagenet", "swin_tiny", 256)[0].lr == pytest.approx(2.5e-4)
    assert preset("imagenet", "swin_tiny", 4096)[0].lr == pytest.approx(4e-3)


def test_what_is_said_beside_a_preset_counts():
    given = {"model": "swin_tiny", "data": "x", "preset": "imagenet", "output": "run"}
    call = call_of(given | {"epochs": 3, "batch_size": 512, "drop_path": 0.0})
    assert call["epochs"] == 3 and call["lr"] == pytest.approx(5e-4) and call["cutmix"] == 1.0
    assert call["drop_path"] == 0.0 and "preset" not in call


@pytest.mark.slow
def test_a_preset_trains_by_name(tmp_path):
    words = (f"train --preset imagenet --model pvt_v2_b0 --data digits --size 32 --epochs 1 "
             f"--batch-size 1200 --device cpu --output {tmp_path / 'run'}")  # fmt: skip
    assert main(words.split()) == 0
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["recipe"]["randaugment"] == 2 and about["options"]["drop_path"] == 0.1
    assert about["recipe"]["lr"] == pytest.approx(1e-3 * 1200 / 1024)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--preset imagenett --model swin_tiny", "unknown preset 'imagenett'; did you mean"),
        ("--preset imagenet --model deit_nano", "has no recipe for model 'deit_nano'; it has deit"),
    ],
)
def test_a_wrong_preset_is_said_in_one_line(words, message, capsys):
    assert main(f"train {words} --data digits".split()) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
