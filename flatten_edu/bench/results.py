"""What was measured, and what follows from it."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..timing import Times


@dataclass(frozen=True)
class Row:
    """One form at one size.

    Args:
        work: "forward", "training" (forward and backward), "compiled" (forward, beside the
            compiled form), or the name of a network.
        form: "softmax", "plain linear", "straightforward", "readable", "focused", "compiled" (the
            focused layer), or another with "compiled" in front.
        size: number of tokens of a layer; side of the image of a network.
        ms: median of the milliseconds; `low` and `high` are the quartiles.
        rounds: how often it was measured.
        images: images a second.
        memory: MiB at the worst moment, beyond parameters and input; `units` is the same in
            numbers of the size of the input (b N c numbers).
        over: median of the ratios round by round: this form's time over the other's.
    """

    work: str
    form: str
    size: int
    ms: float
    low: float
    high: float
    rounds: int
    images: float
    memory: float
    units: float
    over: dict[str, float]


@dataclass
class Result:
    """All that was measured, and where.

    Args:
        command: what was typed.
        machine, settings: where and how it was measured.
        peak: the machine's matrix products a second at the start (multiply-adds count twice).
        rows: what was measured.
        peaks: number of tokens -> the peak right after its forms ran forward.
        stopped: whether it ended early, so that groups are missing.
    """

    command: str
    machine: dict[str, str | int | float]
    settings: dict
    peak: float
    rows: list[Row] = field(default_factory=list)
    peaks: dict[int, float] = field(default_factory=dict)
    stopped: bool = False

    def of(self, work: str, form: str) -> dict[int, Row]:
        """The rows of a form, by size.

        >>> Result("", {}, {}, 1.0).of("forward", "focused")
        {}
        """
        return {row.size: row for row in self.rows if (row.work, row.form) == (work, form)}

    def ratio(self, work: str, form: str, other: str) -> dict[int, float]:
        """By size, how many times the time of `other` a form takes."""
        rows = self.of(work, form)
        return {size: row.over[other] for size, row in rows.items() if other in row.over}

    def times(self) -> Times:
        """The three mechanisms in the forward pass, as a picture of cost wants them.

        They are compiled, if all sizes are.
        """
        s = self.settings
        compiled = bool(s["tokens"]) and set(s["tokens"]) <= set(self.of("compiled", "compiled"))
        work, forms = ("compiled", _COMPILED) if compiled else ("forward", _EAGER)
        found = {name: self.of(work, form) for name, form in forms.items()}
        sizes = tuple(n for n in found["focused"] if n in s["tokens"])
        cpu = s["device"] == "cpu"
        what = "Forward, one layer, compiled" if compiled else "Forward, one layer"
        threads = f"{s['threads']} CPU thread{'s' if s['threads'] > 1 else ''}"
        return Times(
            sizes,
            {name: tuple(rows[n].ms / 1000 for n in sizes) for name, rows in found.items()},
            min((row.rounds for row in found["focused"].values()), default=0),
            f"{what}; {s['heads']} heads of {s['width'] // s['heads']}, "
            f"batch {s['batch']}, {s['dtype']}",
            threads if cpu else str(self.machine["device"]),
        )

    def growth(self) -> dict[str, float | None]:
        """How time grows with the number of tokens, and from where on focused is the faster."""
        times = self.times()
        large = [n for n in times.sizes if n >= 784]
        if len(large) < 2:
            return {}
        figures: dict[str, float | None] = {
            f"slope of {name}, N = {large[0]:,} to {large[-1]:,}": round(
                times.slope(name, large[0]), 3
            )
            for name in times.seconds
        }
        crossing = times.crossing("softmax", "focused")
        figures["focused is faster than softmax from N"] = crossing and round(crossing)
        return figures

    def ratios(self) -> dict[str, dict[int, float]]:
        """The ratios that count, by name and number of tokens."""
        return {
            f"{work}: {form} / {other}": self.ratio(work, form, other)
            for work, form, other in PAIRS
        }

    def share(self) -> dict[int, float]:
        """By size, products of the focused layer a second over the machine's peak at that time."""
        s = self.settings
        width, d = s["width"], s["width"] // s["heads"]
        # Four projections, and two products of a head; the convolution is not counted.
        products = 8 * width * width + 4 * width * d
        return {
            n: s["batch"] * n * products / (row.ms / 1000) / self.peaks.get(n, self.peak)
            for n, row in self.of("forward", "focused").items()
        }

    def to_json(self) -> dict:
        """Everything, for a file."""
        return {
            "command": self.command,
            "machine": self.machine,
            "settings": self.settings,
            "stopped": self.stopped,
            "peak_gflops": round(self.peak / 1e9, 1),
            "peaks_gflops": {n: round(peak / 1e9, 1) for n, peak in self.peaks.items()},
            "growth": self.growth(),
            "ratios": self.ratios(),
            "share_of_peak": {n: round(share, 3) for n, share in self.share().items()},
            "rows": [dataclasses.asdict(row) for row in self.rows],
        }


PAIRS = (
    ("forward", "focused", "plain linear"),
    ("forward", "straightforward", "focused"),
    ("forward", "softmax", "focused"),
    ("training", "straightforward", "readable"),
    ("training", "softmax", "readable"),
    ("compiled", "readable", "compiled"),
    ("compiled", "straightforward", "compiled"),
    ("compiled", "compiled straightforward", "compiled"),
    ("compiled", "compiled", "compiled linear"),
    ("compiled", "softmax", "compiled"),
    ("compiled", "compiled softmax", "compiled"),
)
# Name in a picture -> form.
_EAGER = {"softmax": "softmax", "linear": "plain linear", "focused": "focused"}
_COMPILED = {"softmax": "compiled softmax", "linear": "compiled linear", "focused": "compiled"}


def rows_of(
    work: str,
    size: int,
    found: Mapping[str, Sequence[float]],
    memory: Mapping[str, int],
    unit: int,
    batch: int,
) -> list[Row]:
    """The rows of one group, from the seconds of each form in each round."""
    rows = []
    for form, seconds in found.items():
        low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
        over = {
            other: round(statistics.median(a / b for a, b in zip(seconds, theirs, strict=True)), 4)
            for other, theirs in found.items()
            if other != form
        }
        rows.append(
            Row(
                work,
                form,
                size,
                ms=round(1000 * middle, 4),
                low=round(1000 * low, 4),
                high=round(1000 * high, 4),
                rounds=len(seconds),
                images=round(batch / middle, 2),
                memory=round(memory[form] / 2**20, 2),
                units=round(memory[form] / unit, 2),
                over=over,
            )
        )
    return rows
