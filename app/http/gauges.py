"""The Prometheus gauges: what holds at this moment, read when `/metrics` is asked for."""

import math
from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.ranking.adaptation import Adaptation

_NO_SHARES: dict[str, float | None] = {"stated": None, "estimated": None, "applied": None}


class Gauges(Collector):
    """The state of the service. With several worker processes, the one that is asked tells it for all."""

    def __init__(self) -> None:
        self.under_way: Callable[[], int] = lambda: 0  # how many questions are in progress, in all processes
        self._release: str | None = None
        self._calibrated = False
        self._shares = _NO_SHARES
        self._questions, self._misfit = 0, 0.0

    def serving(self, release: str | None, *, calibrated: bool) -> None:
        """Set which release answers, None for no release, and whether it has a calibration of its own."""
        self._release, self._calibrated = release, calibrated

    def learned(self, adaptation: Adaptation | None) -> None:
        """Set the shares of unanswerable questions of the release that answers."""
        estimate = adaptation.estimate() if adaptation else None
        self._shares = _NO_SHARES
        if adaptation:
            share = estimate.share if estimate else None
            self._shares = {"stated": adaptation.stated, "estimated": share, "applied": adaptation.applied}
        self._questions, self._misfit = (estimate.questions, estimate.misfit) if estimate else (0, 0.0)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges with their present values, for the registry."""
        yield GaugeMetricFamily(
            "faqtual_questions_under_way", "Questions accepted and not answered yet.", self.under_way()
        )
        release = GaugeMetricFamily("faqtual_release_info", "The release that answers.", labels=["release"])
        if self._release:
            release.add_metric([self._release], 1)
        yield release
        yield GaugeMetricFamily(
            "faqtual_release_calibrated",
            "1 if the release that answers is calibrated for what it holds, 0 if it uses its bundle's calibration.",
            self._calibrated,
        )
        yield from self._unanswerable()

    def _unanswerable(self) -> Iterator[GaugeMetricFamily]:
        share = GaugeMetricFamily(
            "faqtual_unanswerable_share",
            "Share of the questions that nothing answers: stated in the settings, estimated from what is asked, and "
            "applied to confidences. NaN: not known.",
            labels=["kind"],
        )
        for kind, value in self._shares.items():
            share.add_metric([kind], math.nan if value is None else value)
        yield share
        yield GaugeMetricFamily(
            "faqtual_unanswerable_questions", "Distinct questions that the estimate rests on.", self._questions
        )
        yield GaugeMetricFamily(
            "faqtual_unanswerable_misfit",
            "How far the questions asked are from what the estimate expects, 0 to 1, beyond chance.",
            self._misfit,
        )
