"""`reports/data/bench.json`, what was measured last, and `reports/bench.md`, its page."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from kerasref.bench import HARNESS
from kerasref.bench.throughput import SIDE
from kerasref.harness import files, markdown

GOAL = 0.95  # of the twin's images per second

_HARNESS_ROWS = (
    (
        "epoch of a recorded, checkpointed run (LeNet-5, 60,000 images, batch 128), over that of a "
        "hand-written `tf.function` loop",
        "overhead_over_hand_written",
        "{:+.0%}",
    ),
    ("the same over that of `model.fit`", "overhead_over_model_fit", "{:+.0%}"),
    ("MLflow's share of that run", "mlflow_share_of_run", "{:.1%}"),
    (
        "training step of Keras's `Conv2D(groups=8)` over that of `GroupedConv2D`, 64 channels, "
        "28x28, batch 8",
        "grouped_conv_speedup",
        "{:.0f} times",
    ),
    ("`kerasref list`", "list_seconds", "{:.1f} s"),
)


def record_path(reports: Path) -> Path:
    return reports / "data" / "bench.json"


def update(reports: Path, name: str, measurement: dict[str, Any]) -> Path:
    """Put a measurement in the record, in the place of an earlier one, and write the page."""
    path = record_path(reports)
    record = json.loads(path.read_text()) if path.exists() else {}
    record[name] = measurement
    files.replace(path, (json.dumps(record, indent=1, sort_keys=True) + "\n").encode())
    page = reports / "bench.md"
    files.replace(page, render(record))
    return page


def render(record: dict[str, dict[str, Any]]) -> bytes:
    """The page; the same bytes for the same record."""
    races = {name: record[name] for name in sorted(record) if name != HARNESS}
    return markdown.page(
        [
            "# Measured",
            "Written by `make bench`. Medians; wall time.",
            *(_throughput(races) if races else []),
            *(_harness(record[HARNESS]) if HARNESS in record else []),
        ]
    )


def _throughput(races: dict[str, dict[str, Any]]) -> list[str]:
    lines, reached = [], 0
    for name, race in races.items():
        ratios = [
            theirs / ours
            for ours, theirs in zip(race["seconds"], race["twin_seconds"], strict=True)
        ]
        ratio = statistics.median(ratios)
        reached += ratio >= GOAL
        ours, theirs = (
            race["images"] / statistics.median(race[key]) for key in ("seconds", "twin_seconds")
        )
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        numbers = [f"{ours:.2f}", f"{theirs:.2f}", f"{ratio:.2f}", spread, str(len(ratios))]
        lines.append([f"`{name}`", f"`{race['twin']}`", *numbers])
    head = ["builder", "keras.applications", "ours", "theirs", "ratio", "range", "steps"]
    batches = ", ".join(sorted({str(race["images"]) for race in races.values()}))
    return [
        "## Training step of builders and of the networks in keras.applications",
        f"Images per second of a step of gradient descent, batch {batches}, {SIDE}x{SIDE} pixels, "
        "as one `tf.function` on all cores. The two networks take turns in one process. `ratio`: "
        "of their images per second, over pairs of neighbouring steps. "
        f"**{reached} of {len(races)} reach {GOAL}.**",
        markdown.table(head, lines, numbers_from=2),
        _where(list(races.values())),
    ]


def _harness(figures: dict[str, Any]) -> list[str]:
    lines = [[text, form.format(figures[key])] for text, key, form in _HARNESS_ROWS]
    images = figures["images"].replace("fashion_mnist", "Fashion-MNIST")
    return [
        "## The harness, on one thread",
        markdown.table(["", ""], lines, numbers_from=1),
        f"Images: {images}.",
        _where([figures]),
    ]


def _where(measurements: list[dict[str, Any]]) -> str:
    facts = []
    for fact in ("commit", "machine", "versions"):
        values = sorted({measurement[fact] for measurement in measurements})
        facts.append(f"{fact.capitalize()}: {'; '.join(values)}.")
    return " ".join(facts)
