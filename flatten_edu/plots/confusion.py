"""What a network takes for what: the confusion matrix of trained weights, a row a true class."""

from collections.abc import Sequence

from torch import Tensor

from .style import INK, Card, percent

# More classes than this have no room for names, more than FEW none for numbers.
MANY, FEW = 40, 12


def confusion(counts: Tensor, classes: Sequence[str]) -> Card:
    """The share of each true class (row) that was taken for each class (column).

    Args:
        counts: k k, how often; as in `Scores.confusion`.
        classes: k names.

    Returns:
        A card whose title says how many were right; `alt` names what is confused most often.

    Raises:
        ValueError: if there are not as many names as rows and columns.

    >>> confusion(torch.tensor([[3, 1], [0, 4]]), ("cat", "dog")).alt
    'Of 8 images 88 % stand on the diagonal. Most often cat was taken for dog: 1 of 4.'
    """
    if tuple(counts.shape) != (len(classes), len(classes)):
        raise ValueError(
            f"counts must be {len(classes)} x {len(classes)} for {len(classes)} classes, "
            f"but is {tuple(counts.shape)}"
        )
    total, right = int(counts.sum()), float(counts.diagonal().sum() / counts.sum())
    shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
    card = Card(
        f"{percent(right)} of {total:,} images right", "Row: true class. Column: answer.", 6.4
    )
    axes = card.place(2.0, 1.0, 4.7, 4.7)
    image = axes.imshow(shares.numpy(), vmin=0, vmax=1, cmap="cividis")
    bar = card.colorbar(image, cax=card.place(6.95, 1.0, 0.15, 4.7))
    bar.set_label("share of the true class", color=INK)
    if len(classes) <= MANY:
        numbers = range(len(classes))
        axes.set_xticks(numbers, [short(name) for name in classes], rotation=90)
        axes.set_yticks(numbers, [short(name) for name in classes])
    if len(classes) <= FEW:
        for row, column in counts.nonzero().tolist():
            colour = "white" if shares[row, column] < 0.5 else "black"
            text = str(int(counts[row, column]))
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    card.alt = (
        f"Of {total:,} images {percent(right)} stand on the diagonal.{worst(counts, classes)}"
    )
    return card


def short(name: str) -> str:
    """A class's name that fits beside the picture.

    >>> short("cat"), short("a very long name of a class")
    ('cat', 'a very long nam…')
    """
    return name if len(name) <= 16 else name[:15] + "…"


def worst(counts: Tensor, classes: Sequence[str]) -> str:
    """A sentence on what is confused most often; empty where nothing is."""
    wrong = counts - counts.diag().diag()
    true, taken = divmod(int(wrong.argmax()), len(classes))
    if not wrong[true, taken]:
        return ""
    found, all = int(wrong[true, taken]), int(counts[true].sum())
    return f" Most often {classes[true]} was taken for {classes[taken]}: {found} of {all}."
