"""What Prometheus sees. Every series exists from the start, so that a dashboard is never blank for want of traffic."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from app.answering import Answered

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_CONFIDENCE = tuple(step / 10 for step in range(1, 11))


class Metrics:
    """One registry a service, so that two in one process, as in tests, do not share their counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "faqtual_requests_total", "Requests, by route and status.", ["route", "status"], registry=self.registry
        )
        self.ask_seconds = Histogram(
            "faqtual_ask_seconds", "Time to answer one request.", buckets=_SECONDS, registry=self.registry
        )
        self.questions = Counter(
            "faqtual_questions_total", "Questions, by what became of them.", ["status"], registry=self.registry
        )
        self.confidence = Histogram(
            "faqtual_confidence",
            "Confidence of the best answer that was given.",
            buckets=_CONFIDENCE,
            registry=self.registry,
        )
        self.release = Gauge("faqtual_release_info", "The release that answers.", ["release"], registry=self.registry)
        for status in ("answered", "ambiguous", "no_answer"):
            self.questions.labels(status)
        self.requests.labels("/v1/ask", "200")

    def answered(self, answers: list[Answered], seconds: float) -> None:
        """Count the answers to one request."""
        self.ask_seconds.observe(seconds)
        for one in answers:
            self.questions.labels(one.status).inc()
            if one.answers:
                self.confidence.observe(one.answers[0].confidence)

    def serving(self, release: str | None) -> None:
        """Note which release answers."""
        self.release.clear()
        if release:
            self.release.labels(release).set(1)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
