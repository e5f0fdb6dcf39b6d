"""The plots of a run: curves over its steps and epochs, bars, and histograms of scores and confidences.

The base model is always grey and the fine-tuned one has the accent colour. Right and wrong differ by position too, not
only by colour.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from app.arrays import Floats, Integers
from trainer.reports.drawing import ACCENT, BASE, DASHED, INK, SOFT, WRONG, drawn, note
from trainer.reports.history import Curve
from trainer.reports.results import Place

BINS = 20
DOTS = 20  # epochs; a longer curve has no dots


@dataclass(frozen=True)
class Bins:
    """The bins of a histogram: their edges, and the largest count that the axis must hold."""

    edges: Floats
    most: int


def loss(curve: Curve) -> str:
    """The training loss over steps."""
    return _steps(curve, "Training loss", "nats per question")


def learning_rate(curve: Curve) -> str:
    """The learning rate over steps."""
    scaled = Curve([(x, 1e5 * y) for x, y in curve.points], curve.starts)
    return _steps(scaled, "Learning rate", "×10⁻⁵", peak=True)


def metric(name: str, curve: Curve) -> str:
    """One metric of the validation questions over epochs; the best value is labelled."""

    def draw(axes: Axes) -> None:
        x, y = _xy(curve)
        dots = "o" if len(x) <= DOTS else ""
        for part in _segments(curve):
            axes.plot(x[part], y[part], color=ACCENT, linewidth=2, marker=dots, markersize=5, clip_on=False)
        best = int(y.argmax())
        note(axes, f"{y[best]:.3f}", (x[best], y[best]), (0, 8), ha="center", weight="bold")
        axes.margins(x=0.06, y=0.22)
        if y.max() <= 1:
            axes.set_ylim(max(0, axes.get_ylim()[0]), min(1, axes.get_ylim()[1]))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_xlabel("epoch")
        _mark_stages(axes, curve, 0)

    return drawn(name, "", draw, f"{name} after each epoch")


def before_after(rows: Sequence[tuple[str, float | None, float]]) -> str:
    """A pair of bars for each share: base and fine-tuned. `rows` are names and both values."""

    def draw(axes: Axes) -> None:
        for i, (name, before, after) in enumerate(rows):
            axes.text(0, i - 0.36, name, color=INK, va="center")
            for value, place, color, ink in ((before, i - 0.06, BASE, SOFT), (after, i + 0.2, ACCENT, ACCENT)):
                if value is not None:
                    axes.barh(place, value, height=0.22, color=color)
                    axes.text(value + 0.012, place, f"{value:.0%}", color=ink, va="center", weight="bold")
        axes.set(xlim=(0, 1.12), ylim=(len(rows) - 0.55, -0.6), xticks=[], yticks=[])
        axes.grid(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        if any(before is not None for _, before, _ in rows):
            axes.text(0.88, -0.36, "base", color=SOFT, weight="bold", ha="right", va="center")
            axes.text(1.1, -0.36, "fine-tuned", color=ACCENT, weight="bold", ha="right", va="center")

    return drawn(
        "Before and after", "", draw, "Held-out questions, base against fine-tuned", (340, 40 + 56 * len(rows))
    )


def score_bins(systems: Sequence[Sequence[Place]]) -> Bins:
    """Bins for the scores of all systems, so that their plots have the same axes."""
    scores = [place.score for places in systems for place in places]
    edges = np.linspace(math.floor(10 * min(scores)) / 10, math.ceil(10 * max(scores) + 1e-6) / 10, BINS + 1)
    return Bins(edges, max(int(count.max()) for places in systems for count in _counted(places, "score", edges)))


def scores(places: Sequence[Place], title: str, bins: Bins) -> str:
    """A histogram of the scores of first answers: right ones upwards, wrong ones downwards."""
    return _mirrored(_counted(places, "score", bins.edges), bins, title, "score (similarity)")


def confidences(places: Sequence[Place], threshold: float) -> str:
    """A histogram of the confidences of first answers, right ones upwards, with the answer threshold."""
    edges = np.linspace(0, 1, BINS + 1)
    counts = _counted(places, "confidence", edges)

    def mark(axes: Axes) -> None:
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.axvline(threshold, color=INK, linewidth=1, linestyle=DASHED)
        offset, align = ((-5, -2), "right") if threshold > 0.55 else ((5, -2), "left")
        coordinates = ("data", "axes fraction")
        note(axes, f"answers from {threshold:.0%}", (threshold, 1), offset, xycoords=coordinates, ha=align, va="top")

    most = max(int(count.max()) for count in counts)
    return _mirrored(counts, Bins(edges, most), "Right and wrong by confidence", "confidence", mark)


def _steps(curve: Curve, title: str, unit: str, peak: bool = False) -> str:
    """A quantity over steps, labelled at its end or, with `peak`, at its maximum."""

    def draw(axes: Axes) -> None:
        x, y = _xy(curve)
        for part in _segments(curve):
            axes.plot(x[part], y[part], color=ACCENT, linewidth=2, clip_on=False)
        at = int(y.argmax()) if peak else -1
        note(axes, f"{y[at]:.2f}", (x[at], y[at]), (6, 0), va="center", weight="bold", annotation_clip=False)
        axes.set_ylim(0, max(y) * 1.1 or 1)
        axes.margins(x=0.02)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_xlabel("step")
        _mark_stages(axes, curve, 0.9)

    return drawn(title, unit, draw, f"{title} over the steps of the training")


def _segments(curve: Curve) -> list[NDArray[np.bool_]]:
    """A mask of the points of each stage, (points,); a point between two stages belongs to both."""
    x, ends = _xy(curve)[0], [-np.inf, *curve.starts, np.inf]
    parts = [(x >= begin) & (x <= end) for begin, end in itertools.pairwise(ends)]
    return [part for part in parts if part.any()]


def _mark_stages(axes: Axes, curve: Curve, height: float) -> None:
    """Mark where the second stage and those after it begin, with a label at `height`, 0 to 1, of the axes."""
    for number, start in enumerate(curve.starts, start=2):
        axes.axvline(start, color=SOFT, linewidth=1, linestyle=DASHED)
        note(axes, f"stage {number}", (start, height), (4, 4), xycoords=("data", "axes fraction"), color=SOFT)


def _mirrored(
    counts: tuple[Integers, Integers], bins: Bins, title: str, unit: str, mark: Callable[[Axes], None] | None = None
) -> str:
    """Two histograms, of right answers upwards and of wrong ones downwards; `mark` draws on top of them."""
    (right, wrong), edges = counts, bins.edges

    def draw(axes: Axes) -> None:
        width, middles = (edges[1] - edges[0]) * 0.86, (edges[1:] + edges[:-1]) / 2
        axes.bar(middles, right, width, color=ACCENT)
        axes.bar(middles, -wrong, width, color=WRONG)
        axes.axhline(0, color=INK, linewidth=1)
        most = max(bins.most, 1) * 1.25
        axes.set(xlim=(edges[0], edges[-1]), ylim=(-most, most), xlabel=unit)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
        axes.text(0.02, 0.95, f"right, {right.sum()}", transform=axes.transAxes, color=ACCENT, weight="bold", va="top")
        axes.text(0.02, 0.05, f"wrong, {wrong.sum()}", transform=axes.transAxes, color=WRONG, weight="bold")
        if mark is not None:
            mark(axes)

    return drawn(title, "questions", draw, f"{title}: {right.sum()} right and {wrong.sum()} wrong")


def _counted(places: Sequence[Place], field: str, edges: Floats) -> tuple[Integers, Integers]:
    """The numbers of right and of wrong answers in each bin of a field of their places, (bins,) each."""
    right, wrong = (
        np.histogram([getattr(place, field) for place in places if place.right is kind], edges)[0]
        for kind in (True, False)
    )
    return right, wrong


def _xy(curve: Curve) -> tuple[Floats, Floats]:
    points = np.array(curve.points)
    return points[:, 0], points[:, 1]
