"""Prometheus metrics. Every series exists from the start, so that a dashboard shows zeros before any traffic."""

import os
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

from app.http.gauges import Gauges
from app.replies import Reply

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # the library's name for it

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_FINE = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_BATCHES = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16)
_CONFIDENCE = tuple(step / 10 for step in range(1, 11))


class Metrics:
    """The metrics of one service, in a registry of their own: tests run several services in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.gauges = Gauges()
        self.registry.register(self.gauges)
        self.requests = Counter(
            "faqtual_requests_total", "Requests, by route and status.", ["route", "status"], registry=self.registry
        )
        self.connections_refused = Counter(
            "faqtual_connections_refused_total",
            "Connections closed before a whole request had arrived, by the status that was answered.",
            ["status"],
            registry=self.registry,
        )
        self.ask_seconds = Histogram(
            "faqtual_ask_seconds", "Time to answer one request.", buckets=_SECONDS, registry=self.registry
        )
        self.questions = Counter(
            "faqtual_questions_total", "Questions, by the status of their reply.", ["status"], registry=self.registry
        )
        self.confidence = Histogram(
            "faqtual_confidence",
            "Confidence of the best answer that was given.",
            buckets=_CONFIDENCE,
            registry=self.registry,
        )
        self._stages()
        for status in ("answered", "ambiguous", "no_answer"):
            self.questions.labels(status)
        for refusal in ("400", "408", "503"):
            self.connections_refused.labels(refusal)
        self.requests.labels("/v1/ask", "200")

    def _stages(self) -> None:
        """The metrics of each stage that a question passes."""

        def histogram(name: str, meaning: str, buckets: Sequence[float] = _FINE) -> Histogram:
            return Histogram(f"faqtual_{name}", meaning, buckets=buckets, registry=self.registry)

        def counter(name: str, meaning: str) -> Counter:
            return Counter(f"faqtual_{name}_total", meaning, registry=self.registry)

        self.queue_seconds = histogram("queue_seconds", "Time of a question in the queue for the encoder.")
        self.batch_size = histogram("batch_size", "Questions encoded together.", _BATCHES)
        self.encode_seconds = histogram("encode_seconds", "Time to encode one batch.")
        self.search_seconds = histogram(
            "search_seconds", "Time to search the index for one question, with the wait for a free thread."
        )
        self.known = counter("cache_hits", "Questions whose reply or embedding was in a cache.")
        self.refused = counter("refused", "Questions refused because the queue was full.")
        self.expired = counter("expired", "Questions dropped because their deadline passed.")
        self.abandoned = counter("abandoned", "Questions dropped because the client disconnected.")
        self.questions_logged = counter("questions_logged", "Questions written to the log, or added to its counts.")
        self.questions_not_logged = counter(
            "questions_not_logged", "Questions answered but not logged: the queue was full, or the database away."
        )

    def responded(self, route: str, status: int) -> None:
        """Count a response. `route`: the path template of the route, `none` where no route matched."""
        self.requests.labels(route, str(status)).inc()

    def connection_refused(self, status: int) -> None:
        """Count a connection that was refused before a whole request had arrived."""
        self.connections_refused.labels(str(status)).inc()

    def waited(self, seconds: float) -> None:
        """As `Observer.waited`."""
        self.queue_seconds.observe(seconds)

    def encoded(self, questions: int, seconds: float) -> None:
        """As `Observer.encoded`."""
        self.batch_size.observe(questions)
        self.encode_seconds.observe(seconds)

    def cached(self, questions: int) -> None:
        """As `Observer.cached`."""
        self.known.inc(questions)

    def searched(self, seconds: float) -> None:
        """As `Observer.searched`."""
        self.search_seconds.observe(seconds)

    def answered(self, replies: Sequence[Reply], seconds: float) -> None:
        """Count the replies to one request."""
        self.ask_seconds.observe(seconds)
        for reply in replies:
            self.questions.labels(reply.status).inc()
            if reply.answers:
                self.confidence.observe(reply.answers[0].confidence)

    def logged(self, questions: int) -> None:
        """As `app.questions.recorder.Observer.logged`."""
        self.questions_logged.inc(questions)

    def not_logged(self, questions: int) -> None:
        """As `app.questions.recorder.Observer.not_logged`."""
        self.questions_not_logged.inc(questions)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format; those of all worker processes together."""
        if DIRECTORY not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        together.register(self.gauges)
        return generate_latest(together)


def share(directory: Path, worker: int) -> None:
    """Keep the counts of this process where those of the other worker processes are. Call it before making Metrics.

    A process that replaces another goes on with its counts.
    """
    os.environ[DIRECTORY] = str(directory)
    values.ValueClass = values.MultiProcessValue(lambda: worker)  # type: ignore[no-untyped-call]
