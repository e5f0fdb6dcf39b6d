"""The plots, as SVG that a page can hold."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from tests.trainer.made import place
from trainer.reports import certainty, plots
from trainer.reports.drawing import standalone
from trainer.reports.history import Curve

PLACES = [place(1 if i % 3 else 2, confidence=i / 40) for i in range(40)]
CURVE = Curve([(1, 0.5), (2, 0.75), (3, 0.7)], [2])
DRAWINGS: dict[str, Callable[[], str]] = {
    "loss": lambda: plots.loss(CURVE),
    "rate": lambda: plots.learning_rate(CURVE),
    "metric": lambda: plots.metric("MRR", CURVE),
    "bars": lambda: plots.before_after([("Right answer first", 0.5, 0.75), ("Rightly refused", None, 1.0)]),
    "scores": lambda: plots.scores(PLACES, "Scores", plots.score_bins([PLACES])),
    "confidence": lambda: plots.confidences(PLACES, 0.5),
    "reliability": lambda: certainty.reliability(PLACES),
    "tradeoff": lambda: certainty.tradeoff(PLACES, 0.5),
}
SMALL: dict[str, Callable[[], str]] = {
    "one epoch": lambda: plots.metric("MRR", Curve([(1, 0.5)])),
    "one step": lambda: plots.loss(Curve([(1, 0.0)])),
    "one question": lambda: certainty.reliability([place(1)]),
    "one score": lambda: plots.scores([place(1)], "Scores", plots.score_bins([[place(1)]])),
    "nothing answered": lambda: certainty.tradeoff([place(2, confidence=0.1)] * 3, 0.5),
    "never sure": lambda: plots.confidences([place(2, confidence=0.0)], 1.0),
}


@pytest.mark.parametrize("draw", [*DRAWINGS.values(), *SMALL.values()], ids=[*DRAWINGS, *SMALL])
def test_a_plot_is_well_formed_named_and_takes_its_colours_from_the_page(draw: Callable[[], str]) -> None:
    svg = draw()
    assert ElementTree.fromstring(svg).attrib["aria-label"]
    assert not re.findall(r"[:\"]\s*#[0-9a-f]{6}\b", svg)
    assert "DejaVu" not in svg
    assert "<style" not in svg
    assert "<text" in svg


def test_two_plots_share_no_id() -> None:
    ids = [name for draw in DRAWINGS.values() for name in set(re.findall(r'id="([^"]+)"', draw()))]
    assert ids
    assert len(ids) == len(set(ids))


def test_a_standalone_plot_has_colours_for_light_and_dark() -> None:
    svg = standalone(DRAWINGS["loss"]())
    ElementTree.fromstring(svg)
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", svg))
    assert used <= set(re.findall(r"--([a-z0-9-]+):", svg))
    assert "prefers-color-scheme:dark" in svg


def test_plots_say_what_they_show() -> None:
    confidence = DRAWINGS["confidence"]()
    assert "right, 26" in confidence
    assert "wrong, 14" in confidence
    assert "answers from 50%" in confidence
    assert "stage 2" in DRAWINGS["loss"]()
    assert "0.750" in DRAWINGS["metric"]()
    assert "now: 50% answered, 65% of them right" in DRAWINGS["tradeoff"]()
