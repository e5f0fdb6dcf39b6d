"""What the question log costs, in one process: the same service with FAQ_LOG_QUESTIONS off, counts, redacted and full.

    python -m benchmarks.question_log [--data FILE] [--work DIR] [--rounds 20] [--modes counts redacted full]

The application is called without sockets, 64 questions at a time, so that a question costs less than over HTTP and the
log a larger share. Blocks of questions take turns between `off` and the modes: questions that all differ, and questions
whose replies are cached. Two figures for each: the share of a block's CPU time that queueing, token and writing take,
measured where they run; and the CPU time of a block against the block with `off` of the same round, which includes all
that the log causes, and all noise. Median and quartiles. Writes benchmarks/results/question_log.json.
"""

import argparse
import asyncio
import dataclasses
import json
import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from app.api.state import Services
from app.knowledge.database import Database
from app.main import create_app
from app.questions.questions import Questions
from app.settings import Settings
from benchmarks.places import RESULTS
from benchmarks.serving.preparing import prepared

SAMPLE = Path(__file__).parents[1] / "data" / "faq.jsonl"
BLOCK, AT_A_TIME = {"distinct": 1024, "cached": 4096}, 64  # a service writes a batch of such a size
CACHED = 256  # different questions that are answered from the cache

Ask = Callable[[Any, str], Awaitable[None]]


class Timed:
    """Questions whose cost is measured: CPU seconds of the event loop in `record`, and of the process in `flush`."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._questions, name)

    def record(self, *arguments: Any, **options: Any) -> list[str | None]:  # noqa: ANN401
        """As `Questions.record`."""
        start = time.thread_time()
        tokens = self._questions.record(*arguments, **options)
        self.seconds += time.thread_time() - start
        return tokens

    async def flush(self) -> None:
        """As `Questions.flush`; nothing else may run."""
        start = time.process_time()
        await self._questions.flush()
        self.seconds += time.process_time() - start


class Unobserved:
    """Nobody is told what was logged."""

    def logged(self, questions: int) -> None:
        """Nothing."""

    def not_logged(self, questions: int) -> None:
        """A dropped question would make the figures too good."""
        raise AssertionError(f"{questions} questions were not logged")


def main() -> None:
    """Prepare a home, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=SAMPLE)
    parser.add_argument("--work", type=Path, default=Path("/tmp/faqtual-question-log"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--modes", nargs="+", default=["counts", "redacted", "full"])
    options = parser.parse_args()
    settings = prepared(options.data, options.work)
    blocks = asyncio.run(measured(settings, options))
    report = {"median and quartiles": summary(blocks), "load_average": round(os.getloadavg()[0], 1)}
    (RESULTS / "question_log.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


async def measured(settings: Settings, options: argparse.Namespace) -> dict[str, dict[str, list[Any]]]:
    """For each load and mode the CPU seconds of each block: all of it, and what the log took."""
    app = create_app(settings.model_copy(update={"log_questions": "off", "request_timeout_ms": 60_000}))
    distinct = (options.work / "distinct.txt").read_text(encoding="utf-8").splitlines()
    fresh, blocks = count(), defaultdict[str, dict[str, list[Any]]](lambda: defaultdict(list))
    async with app.router.lifespan_context(app) as state:
        services: Services = dict(state or {})["services"]
        modes = {mode: with_log(services, mode, options.work) for mode in ("off", *options.modes)}
        for number in range(-1, options.rounds):
            for load, size in BLOCK.items():
                names = list(modes)
                for mode in names[number % len(names) :] + names[: number % len(names)]:
                    new = [distinct[next(fresh) % len(distinct)] for _ in range(size)] if load == "distinct" else []
                    asked = new or [distinct[-1 - i % CACHED] for i in range(size)]
                    took = await block(app, modes[mode], asked)
                    if number >= 0:  # the first round fills caches
                        blocks[load][mode].append(took)
    return blocks


def with_log(services: Services, mode: Any, work: Path) -> Services:  # noqa: ANN401 - one of the literals
    """The same service with a log in a database of its own."""
    file = work / f"log-{mode}.db"
    subprocess.run(["rm", "-f", *(f"{file}{suffix}" for suffix in ("", "-wal", "-shm"))], check=True)
    questions = Questions(Database.open(f"sqlite:///{file}"), mode, 90, Unobserved())
    return dataclasses.replace(services, questions=Timed(questions))  # type: ignore[arg-type]


async def block(app: Any, services: Services, questions: Sequence[str]) -> tuple[float, float]:  # noqa: ANN401
    """Ask the questions and write the log: CPU seconds of all, and of the log, for one question."""
    timed: Any = services.questions
    timed.seconds, rest = 0.0, iter(questions)

    async def client() -> None:
        for question in rest:
            await ask(app, services, question)

    start = time.process_time()
    await asyncio.gather(*(client() for _ in range(AT_A_TIME)))
    await timed.flush()
    return (time.process_time() - start) / len(questions), timed.seconds / len(questions)


async def ask(app: Any, services: Services, question: str) -> None:  # noqa: ANN401
    """One request to /v1/ask. Raises AssertionError unless it gets 200."""
    body = json.dumps({"question": question}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/ask",
        "raw_path": b"/v1/ask",
    }
    scope |= {"query_string": b"", "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}
    scope |= {"scheme": "http", "root_path": "", "state": {"services": services}}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        assert message.get("status", 200) == 200, message

    await app(scope, receive, send)


def summary(blocks: dict[str, dict[str, list[Any]]]) -> dict[str, Any]:
    """For each load and mode: microseconds a question, the log's own, its share, and the ratio to `off`."""
    report: dict[str, Any] = {}
    for load, modes in blocks.items():
        for mode, took in modes.items():
            whole, own = np.array(took).T
            off, timer = np.array(modes["off"]).T
            own = own - np.median(timer)  # what the clock takes
            figures = {
                "us_a_question": whole * 1e6,
                "log_us": own * 1e6,
                "share": own / whole,
                "ratio": whole / off,
            }
            report[f"{load}, {mode}"] = {name: quartiles(values) for name, values in figures.items()}
    return report


def quartiles(values: Any) -> list[float]:  # noqa: ANN401 - an array of numbers
    """First quartile, median, third quartile, to four digits."""
    return [float(f"{value:.4g}") for value in np.percentile(values, [25, 50, 75])]


if __name__ == "__main__":
    main()
