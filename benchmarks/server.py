"""The index on a Qdrant server beside the embedded one: time of a search, searches a second, client CPU, agreement.

    QDRANT_URL=http://… python -m benchmarks.server [--entries 6373] [--questions 1000]

Synthetic entries of one answer and two phrasings, drawn around as many topics as a FAQ of that size would have, each
with words of its topic; questions are phrasings with noise. Compared are the embedded index, a local copy of the
server's release (FAQ_LOCAL_VECTORS), and the server asked for every question (FAQ_LOCAL_VECTORS=0). Searches alone are
measured, without encoding and ranking. *same first*: the share of questions whose nearest entry by answer or phrasing
is the embedded index's. Writes benchmarks/results/server.json and .md. Without QDRANT_URL it runs on the tests'
stand-in; then the row of the server says nothing about a real one, and no table is written.
"""

import argparse
import asyncio
import json
import os
import platform
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from app.index.candidates import Candidate, Question
from app.index.embedded import EmbeddedStore
from app.index.local_copies import LocalCopies
from app.index.protocol import Index, IndexRecord
from app.index.server import ServerStore
from benchmarks.cloud_faq import RESULTS
from tests.faults.stand_in import stand_in

NAME = "faq-0123456789ab-0123456789ab"
DIMENSION, BATCH, LIMIT = 384, 64, 14
Figures = dict[str, float]


def entries(count: int) -> list[Candidate]:
    """Synthetic entries; their vectors have length 1."""
    generator = np.random.default_rng(0)
    topics = generator.standard_normal((max(1, count // 100), DIMENSION))
    made = []
    for number in range(count):
        topic = number % len(topics)
        rows = topics[topic] + 0.8 * generator.standard_normal((3, DIMENSION))
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        texts = [f"how does topic{topic} do part{number} {word}" for word in ("now", "again")]
        payload = {
            "id": f"e{number}",
            "question": texts[0],
            "phrasings": texts,
            "negatives": [],
            "answer": f"topic{topic} does part{number}, as word{number % 997} says.",
            "metadata": {},
        }
        made.append(Candidate(f"e{number}", payload, rows[:1], rows[1:], rows[:0], digest=str(number)))
    return made


def questions(of: Sequence[Candidate], count: int, record: IndexRecord) -> list[Question]:
    """Phrasings with noise, whose words are those of the topic alone."""
    generator = np.random.default_rng(1)
    asked = []
    for number in generator.integers(0, len(of), count).tolist():
        vector = of[number].questions[0] + 0.04 * generator.standard_normal(DIMENSION).astype(np.float32)
        text = " ".join(of[number].payload["question"].split()[:3])
        asked.append(record.question(text, vector / np.linalg.norm(vector)))
    return asked


def first(candidates: Sequence[Candidate], question: Question) -> str:
    """The entry nearest by answer or phrasing."""
    near = {
        entry.id: max(float((rows @ question.vector).max()) for rows in (entry.answer, entry.questions) if len(rows))
        for entry in candidates
    }
    return max(sorted(near), key=near.__getitem__)


async def measured(index: Index, asked: Sequence[Question], clients: int) -> tuple[Figures, list[str]]:
    """One client, then `clients` at a time; and the first entry for each question."""
    times, firsts = [], []
    for question in asked[:50]:
        await index.search(question, LIMIT, {})
    cpu = time.process_time()
    for question in asked:
        start = time.perf_counter()
        candidates = await index.search(question, LIMIT, {})
        times.append(time.perf_counter() - start)
        firsts.append(first(candidates, question))
    cpu = time.process_time() - cpu
    waiting = iter(asked)

    async def client() -> None:
        for question in waiting:
            await index.search(question, LIMIT, {})

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    rate = len(asked) / (time.perf_counter() - start)
    p50, p99 = np.percentile(times, [50, 99]) * 1000
    return {"p50_ms": p50, "p99_ms": p99, "per_s": rate, "cpu_ms": cpu * 1000 / len(asked)}, firsts


def described(count: int) -> IndexRecord:
    """The record of a release of `count` entries."""
    return IndexRecord(
        name=NAME,
        bundle=NAME[4:16],
        knowledge=NAME[17:],
        entries=count,
        dimension=DIMENSION,
        created_at="2026-01-01T00:00:00Z",
        language="english",
        common_identifiers=[],
    )


async def compared(url: str, count: int, number: int, clients: int) -> dict[str, Figures]:
    """The figures of each index."""
    made, record = entries(count), described(count)

    def batches() -> Iterator[list[Candidate]]:
        return (made[start : start + BATCH] for start in range(0, count, BATCH))

    asked = questions(made, number, record)
    report: dict[str, Figures] = {}
    server = ServerStore.connect(url, namespace=f"test-{secrets.token_hex(4)}")
    with tempfile.TemporaryDirectory() as directory:
        embedded = EmbeddedStore(Path(directory) / "index")
        copies = LocalCopies(server, Path(directory) / "copies", 10**9)
        built = {"embedded": await timed(embedded.build(record, batches()))}
        built["server"] = await timed(server.build(record, batches()))
        start = time.perf_counter()
        copy = await copies.open(NAME)
        built["local copy"] = time.perf_counter() - start
        opened: dict[str, Index] = {
            "embedded": await embedded.open(NAME),
            "local copy": copy,
            "server": await server.open(NAME),
        }
        expected: list[str] = []
        for name, index in opened.items():
            figures, firsts = await measured(index, asked, clients)
            expected = expected or firsts
            same = float(np.mean([left == right for left, right in zip(firsts, expected, strict=True)]))
            report[name] = {**figures, "same_first": same, "built_s": built[name]}
            await index.close()
        copies.close()
    await server.drop(NAME)
    await server.sweep()
    await server.close()
    return report


async def timed(work: Awaitable[Any]) -> float:
    """The seconds that it takes."""
    start = time.perf_counter()
    await work
    return time.perf_counter() - start


def page(report: dict[str, Figures]) -> str:
    """The table, in Markdown."""
    columns = ("p50_ms", "p99_ms", "per_s", "cpu_ms", "same_first", "built_s")
    titles = (
        "p50, ms",
        "p99, ms",
        "a second, all clients",
        "client CPU, ms",
        "same first",
        "built or copied, s",
    )
    lines = ["| index | " + " | ".join(titles) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, figures in report.items():
        lines.append(f"| {name} | " + " | ".join(f"{figures[column]:,.3g}" for column in columns) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, default=6_373)
    parser.add_argument("--questions", type=int, default=1_000)
    parser.add_argument("--clients", type=int, default=8, help="at a time; the stand-in bears one or two")
    options = parser.parse_args()
    url = os.environ.get("QDRANT_URLS") or os.environ.get("QDRANT_URL")
    with nullcontext() if url else stand_in() as standing:
        used = url or (standing.urls[0] if standing else "")
        report = asyncio.run(compared(used, options.entries, options.questions, options.clients))
    sys.stdout.write(page(report))
    if url:
        RESULTS.mkdir(exist_ok=True)
        figures = {"machine": platform.machine(), "cores": os.cpu_count(), "entries": options.entries, **report}
        (RESULTS / "server.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        (RESULTS / "server.md").write_text(page(report), encoding="utf-8")


if __name__ == "__main__":
    main()
