"""The curves in metrics.jsonl: loss and learning rate over steps, metrics over epochs.

Rows that a resumed run repeats are dropped. In the file each stage counts its own steps and epochs; in the curves they
continue from stage to stage.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.runs import METRICS

METRICS_OF_EPOCH = "metrics"  # key of a line with the metrics at the beginning or end of an epoch
STEPS = ("loss", "learning_rate", "grad_norm")

Row = dict[str, Any]


@dataclass
class Curve:
    """The (x, y) points of one quantity; `starts` are the x at which the second stage and those after it begin."""

    points: list[tuple[float, float]] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class History:
    """The quantities of `STEPS` over steps, and the metrics of the held-out questions over epochs, by name."""

    steps: dict[str, Curve]
    epochs: dict[str, Curve]


def read(directory: Path) -> History:
    """The curves of the run in `directory`; none where nothing was trained."""
    rows = _continued(_kept(_rows(directory / METRICS)))
    measured = [{**row, **row[METRICS_OF_EPOCH]} for row in rows if isinstance(row.get(METRICS_OF_EPOCH), dict)]
    names = dict.fromkeys(name for row in measured for name in row[METRICS_OF_EPOCH])
    return History(
        steps={name: curve for name in STEPS if (curve := _curve(rows, name, "step")).points},
        epochs={name: _curve(measured, name, "epoch") for name in names},
    )


def _rows(path: Path) -> Iterator[Row]:
    """The complete lines; a killed process may leave half a line."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            yield row


def _kept(rows: Iterator[Row]) -> list[Row]:
    """The rows without those that were lost: a resumed run goes back to the step of its checkpoint."""
    kept: list[Row] = []
    for row in rows:
        while kept and kept[-1].get("stage") == row.get("stage") and kept[-1]["step"] > row["step"]:
            kept.pop()
        kept.append(row)
    return kept


def _continued(rows: list[Row]) -> list[Row]:
    """The rows with steps and epochs that continue from the previous stage."""
    continued: list[Row] = []
    steps, epochs = 0, 0.0
    for row in rows:
        if continued and continued[-1].get("stage") != row.get("stage"):
            steps, epochs = continued[-1]["step"], continued[-1]["epoch"]
        continued.append({**row, "step": steps + row["step"], "epoch": epochs + float(row.get("epoch") or 0)})
    return continued


def _curve(rows: list[Row], name: str, axis: str) -> Curve:
    points = [(float(row[axis]), float(row[name])) for row in rows if isinstance(row.get(name), int | float)]
    begins: dict[object, float] = {}
    for row in rows:
        begins.setdefault(row.get("stage"), float(row[axis]))
    return Curve([(x, y) for x, y in points if math.isfinite(y)], list(begins.values())[1:])
