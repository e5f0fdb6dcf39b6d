"""Reliability diagrams of the `default` system: does a confidence hold on a family that it was not learned from?"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from benchmarks.generalize.judging import Judged

BINS = 10  # of equal mass
COLUMNS, SIDE = 3, 3.2  # panels in a row; inches of a panel


def draw(families: Mapping[str, Sequence[Judged]], target: Path) -> None:
    """Write a PNG with a panel for each family: the share of right answers against the confidence of the best answer.

    The questions of a family's rows and seeds are pooled. The bars are 95 % intervals by the normal approximation, for
    questions that are independent; those of several seeds are not, so the true intervals are wider.
    """
    rows = -(-len(families) // COLUMNS)
    figure = Figure(figsize=(COLUMNS * SIDE, rows * SIDE), layout="constrained", dpi=110)
    panels = np.atleast_1d(figure.subplots(rows, COLUMNS, sharex=True, sharey=True)).ravel()
    for axes, (family, judged) in zip(panels, families.items(), strict=False):
        _panel(axes, family, judged)
    for axes in panels[len(families) :]:
        axes.set_axis_off()
    figure.supxlabel("confidence of the best answer")
    figure.supylabel("right answers")
    figure.savefig(target, metadata={"Software": None})


def _panel(axes: Axes, family: str, judged: Sequence[Judged]) -> None:
    confidence = np.concatenate([part.confidence for part in judged])
    right = np.concatenate([part.right for part in judged]).astype(np.float64)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle="--")
    for part in np.array_split(np.argsort(confidence, kind="stable"), min(BINS, len(confidence))):
        mean, share = confidence[part].mean(), right[part].mean()
        deviation = 1.96 * np.sqrt(share * (1 - share) / len(part))
        axes.errorbar(mean, share, deviation, color="#0b6b5f", marker="o", markersize=5, elinewidth=1)
    bias = confidence.mean() - right.mean()
    axes.set_title(f"{family}: {len(right):,} questions, bias {bias:+.3f}", fontsize=9)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
