"""Train the small networks that the course looks into, and write them to flatten_edu/trained.

python tools/weights.py              all of them, some minutes on one core
python tools/weights.py softmax      one of them
"""

import sys
import tempfile
from pathlib import Path

from flatten_edu import trained
from flatten_edu.tasks import load_task
from flatten_edu.training import train


def make(arm: str) -> str:
    """Train one network, put its last weights in place; a row of the README's table."""
    task = load_task("colours")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        model = task.build(arm)
        result = train(
            model, task.data, recipe=task.recipe, output=run, device="cpu", progress=True
        )
        place = trained.path(arm)
        place.write_bytes((run / "last.safetensors").read_bytes())
    last = result.rows[-1]
    return (
        f"| {arm} | {result.parameters:,} | {last['epoch']} | {last['seconds']:.0f} "
        f"| {100 * last['test_accuracy']:.1f} | {place.stat().st_size / 1000:.0f} |"
    )


if __name__ == "__main__":
    for arm in sys.argv[1:] or trained.ARMS:
        print(make(arm), flush=True)
