"""Tables of a result, for a terminal and for a page."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .results import PAIRS, Result, Row


@dataclass(frozen=True)
class Table:
    """A title, the heads of the columns, and rows of words."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(result: Result) -> list[Table]:
    """What there is to say, a table each: forward, training, compiled, networks, figures."""
    made = [
        _grid(result, "forward", "Forward: milliseconds", lambda row: number(row.ms)),
        _ratios(result, "forward", "Forward: ratios, and products over the machine's peak"),
        _grid(result, "forward", "Forward: memory, in sizes of the input", _units),
        _grid(result, "training", "Forward and backward: milliseconds", lambda r: number(r.ms)),
        _ratios(result, "training", "Forward and backward: ratios"),
        _grid(result, "training", "Forward and backward: memory, in sizes of the input", _units),
        _grid(result, "compiled", "Beside the compiled form: milliseconds", lambda r: number(r.ms)),
        _ratios(result, "compiled", "Beside the compiled form: ratios"),
        _networks(result),
        _networks(result, "compiled "),
        _figures(result),
    ]
    return [table for table in made if table.rows]


def _grid(result: Result, work: str, title: str, word: Callable[[Row], str]) -> Table:
    """A line for each number of tokens, a column for each form."""
    found = [row for row in result.rows if row.work == work]
    forms = tuple(dict.fromkeys(row.form for row in found))
    cells = {(row.size, row.form): word(row) for row in found}
    sizes = dict.fromkeys(row.size for row in found)
    rows = tuple((f"{n:,}", *(cells[n, form] for form in forms)) for n in sizes)
    return Table(title, ("tokens", *forms), rows)


def _units(row: Row) -> str:
    return f"{row.units:.1f}"


def _ratios(result: Result, work: str, title: str) -> Table:
    """A line for each number of tokens, a column for each pair of forms that counts."""
    columns = {
        f"{form} / {other}": result.ratio(work, form, other)
        for where, form, other in PAIRS
        if where == work
    }
    if work == "forward":
        columns["share of peak"] = result.share()
    sizes = dict.fromkeys(row.size for row in result.rows if row.work == work)
    rows = (
        (f"{n:,}", *(f"{column[n]:.2f}" for column in columns.values() if n in column))
        for n in sizes
    )
    return Table(title, ("tokens", *columns), tuple(rows))


def _networks(result: Result, kind: str = "") -> Table:
    heads = (
        "network",
        "image",
        "softmax ms",
        "focused ms",
        "softmax / focused",
        "focused images/s",
        "MiB softmax",
        "MiB focused",
    )
    rows = []
    for name in dict.fromkeys(row.work for row in result.rows):
        soft, focused = (result.of(name, kind + form) for form in ("softmax", "focused"))
        if name in ("forward", "training", "compiled"):
            continue
        for image, row in soft.items():
            other = focused[image]
            rows.append(
                (
                    name,
                    str(image),
                    number(row.ms),
                    number(other.ms),
                    f"{row.over[f'{kind}focused']:.2f}",
                    number(other.images),
                    f"{row.memory:.0f}",
                    f"{other.memory:.0f}",
                )
            )
    return Table(f"Networks, {kind}forward", heads, tuple(rows))


def _figures(result: Result) -> Table:
    rows = (
        (name, "never here" if value is None else f"{value:,g}")
        for name, value in result.growth().items()
    )
    return Table("Growth", ("", ""), tuple(rows))


def number(value: float) -> str:
    """Three digits, and all that stand before the point.

    >>> number(0.98765), number(12.345), number(1234.5)
    ('0.988', '12.3', '1,234')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def heading(result: Result) -> str:
    """Where and how it was measured, in one line."""
    machine, s = result.machine, result.settings
    layers = s["tokens"] or s["training"] or s["compiled"]
    layer = f", {s['heads']} heads of {s['width'] // s['heads']}" if layers else ""
    threads = f", {s['threads']} of {machine['cores']} cores" if s["device"] == "cpu" else ""
    allocator = f"allocator: {machine['allocator']}; " if s["device"] == "cpu" else ""
    return (
        f"{machine['device']}{threads}, torch {machine['torch']}, {s['dtype']}, "
        f"batch {s['batch']}{layer}; medians of "
        f"{s['rounds']} rounds or more in turn, {machine['clock']}; "
        f"{allocator}{_peak(result)}"
        f"{'; stopped before its end' if result.stopped else ''}"
    )


def _peak(result: Result) -> str:
    """The least and the largest rate of matrix products that was seen.

    >>> _peak(Result("", {}, {}, 7e10, peaks={196: 1e11}))
    'peak 70 to 100 GFLOP/s'
    """
    peaks = sorted((result.peak, *result.peaks.values()))
    low, high = (f"{peak / 1e9:,.0f}" for peak in (peaks[0], peaks[-1]))
    return f"peak {high} GFLOP/s" if low == high else f"peak {low} to {high} GFLOP/s"


def to_markdown(result: Result) -> str:
    """All tables as a page."""
    lines = [
        "# What attention costs here",
        "",
        f"`{result.command}`",
        "",
        heading(result),
        "",
        "Softmax runs on torch's fused attention. Plain linear is ReLU linear attention without "
        "anything else, a lower bound. Straightforward is the paper's steps in einops. Readable "
        "is how the library trains, focused how it computes without gradients, compiled the same "
        "layer through torch.compile. Ratios are medians of the ratios round by round.",
    ]
    for table in tables(result):
        lines += ["", f"## {table.title}", "", *_markdown(table)]
    return "\n".join(lines) + "\n"


def _markdown(table: Table) -> Iterator[str]:
    def line(words: Iterable[str]) -> str:
        return f"| {' | '.join(words)} |"

    yield line(table.heads)
    yield line(("---", *("---:" for _ in table.heads[1:])))
    yield from (line(row) for row in table.rows)
