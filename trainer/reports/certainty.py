"""Plots of the confidence: the reliability diagram, and precision against the share of questions answered."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from trainer.reports.drawing import ACCENT, DASHED, INK, SOFT, drawn
from trainer.reports.findings import Share
from trainer.reports.results import Place

RELIABILITY_BINS, FEWEST_IN_BIN = 8, 12
FEWEST_ANSWERED = 5  # the curve of precision begins there


def reliability(places: Sequence[Place]) -> str:
    """The share of right answers by confidence, in bins with equally many questions, with 95% intervals."""
    bins = max(1, min(RELIABILITY_BINS, len(places) // FEWEST_IN_BIN))
    ordered = sorted(places, key=lambda place: place.confidence)
    parts = [[ordered[i] for i in part] for part in np.array_split(np.arange(len(ordered)), bins)]

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=DASHED)
        axes.text(0.98, 0.05, "dashed: confidence = share right", color=SOFT, ha="right")
        for part in parts:
            share = Share(sum(place.right for place in part), len(part))
            x, (low, high) = float(np.mean([place.confidence for place in part])), share.interval
            axes.plot([x, x], [low, high], color=ACCENT, linewidth=1.5, alpha=0.45, solid_capstyle="butt")
            axes.plot(x, share.value, color=ACCENT, marker="o", markersize=7, clip_on=False)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence")
        _percentages(axes)

    return drawn("Does the confidence hold?", "right answers", draw, "Share of right answers against confidence")


def tradeoff(places: Sequence[Place], threshold: float) -> str:
    """The precision of the answers at every share of questions answered; a dot marks the present threshold."""
    ordered = sorted(places, key=lambda place: -place.confidence)
    right = np.cumsum([place.right for place in ordered])
    count = np.arange(1, len(ordered) + 1)
    kept = count >= min(FEWEST_ANSWERED, len(ordered))
    coverage, precision = count / len(ordered), right / count
    answered = sum(place.confidence >= threshold for place in places)

    def draw(axes: Axes) -> None:
        axes.plot(coverage[kept], precision[kept], color=ACCENT, linewidth=2, solid_capstyle="round")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="questions answered")
        _percentages(axes)
        if answered:
            x, y = coverage[answered - 1], precision[answered - 1]
            axes.plot(x, y, color=INK, marker="o", markersize=7, clip_on=False)
            label = f"now: {x:.0%} answered, {y:.0%} of them right"
            axes.text(0.98, 0.05, label, color=INK, ha="right", transform=axes.transAxes)

    return drawn(
        "More answers or fewer mistakes", "right, of those answered", draw, "Precision against the share answered"
    )


def _percentages(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
