"""The exercises of the chapters: right answers pass, wrong ones are told, none is no error."""

from pathlib import Path

import nbformat
import pytest

import flatten_edu as fe
from flatten_edu import comparison, timing
from flatten_edu.comparison.results import rows_of

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

# For each exercise of a chapter: code in the place of the empty answer, right and wrong.
ANSWERS = {
    "00_first_ten_minutes": [("answer = None", "answer = 8", "answer = 4")],
    "01_softmax_attention": [
        ("answer = None", "answer = 56**4", "answer = 56**2"),
        (
            "mixed = None",
            "mixed = (k[0, 0] @ query / 8).softmax(0) @ v[0, 0]",
            "mixed = (k[0, 0] @ query).softmax(0) @ v[0, 0]",
        ),
        ("factor = None", "factor = 1.896", "factor = 1.0"),
    ],
    "02_linear_attention": [
        ("answer = None", "answer = 32", "answer = 64"),
        (
            "answer = None",
            "phi = fe.attention.positive\n"
            "for j in range(196):\n"
            "    memory += phi(keys[j])[:, None] * values[j]\n"
            "    total += phi(keys[j])\n"
            "answer = phi(query) @ memory / (phi(query) @ total)",
            "answer = fe.attention.positive(query) @ memory",
        ),
        (
            "    fq, fk = fe.attention.positive(q), fe.attention.positive(k)\n",
            "    fq, fk = q.relu() ** 12, k.relu() ** 12\n",
            None,
        ),
    ],
    "03_focus_ability": [
        ("answer = None", "answer = 5", "answer = 4"),
        (
            "    return None",
            "    y = x**p\n"
            "    return y * x.norm(dim=-1, keepdim=True) / y.norm(dim=-1, keepdim=True)",
            "    return x**p",
        ),
        ("answer = None", "answer = 7.2", "answer = 6.8"),
    ],
    "04_rank_collapse": [
        ("answers = None", "answers = (32, 16)", "answers = (49, 16)"),
        ("mine = None", "mine = torch.ones(1, 1, 196, 64).double()", "mine = query"),
        ("heads = None", "heads = 4", "heads = 3"),
    ],
    "05_depthwise_restoration": [
        ("answer = None", "answer = 64**2", "answer = 25 * 196"),
        (
            "mine = None",
            "mine = torch.eye(3)[[0]].expand(3, 3) * torch.eye(3)[:, [1]]",
            "mine = torch.zeros(3, 3)",
        ),
        ("sides = None", "sides = [3, 4, 6]", "sides = [14]"),
    ],
    "06_focused_module": [
        ("answer = None", "answer = 32 + 49 / 2", "answer = 32 + 25 / 2"),
        (
            "mine = None",
            "mine = torch.eye(5)[[2]] * torch.eye(5)[:, [2]]",
            "mine = torch.ones(5, 5)",
        ),
        ("answer = None", "answer = 19", "answer = 20"),
    ],
    "07_backbones": [
        ("answer = None", "answer = 96**2", "answer = 24**2"),
        (
            "mine = None",
            'mine = ["softmax"] * 2 + ["focused"] * 2',
            'mine = "focused"',
        ),
        ("side = None", "side = 352", "side = 320"),
    ],
    "08_train_and_compare": [
        ("answer = None", "answer = 6", "answer = 5"),
        (
            "mine = None",
            "mine = torch.eye(64)[torch.arange(64).reshape(8, 8).roll((-1, -2), (0, 1)).ravel()]",
            "mine = torch.eye(64)[torch.arange(64).reshape(8, 8).roll((1, 2), (0, 1)).ravel()]",
        ),
        ("answer = None", "answer = 9", "answer = 8"),
    ],
    "09_look_at_a_photo": [
        ("answer = None", "answer = (12, 8)", "answer = (8, 5)"),
        (
            "mine = None",
            "phi = fe.attention.focus(fe.attention.positive(x), 3)\n"
            "mine = phi[n] @ phi.T\n"
            "mine = mine / mine.sum()",
            "mine = x[n] @ x.T",
        ),
        ("c = None", "c = 0.33", "c = 1.0"),
    ],
    "10_results_and_limits": [
        ("answer = None", "answer = 5", "answer = 6"),
        (
            "    return None",
            "    return 100 * (top1 / 100 * (1 - top1 / 100) / images) ** 0.5",
            "    return (top1 / 100 * (1 - top1 / 100) / images) ** 0.5",
        ),
        ("answer = None", "answer = 223_200", "answer = 50_000"),
    ],
    "11_gallery": [
        ("answers = None", "answers = (64, 33)", "answers = (32, 33)"),
        ("pair = None", 'pair = ("linear", "slab")', 'pair = ("agent", "nystrom")'),
        (
            "    return None",
            "    return fe.gallery.nalaformer_attention(q, k, v)",
            "    return fe.attention.focused_attention(q, k, v)",
        ),
    ],
}


def left_out(cell, stem):
    """Whether the cell measures times, which a short run does not keep, or trains for long."""
    tags = set(cell.metadata.get("tags", []))
    return tags & {"timed", "trains"} or ("claim" in tags and stem[:2] in ("01", "02"))


def kept_runs(task, arms, seeds, **settings):
    """Rows as `compare` returns them, from kept runs: an exercise waits for no training."""
    folder = "textures" if task == "textures" else "probes"
    rows = rows_of(NOTEBOOKS.parent / "results" / folder / "results.jsonl")
    return [r for r in rows if r["task"] == task and r["arm"] in arms and r["seed"] < seeds]


@pytest.fixture(scope="module")
def chapter():
    """The names that a chapter has defined before its exercises, and the exercises' code."""
    kept = {}

    def run(stem):
        if stem not in kept:
            cells = nbformat.read(NOTEBOOKS / f"{stem}.ipynb", as_version=4).cells
            names: dict = {}
            known = fe.gallery.shown()
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(NOTEBOOKS)
                patch.setattr(fe, "explore", lambda *args, **values: None)
                patch.setattr(timing, "_SECONDS", 0)
                patch.setattr(comparison, "compare", kept_runs)
                patch.setenv("FLATTEN_EDU_FAST", "1")
                asks = ["exercise" in cell.metadata.get("tags", []) for cell in cells]
                last = len(asks) - asks[::-1].index(True)
                exercises = []
                for cell, is_exercise in zip(cells[:last], asks, strict=False):
                    if is_exercise:
                        exercises.append(cell.source)
                    elif cell.cell_type == "code" and not left_out(cell, stem):
                        exec(cell.source, names)
            for name in set(fe.gallery.shown()) - set(known):
                fe.gallery.remove(name)
            kept[stem] = names, exercises
        return kept[stem]

    return run


@pytest.mark.notebook
@pytest.mark.parametrize("stem", ANSWERS)
def test_right_answers_pass_and_wrong_ones_are_told(chapter, stem, capsys):
    names, exercises = chapter(stem)
    assert len(exercises) == len(ANSWERS[stem]) == (1 if stem.startswith("00") else 3)
    for source, (empty, right, wrong) in zip(exercises, ANSWERS[stem], strict=True):
        assert empty in source
        exec(source, dict(names))
        capsys.readouterr()
        exec(source.replace(empty, right, 1), dict(names))
        said = capsys.readouterr().out
        assert "Right" in said, f"{right}: {said}"
        if wrong:
            with pytest.raises(AssertionError):
                exec(source.replace(empty, wrong, 1), dict(names))
