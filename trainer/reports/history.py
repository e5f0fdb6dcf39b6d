"""metrics.jsonl as curves: what was measured at which step. Work that was lost with a killed process is left out.

In the file each stage counts its own steps and epochs; in the curves they go on from stage to stage.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.runs import METRICS

METRICS_OF_EPOCH = "metrics"  # of a line: what was measured when an epoch began or ended
STEPS = ("loss", "learning_rate", "grad_norm")

Row = dict[str, Any]


@dataclass
class Curve:
    """One quantity over the run, as (x, y) points; `starts` is where the second stage and those after it begin."""

    points: list[tuple[float, float]] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class History:
    """Loss and the like over steps, metrics of the held-out questions over epochs."""

    steps: dict[str, Curve]
    epochs: dict[str, Curve]


def read(directory: Path) -> History:
    """The curves of a run; none where nothing was trained."""
    rows = _laid_out(_kept(_rows(directory / METRICS)))
    measured = [{**row, **row[METRICS_OF_EPOCH]} for row in rows if isinstance(row.get(METRICS_OF_EPOCH), dict)]
    names = dict.fromkeys(name for row in measured for name in row[METRICS_OF_EPOCH])
    return History(
        steps={name: curve for name in STEPS if (curve := _curve(rows, name, "step")).points},
        epochs={name: _curve(measured, name, "epoch") for name in names},
    )


def _rows(path: Path) -> Iterator[Row]:
    """The whole lines; a killed process may have left half of one."""
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
    """The rows of the run as it went in the end: a resumed one steps back to its checkpoint."""
    kept: list[Row] = []
    for row in rows:
        while kept and kept[-1].get("stage") == row.get("stage") and kept[-1]["step"] > row["step"]:
            kept.pop()
        kept.append(row)
    return kept


def _laid_out(rows: list[Row]) -> list[Row]:
    """The rows with the steps and epochs of a stage counted on from the stage before."""
    found: list[Row] = []
    steps, epochs = 0, 0.0
    for row in rows:
        if found and found[-1].get("stage") != row.get("stage"):
            steps, epochs = found[-1]["step"], found[-1]["epoch"]
        found.append({**row, "step": steps + row["step"], "epoch": epochs + float(row.get("epoch") or 0)})
    return found


def _curve(rows: list[Row], name: str, axis: str) -> Curve:
    points = [(float(row[axis]), float(row[name])) for row in rows if isinstance(row.get(name), int | float)]
    begins: dict[object, float] = {}
    for row in rows:
        begins.setdefault(row.get("stage"), float(row[axis]))
    return Curve([(x, y) for x, y in points if math.isfinite(y)], list(begins.values())[1:])
