"""What the confusion picture promises: each share in its place, and the worst in words."""

import pytest
import torch

from flatten_edu.__main__ import main
from flatten_edu.plots.confusion import confusion
from flatten_edu.training import train


def test_each_row_is_the_share_of_its_true_class():
    counts = torch.tensor([[6, 2, 0], [0, 5, 0], [1, 1, 2]])
    card = confusion(counts, ("ant", "bee", "cow"))
    shown = torch.as_tensor(card.axes[0].images[0].get_array())
    assert shown.allclose(torch.tensor([[0.75, 0.25, 0], [0, 1, 0], [0.25, 0.25, 0.5]]))
    assert [label.get_text() for label in card.axes[0].get_yticklabels()] == ["ant", "bee", "cow"]
    assert {text.get_text() for text in card.axes[0].texts} == {"6", "2", "5", "1"}
    assert card.alt.endswith("Most often ant was taken for bee: 2 of 8.")


def test_a_class_without_images_is_an_empty_row_and_a_perfect_answer_has_no_worst():
    card = confusion(torch.tensor([[3, 0], [0, 0]]), ("ant", "bee"))
    assert torch.as_tensor(card.axes[0].images[0].get_array())[1].tolist() == [0, 0]
    assert card.alt == "Of 3 images 100 % stand on the diagonal."


def test_many_classes_have_no_names():
    card = confusion(torch.eye(100, dtype=torch.int64), [str(n) for n in range(100)])
    assert not card.axes[0].texts and "99" not in [
        label.get_text() for label in card.axes[0].get_yticklabels()
    ]


def test_names_and_counts_must_fit():
    with pytest.raises(ValueError, match="counts must be 2 x 2 for 2 classes, but is"):
        confusion(torch.eye(3), ("ant", "bee"))


def test_evaluate_draws_it_and_says_how_fast_it_was(tmp_path, capsys):
    train("deit_nano", "digits", epochs=1, patch_size=4, depth=1, batch_size=200, device="cpu",
          output=tmp_path / "run")  # fmt: skip
    assert main(["evaluate", str(tmp_path / "run" / "last.safetensors")]) == 0
    said = capsys.readouterr().out
    assert "images/s on cpu" in said and "among the first five" in said
    assert (tmp_path / "run" / "confusion.png").read_bytes().startswith(b"\x89PNG")
    other = tmp_path / "other.png"
    words = ["evaluate", str(tmp_path / "run" / "last.safetensors"), "--picture", str(other)]
    assert main(words) == 0 and other.exists()
    deep, below = tmp_path / "new" / "folder" / "one.png", other / "one.png"
    assert main([*words[:-1], str(deep)]) == 0 and deep.exists()
    capsys.readouterr()
    assert main([*words[:-1], str(below)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"flatten-edu: cannot write the picture {below}: ")
    assert error.count("\n") == 1
