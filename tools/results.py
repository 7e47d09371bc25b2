"""Write the README's tables of results from the rows in results/: `python tools/results.py`."""

from __future__ import annotations

import re
import statistics
import sys
import textwrap
from pathlib import Path

from flatten_edu.arms import ARMS
from flatten_edu.comparison import payoff
from flatten_edu.comparison.results import Row, rows_of
from flatten_edu.comparison.table import across, summarise
from flatten_edu.tasks import list_tasks

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
FOLDERS = ("mnist5k", "textures", "probes")
# Recall again, with other numbers of tokens than in the probes.
CAPACITY = ("recall_16", "recall_196")
BENCH = ROOT / "results" / "bench" / "cpu.md"
BENCH_ON_GPU = ROOT / "results" / "bench" / "h200_networks.md"
# What the README takes from the page that `flatten-edu bench` writes.
SHOWN = (
    "Forward: ratios, and products over the machine's peak",
    "Forward and backward: ratios",
    "Growth",
    "Networks, forward",
    "Networks, compiled forward",
)


def rows_of_comparisons(root: Path = ROOT) -> list[Row]:
    """The rows of every comparison that is there, in the order of the tasks."""
    rows = [row for name in FOLDERS for row in rows_of(root / "results" / name / "results.jsonl")]
    return sorted(rows, key=lambda row: list_tasks().index(row["task"]))


def rows_of_payoff(root: Path = ROOT) -> list[Row]:
    """The rows of the pay-off, or none."""
    return rows_of(root / "results" / "payoff" / "results.jsonl")


def capacity(root: Path = ROOT) -> str:
    """Recall against the number of tokens, a line an arm."""
    found = {64: rows_of(root / "results" / "probes" / "results.jsonl")}
    for name in CAPACITY:
        found[int(name.split("_")[1])] = rows_of(root / "results" / name / "results.jsonl")
    sizes = sorted(found)
    tables = [summarise(found[n], "recall", ARMS) for n in sizes]
    lines = [["recall", *(f"N = {n}" for n in sizes)], ["---", *("---:" for _ in sizes)]]
    lines += [[line[0][0], *(cells[1] for cells in line)] for line in zip(*tables, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def about_payoff(rows: list[Row]) -> str:
    """What the README says of the pay-off, every number from the rows."""
    slow, fast = "softmax", "focused+dwc"
    times = payoff.times_of(rows)
    crossing = times.crossing(slow, fast)
    gain = times.seconds[slow][-1] / times.seconds[fast][-1]
    first, last = (mean_memory(rows, times.sizes[-1], arm) for arm in (slow, fast))
    seconds = statistics.median(row["steps"] * row["step_seconds"] for row in rows)
    where = f"from about {crossing:,.0f} tokens on" if crossing else "at no size that was tried"
    if crossing == times.sizes[0]:
        where = f"at every size that was tried, {crossing:,.0f} tokens and more"
    memory = (
        f"Memory is no reason: the fused kernel never holds an N × N map, so that softmax takes "
        f"{first:,.0f} MiB a mosaic there and focused {last:,.0f}."
        if first <= last
        else f"There softmax takes {first:,.0f} MiB a mosaic and focused {last:,.0f}."
    )
    text = (
        f"`flatten-edu payoff`: textures at growing size, patch 4. A training step with focused "
        f"attention and its branch is cheaper than one with softmax {where}, and {gain:.0f} times "
        f"cheaper at {times.sizes[-1]:,} tokens. {memory} Each run had {seconds:.0f} s of one "
        f"CPU thread to learn in: too few for a good network at the large sizes, but it shows what "
        f"the same time buys."
    )
    picture = "![Time, memory and accuracy as images grow](results/payoff/payoff.png)"
    words = textwrap.fill(text, 140, break_on_hyphens=False)
    return f"### When it pays\n\n{words}\n\n{picture}\n\n{payoff.table(rows)}"


def about_costs(page: str, on_gpu: str) -> str:
    """What the README shows of what `flatten-edu bench` wrote on a CPU, and on a GPU."""
    picture = "![What attention costs](results/bench/cpu.png)"
    return "\n\n".join([picture, tables_of(page), "### Networks on a GPU", tables_of(on_gpu)])


def tables_of(page: str) -> str:
    """The tables of a page that the README shows, as they stand."""
    head, *sections = page.split("\n## ")
    tables = {title: body.strip() for title, _, body in (part.partition("\n") for part in sections)}
    _, command, machine, *_ = (part for part in head.split("\n\n") if part.strip())
    parts = [f"{command}: {machine}."]
    parts += [f"**{title}**\n\n{tables[title]}" for title in SHOWN if title in tables]
    return "\n\n".join(parts)


def mean_memory(rows: list[Row], tokens: int, arm: str) -> float:
    """MiB a mosaic."""
    return statistics.mean(
        row["memory"] / row["batch"] for row in rows if (row["tokens"], row["arm"]) == (tokens, arm)
    )


def written(readme: str, root: Path = ROOT) -> str:
    """The README with its tables made anew."""
    table = across(rows_of_comparisons(root))
    readme, found = re.subn(r"(?m)^\| arm \| .*\n(\|.*\n)+", lambda _: table + "\n", readme)
    if found != 1:
        raise ValueError(f"README must hold one table that starts with '| arm |', but has {found}")
    pages = (root / path.relative_to(ROOT) for path in (BENCH, BENCH_ON_GPU))
    costs = about_costs(*(page.read_text(encoding="utf-8") for page in pages))
    readme = between("costs", costs, readme)
    readme = between("capacity", capacity(root), readme)
    rows = rows_of_payoff(root)
    return between("payoff", about_payoff(rows) if rows else "", readme)


def between(name: str, text: str, readme: str) -> str:
    """The README with this text between the two marks of a name."""
    start, end = f"<!-- {name}, written by tools/results.py -->", f"<!-- end of {name} -->"
    part = "\n".join(line for line in (start, text, end) if line)
    readme, found = re.subn(f"(?s){start}.*{end}", lambda _: part, readme)
    if found != 1:
        raise ValueError(f"README must hold {start!r} and {end!r} once")
    return readme


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
